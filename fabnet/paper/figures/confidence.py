"""The confidences of a run with several sources: the paper's Figure 4."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from fabnet.errors import InputError
from fabnet.files.places import as_place
from fabnet.models.find_model import find_model
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.model_io import load_objective
from fabnet.paper.figures.files import WIDTH_IN, FigureResult, facts_of, figures_folder, write_figure
from fabnet.paper.figures.panels import panel, say
from fabnet.reporting.pictures import square, to_image
from fabnet.reporting.reconstructions import Made, reconstructed
from fabnet.store.track_store import open_store
from fabnet.training.train import read_run, store_of

__all__ = ["chosen_samples", "confidence_figure"]

NUM_SAMPLES = 64
NUM_EXAMPLES = 4
SHOWN_PX = 256
COLOURS = "viridis"
"""A colour map of evenly rising brightness, readable with colour-vision deficiency and in grey print."""
HEAD_IN, LINE_IN, GAP_IN, BETWEEN_IN, BAR_IN = 0.2, 0.14, 0.05, 0.22, 0.5
"""Heights above an example and under its rows, gaps between panels and between examples, width of the colour bar."""


class Example(NamedTuple):
    """A target and its sources.

    Attributes:
        label: why it is shown.
        name: name of its track.
        target: (H, W, 3) uint8 RGB.
        made: (H, W, 3) uint8 RGB reconstruction.
        sources: S images, (H, W, 3) uint8 RGB each.
        shares: (S, H, W) float share of each source in each pixel of the target.
    """

    label: str
    name: str
    target: np.ndarray
    made: np.ndarray
    sources: list[np.ndarray]
    shares: np.ndarray


def confidence_figure(run: str | Path, *, out: str | Path | None = None) -> FigureResult:
    """Draw from which source a run with several sources takes each pixel of a target, for unseen people.

    Of 64 fixed validation samples, the ones with the largest difference between the sources' mean shares are shown, and
    those in the middle.

    Args:
        run: a run folder; its store gives the frames.
        out: folder for confidence.svg, .pdf, .png and .txt; None: `report/figures` in the run.

    Raises:
        ModelError: the folder is not a run.
        StoreError: the run's store is missing.
        InputError: the run has one source, or no validation track in its store is long enough.
        OutputError: a file cannot be written.
    """
    run = as_place(run)
    config, store_path = read_run(run)
    folder = figures_folder(run, out)
    objective, card = load_objective(find_model(run.absolute()))  # absolute: a run may share its name with a model
    if not isinstance(objective, FabNet) or objective.confidence_decoder is None:
        raise InputError(
            f"{run} has no confidences: its model was trained with one source; train one with "
            "fabnet train ... --sources 3"
        )
    found = reconstructed(objective, card, open_store(store_of(run, store_path)), num_pairs=NUM_SAMPLES)
    if found is None:
        raise InputError(f"{store_path} has no validation track of {objective.num_sources + 1} faces or more to show")
    examples = [
        _example(label, number, found) for label, number in chosen_samples(found.made.weights.mean(dim=(2, 3)).numpy())
    ]
    count = objective.num_sources
    largest = max(1.5 / count, *(float(example.shares.max()) for example in examples))
    caption = [
        f"Confidences of {run.name} over {count} sources, validation faces.",
        "Each example: the target above its reconstruction, and each source above its share of the target's pixels, "
        "the soft-max of the confidences: lighter is more; the numbers are means over the image.",
        f"Of {NUM_SAMPLES} fixed samples: the largest differences between the sources' mean shares, and the middle.",
        f"The line across the colour bar marks an even share, {100 / count:.0f} %.",
    ]
    data = f"{store_path.rpartition('/')[2]}, validation tracks"
    shown = [
        {"example": each.label, "track": each.name, "shares": each.shares.mean(axis=(1, 2)).round(4).tolist()}
        for each in examples
    ]
    side, columns = _grid(count)
    rows = -(-len(examples) // columns)
    return write_figure(
        lambda figure: _draw(figure, examples, side, columns, largest),
        height_in=rows * (HEAD_IN + 2 * (side + LINE_IN)) + (rows - 1) * GAP_IN, folder=folder,
        name="confidence", caption=caption, shown=shown,
        facts=facts_of("confidence", run, {"out": out}, data=data, seed=f"{config.seed} of the training"),
    )  # fmt: skip


def chosen_samples(shares: np.ndarray) -> list[tuple[str, int]]:
    """Choose samples by how strongly a network prefers one source to another.

    Args:
        shares: (N, S) mean share of each source.

    Returns:
        Label and index: half of them have the largest difference of shares, the rest lie around the middle.
    """
    order = np.argsort(-np.ptp(shares, axis=1), kind="stable")
    half = min(NUM_EXAMPLES // 2, len(order))
    first = max((len(order) - half) // 2, half)
    chosen = [("strongest preference", number) for number in order[:half].tolist()]
    return chosen + [("median preference", number) for number in order[first : first + half].tolist()]


def _example(label: str, number: int, found: Made) -> Example:
    both = (found.batch.target, found.made.images)
    target, made = (square(to_image(each[number].numpy()), SHOWN_PX) for each in both)
    sources = [square(to_image(source), SHOWN_PX) for source in found.batch.sources[number].numpy()]
    return Example(label, found.names[number], target, made, sources, found.made.weights[number].numpy())


def _grid(num_sources: int) -> tuple[float, int]:
    """Side of a panel in inches, and examples per row."""
    columns = 2 if num_sources <= 4 else 1
    wide = (WIDTH_IN - BAR_IN - (columns - 1) * BETWEEN_IN) / columns
    return min(wide / (num_sources + 1) - GAP_IN, 0.9), columns


def _draw(figure: matplotlib.figure.Figure, examples: list[Example], side: float, columns: int, largest: float) -> None:
    colours, scale = matplotlib.colormaps[COLOURS], Normalize(0, largest)
    step = HEAD_IN + 2 * (side + LINE_IN) + GAP_IN
    for index, example in enumerate(examples):
        row, column = divmod(index, columns)
        left = column * ((len(example.sources) + 1) * (side + GAP_IN) + BETWEEN_IN)
        top = row * step
        say(figure, left, top + 0.09, f"({'abcdefgh'[index]}) {example.label}", align="left", size=7)
        panel(figure, left, top + HEAD_IN, side, example.target)
        say(figure, left + side / 2, top + HEAD_IN + side + 0.07, "target")
        panel(figure, left, top + HEAD_IN + side + LINE_IN, side, example.made)
        say(figure, left + side / 2, top + HEAD_IN + 2 * side + LINE_IN + 0.07, "generated")
        for number, (source, share) in enumerate(zip(example.sources, example.shares, strict=True), 1):
            x = left + number * (side + GAP_IN)
            panel(figure, x, top + HEAD_IN, side, source)
            say(figure, x + side / 2, top + HEAD_IN + side + 0.07, f"source {number}")
            coloured = (255 * colours(scale(share))[:, :, :3]).round().astype(np.uint8)
            panel(figure, x, top + HEAD_IN + side + LINE_IN, side, coloured)
            say(figure, x + side / 2, top + HEAD_IN + 2 * side + LINE_IN + 0.07, f"{100 * share.mean():.0f} %")
    height = figure.get_figheight()
    bar = figure.add_axes(
        ((WIDTH_IN - 0.42) / WIDTH_IN, LINE_IN / height, 0.08 / WIDTH_IN, 1 - (HEAD_IN + LINE_IN) / height)
    )
    even = 1 / len(examples[0].sources)
    figure.colorbar(ScalarMappable(scale, colours), cax=bar, ticks=[0, even, largest])
    bar.set_yticklabels(["0 %", "even", f"{100 * largest:.0f} %"])
    bar.axhline(even, color="white", linewidth=1)
    bar.set_title("share", fontsize=7, pad=4)
    bar.tick_params(labelsize=6, width=0.5, length=2)
