"""The architecture of a run, drawn from its actual layers: the paper's Figure 1."""

from __future__ import annotations

from pathlib import Path

from fabnet.errors import InputError
from fabnet.models.find_model import find_model
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.model_io import load_objective
from fabnet.paper.figures.diagram import Network, draw_network
from fabnet.paper.figures.files import FigureResult, facts_of, figures_folder, write_figure
from fabnet.paper.figures.layers import chain_of

__all__ = ["architecture_figure"]


def architecture_figure(model: str | Path, *, out: str | Path | None = None) -> FigureResult:
    """Draw a run's network with its actual sizes: encoder, embeddings, decoders, sampler and loss.

    Args:
        model: a run, a shipped name, a model folder or the authors' file.
        out: folder for architecture.svg, .pdf, .png and .txt; None: `report/figures` in the run.

    Raises:
        ModelError: there is no such model.
        InputError: it is not a FAb-Net; or it is not a run, and `out` is None.
        OutputError: a file cannot be written.
    """
    folder = figures_folder(model, out)
    objective, card = load_objective(find_model(model))
    if not isinstance(objective, FabNet):
        raise InputError(f"{model} was trained by {card.objective}; only the architecture of FAb-Net can be drawn")
    if objective.options.looks > 1:
        raise InputError(f"{model} has two looks at the face; only the architecture of a network with one can be drawn")
    confidences = objective.confidence_decoder
    network = Network(
        encoder=chain_of(objective.encoder, card.size),
        flow=chain_of(objective.flow_decoder, 1),
        confidence=None if confidences is None else chain_of(confidences, 1),
        num_sources=objective.num_sources,
        is_bounded=confidences is not None and confidences.bound == "tanh",
    )
    parts = network.parts()
    several = confidences is not None
    sources = f"{network.num_sources} sources" if several else "one source"
    counts = ", ".join(f"{name} {part.num_parameters:,}" for name, part in parts.items())
    caption = [
        f"FAb-Net as in {Path(model).name}, {sources} per target.",
        f"Frames of {card.size} x {card.size} pixels pass through one encoder; from the "
        f"{network.encoder.maps[-1].channels} numbers of a source and those of the target a decoder predicts a flow, "
        "along which a bilinear sampler takes the target's pixels from the source.",
        *(["A second decoder predicts a confidence; a soft-max over the sources turns it into weights, with which the "
           "warped sources are summed."] if several else []),
        "Bars stand for the maps between the layers: channels above, side in pixels below.",
        f"{sum(part.num_parameters for part in parts.values()):,} parameters: {counts}.",
        *(["In training, the target was also warped to the source."] if objective.options.both_ways else []),
    ]  # fmt: skip
    return write_figure(
        lambda figure: draw_network(figure, network), height_in=3.35 if several else 2.6, folder=folder,
        name="architecture", caption=caption, facts=facts_of("architecture", model, {"out": out}),
        shown=[{"part": name, **part.to_json()} for name, part in parts.items()],
    )  # fmt: skip
