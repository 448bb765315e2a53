"""What the network makes of unseen people: source, target, reconstruction and flow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fabnet.objectives import Batch, FabNet, l1_per_sample, load_objective
from fabnet.reporting.names import track_name
from fabnet.reporting.pictures import data_uri, flow_arrows, flow_colours, square
from fabnet.sampling.loader import frames_of
from fabnet.sampling.pairs import draw_fixed
from fabnet.sampling.window import Window
from fabnet.tracks import TrackStore

__all__ = ["Reconstructions", "Strip", "reconstructions"]

SIDE_PX = 144
SMALLEST_SCALE_PX = 1.0
"""The flow's colours are never stretched further than to this, so that noise does not look like movement."""


@dataclass(frozen=True)
class Strip:
    """A pair and what was made of it.

    Attributes:
        label: "best", "middle" or "worst" of the pairs drawn, by loss over unwarped loss.
        name: identity, video and track.
        pictures: (caption, data URI) in the order shown.
        loss: mean absolute difference of reconstruction and target, in [0, 1].
        loss_unwarped: of source and target.
    """

    label: str
    name: str
    pictures: list[tuple[str, str]]
    loss: float
    loss_unwarped: float


@dataclass(frozen=True)
class Reconstructions:
    """Fixed validation pairs, reconstructed.

    Attributes:
        strips: the best, the middle and the worst, in this order.
        num_pairs: drawn.
        num_better: of them nearer to the target than the unwarped source is.
        loss: mean over the pairs.
        loss_unwarped: likewise.
        scale_px: the length of flow shown in full colour, in pixels of the network's input.
    """

    strips: list[Strip]
    num_pairs: int
    num_better: int
    loss: float
    loss_unwarped: float
    scale_px: float


def reconstructions(
    model: Path, store: TrackStore, *, num_pairs: int = 64, num_each: int = 4
) -> Reconstructions | None:
    """Reconstruct fixed validation pairs, and show the best, the middle and the worst of them.

    Args:
        model: a model folder.
        store: with validation tracks.
        num_pairs: drawn.
        num_each: strips of each kind.

    Returns:
        None where the store has no validation track of two faces, or the objective makes no reconstruction.
    """
    objective, card = load_objective(model)
    index = store.index("val", 2)
    if not len(index) or not isinstance(objective, FabNet):
        return None
    drawn = draw_fixed(index.starts, index.lengths, num_samples=num_pairs)
    batch = Batch.from_frames(frames_of(drawn, store, window=Window(*card.window), size=card.size), torch.device("cpu"))
    with torch.inference_mode():
        made = objective.reconstruct(batch)
        losses = l1_per_sample(made.images, batch.target).numpy()
        unwarped = l1_per_sample(batch.sources[:, 0], batch.target).numpy()
    flow = made.flow.numpy()
    half_px = (card.size - 1) / 2
    scale_px = max(float(np.percentile(np.hypot(flow[:, 0], flow[:, 1]), 98)) * half_px, SMALLEST_SCALE_PX)

    def strip(label: str, number: int) -> Strip:
        source, target, image = (_to_image(each[number]) for each in (batch.sources[:, 0], batch.target, made.images))
        pictures = {
            "source": square(source, SIDE_PX),
            "target": square(target, SIDE_PX),
            "reconstruction": square(image, SIDE_PX),
            "flow": square(flow_colours(flow[number], largest=scale_px / half_px), SIDE_PX),
            "movement": flow_arrows(source, flow[number], side=SIDE_PX),
        }
        row = drawn.rows[number, 0]
        name = track_name(index, int(np.flatnonzero((index.starts <= row) & (row < index.starts + index.lengths))[0]))
        captioned = [(caption, data_uri(picture)) for caption, picture in pictures.items()]
        return Strip(label, name, captioned, float(losses[number]), float(unwarped[number]))

    order = np.argsort(losses / np.maximum(unwarped, 1e-6))
    first = max((len(order) - num_each) // 2, 0)
    chosen = {"best": order[:num_each], "middle": order[first : first + num_each], "worst": order[-num_each:]}
    return Reconstructions(
        strips=[strip(label, number) for label, numbers in chosen.items() for number in numbers.tolist()],
        num_pairs=num_pairs,
        num_better=int((losses < unwarped).sum()),
        loss=float(losses.mean()),
        loss_unwarped=float(unwarped.mean()),
        scale_px=scale_px,
    )


def _to_image(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray((tensor.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
