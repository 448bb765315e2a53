"""The compare view: sources warped to a target by the decoders that the model was trained with.

It needs torch, and a model folder with the decoders. Shapes: S sources; H, W the size of the network's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from fabnet.errors import MissingDependencyError, ModelError
from fabnet.faces.window import Window, view
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import WEIGHTS_FILE, read_card
from fabnet.reporting.pictures import data_uri, flow_arrows, flow_colours, flow_legend, share_map, square, to_image
from fabnet.serving.answers import DOCUMENTED

__all__ = ["ComparedSource", "Comparer", "Comparison"]

SIDE_PX = 192
FULL_COLOUR_PX = 1.0
"""Least flow with full colour, so that noise does not look like movement."""


@dataclass(frozen=True, slots=True)
class ComparedSource:
    """A source and its reconstruction of the target; pictures are data URIs."""

    __pydantic_config__ = DOCUMENTED

    picture: str
    """Network's input window of the source."""
    warped: str
    """Warped window."""
    flow: str
    """Flow as colours."""
    movement: str
    """Flow as arrows."""
    confidence: str | None
    """Share of the source in each pixel; None if the network has no confidences."""
    share: float | None
    """Mean of that share."""
    loss: float
    """Mean absolute difference of the warped window from the target, 0 to 1."""
    loss_unwarped: float
    """Mean absolute difference of the window from the target, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A target and its reconstruction from sources; pictures are data URIs."""

    __pydantic_config__ = DOCUMENTED

    target: str
    """Network's input window of the target."""
    sources: list[ComparedSource]
    """Sources, each with its own reconstruction."""
    reconstruction: str | None
    """Blend of the warped sources; None for a single source or a network without confidences."""
    loss: float | None
    """Mean absolute difference of the blend from the target, 0 to 1."""
    flow_px: float
    """Flow in pixels that has full colour."""
    legend: str
    """Legend of the flow's colours."""
    note: str | None
    """Remark on how to read the comparison."""


class Comparer:
    """Reconstructs a target from sources.

    Args:
        model: as in `fabnet.load`.

    Raises:
        MissingDependencyError: torch is not installed.
        ModelError: the model has no flow decoder.
    """

    def __init__(self, model: str | Path) -> None:
        if find_spec("torch") is None:
            raise MissingDependencyError("comparing needs torch, which is not installed: pip install 'fabnet[train]'")
        folder = find_model(model)
        card = read_card(folder)
        if card.objective != "fabnet" or not (folder.is_file() or (folder / WEIGHTS_FILE).is_file()):
            raise ModelError(f"comparing needs the flow decoder; {model} has only an encoder, or another objective")
        self._folder, self._window, self._size = folder, Window(*card.window), card.size
        self._network: Any = None
        self._lock = Lock()

    def compare(self, target: np.ndarray, sources: Sequence[np.ndarray]) -> Comparison:
        """Reconstruct a target from one or more sources.

        Args:
            target: (H, W, 3) uint8 RGB face crop of any size.
            sources: one or more such crops.
        """
        import torch

        from fabnet.objectives.batch import Batch
        from fabnet.objectives.model_io import load_objective

        frames = np.stack([view(image, self._window, self._size) for image in (target, *sources)])
        with self._lock, torch.inference_mode():
            if self._network is None:
                self._network = load_objective(self._folder)[0]
            is_apart = len(sources) > 1 and self._network.confidence_decoder is None
            # (B, S + 1, H, W, 3): all sources together, or one by one if the network cannot weight them
            given = np.stack([frames[[0, index]] for index in range(1, len(frames))]) if is_apart else frames[None]
            made = self._network.reconstruct(Batch.from_frames(given, torch.device("cpu")))
        warped, flow, weights = (each.flatten(0, 1).numpy() for each in (made.warped, made.flow, made.weights))
        note = None
        if self._network.confidence_decoder is None:
            note = "this network was trained with one source per target, so it has no confidences" + (
                "; each source is warped on its own" if is_apart else ""
            )
        blended = None if is_apart or len(sources) == 1 else to_image(made.images[0].numpy())
        return _shown(frames, warped, flow, None if blended is None else weights, blended, note)


def _shown(
    frames: np.ndarray,
    warped: np.ndarray,
    flow: np.ndarray,
    weights: np.ndarray | None,
    blended: np.ndarray | None,
    note: str | None,
) -> Comparison:
    def shown(image: np.ndarray) -> str:
        return data_uri(square(image, SIDE_PX))

    half_px = (frames.shape[1] - 1) / 2
    flow_px = max(float(np.percentile(np.linalg.norm(flow, axis=1), 98)) * half_px, FULL_COLOUR_PX)
    target = frames[0]
    sources = []
    for index, image in enumerate(frames[1:]):
        made = to_image(warped[index])
        share = None if weights is None else weights[index]
        sources.append(
            ComparedSource(
                picture=shown(image),
                warped=shown(made),
                flow=shown(flow_colours(flow[index], largest=flow_px / half_px)),
                movement=data_uri(flow_arrows(image, flow[index], side=SIDE_PX)),
                confidence=None if share is None else shown(share_map(share)),
                share=None if share is None else float(share.mean()),
                loss=_difference(made, target),
                loss_unwarped=_difference(image, target),
            )
        )
    return Comparison(
        target=shown(target),
        sources=sources,
        reconstruction=None if blended is None else shown(blended),
        loss=None if blended is None else _difference(blended, target),
        flow_px=flow_px,
        legend=data_uri(flow_legend()),
        note=note,
    )


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float32) - other).mean() / 255)
