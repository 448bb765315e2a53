"""The compare view: sources bent into a target by the decoders that the model was trained with.

Needs torch, and a model folder that holds them; letters: S sources, H, W the network's input.
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

__all__ = ["ComparedSource", "Comparer", "Comparison"]

SIDE_PX = 192
FULL_COLOUR_PX = 1.0
"""The flow's colours are never stretched further than to this, so that noise does not look like movement."""


@dataclass(frozen=True, slots=True)
class ComparedSource:
    """A source: what the network saw of it, that warped, the flow as colours and as arrows, and, where there are
    confidences, its share in each pixel; pictures as data URIs. `loss_unwarped` is the mean absolute difference from
    the target of what the network saw, `loss` of what it was warped to, both in 0 to 1."""

    picture: str
    warped: str
    flow: str
    movement: str
    confidence: str | None
    share: float | None
    loss: float
    loss_unwarped: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A target, its sources, and, of a network with confidences, the reconstruction that blends them, with its loss;
    `note` says what to bear in mind."""

    target: str
    sources: list[ComparedSource]
    reconstruction: str | None
    loss: float | None
    flow_px: float
    legend: str
    note: str | None


class Comparer:
    """Reconstructs targets.

    Args:
        model: as `fabnet.load` takes it.

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
            raise ModelError(
                f"comparing needs the flow decoder; {model} holds only an encoder, or was trained otherwise"
            )
        self._folder, self._window, self._size = folder, Window(*card.window), card.size
        self._network: Any = None
        self._lock = Lock()

    def compare(self, target: np.ndarray, sources: Sequence[np.ndarray]) -> Comparison:
        """Reconstruct a target from one source or several.

        Args:
            target: (H, W, 3) uint8 RGB face crop, of any size.
            sources: likewise, one or more.
        """
        import torch

        from fabnet.objectives.batch import Batch
        from fabnet.objectives.model_io import load_objective

        frames = np.stack([view(image, self._window, self._size) for image in (target, *sources)])
        with self._lock, torch.inference_mode():
            if self._network is None:
                self._network = load_objective(self._folder)[0]
            is_apart = len(sources) > 1 and self._network.confidence_decoder is None
            # (B, S + 1, H, W, 3): all sources together, or one by one where the network cannot weigh them
            given = np.stack([frames[[0, place]] for place in range(1, len(frames))]) if is_apart else frames[None]
            made = self._network.reconstruct(Batch.from_frames(given, torch.device("cpu")))
        warped, flow, weights = (each.flatten(0, 1).numpy() for each in (made.warped, made.flow, made.weights))
        note = None
        if self._network.confidence_decoder is None:
            note = "this network was trained with one source a target, so it has no confidences" + (
                "; each source is warped on its own" if is_apart else ""
            )
        blended = None if is_apart or len(sources) == 1 else _image(made.images[0].numpy())
        return _shown(frames, warped, flow, None if blended is None else weights, blended, note)


def _shown(
    frames: np.ndarray,
    warped: np.ndarray,
    flow: np.ndarray,
    weights: np.ndarray | None,
    blended: np.ndarray | None,
    note: str | None,
) -> Comparison:
    from fabnet.reporting.pictures import data_uri, flow_arrows, flow_colours, flow_legend, share_map, square

    def shown(image: np.ndarray) -> str:
        return data_uri(square(image, SIDE_PX))

    half_px = (frames.shape[1] - 1) / 2
    flow_px = max(float(np.percentile(np.linalg.norm(flow, axis=1), 98)) * half_px, FULL_COLOUR_PX)
    target = frames[0]
    sources = []
    for place, image in enumerate(frames[1:]):
        made = _image(warped[place])
        share = None if weights is None else weights[place]
        sources.append(
            ComparedSource(
                picture=shown(image),
                warped=shown(made),
                flow=shown(flow_colours(flow[place], largest=flow_px / half_px)),
                movement=data_uri(flow_arrows(image, flow[place], side=SIDE_PX)),
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


def _image(tensor: np.ndarray) -> np.ndarray:
    """(3, H, W) float in [0, 1] to (H, W, 3) uint8."""
    return np.ascontiguousarray((tensor.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float32) - other).mean() / 255)
