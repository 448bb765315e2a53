"""Reconstructions of unseen people: sources, target, reconstruction, flow and confidence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from fabnet.faces.window import Window
from fabnet.models.model_folder import ModelCard
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet, Reconstruction, l1_per_sample
from fabnet.objectives.model_io import load_objective
from fabnet.reporting.names import track_name
from fabnet.reporting.pictures import flow_arrows, flow_colours, share_map, square, to_image
from fabnet.sampling.loader import frames_of
from fabnet.sampling.pairs import draw_fixed
from fabnet.store.track_store import TrackStore

__all__ = ["Made", "Reconstructions", "Strip", "reconstructed", "reconstructions"]

SIDE_PX = 144
SMALLEST_SCALE_PX = 1.0
"""Lower bound of the flow shown in full colour, so that noise does not look like movement."""


@dataclass(frozen=True)
class Strip:
    """A pair and its reconstruction.

    Attributes:
        label: "best", "middle" or "worst" of the drawn pairs, by loss over unwarped loss.
        name: identity, video and track.
        pictures: (caption, (SIDE_PX, SIDE_PX, 3) uint8 RGB) in display order.
        loss: mean absolute difference of reconstruction and target, in [0, 1].
        loss_unwarped: mean absolute difference of the first source and the target, in [0, 1].
    """

    label: str
    name: str
    pictures: list[tuple[str, np.ndarray]]
    loss: float
    loss_unwarped: float


@dataclass(frozen=True)
class Reconstructions:
    """Fixed validation samples, reconstructed.

    Attributes:
        strips: the best, the middle and the worst, in this order.
        num_pairs: number of different pairs drawn.
        num_better: number of pairs nearer to the target than the unwarped source.
        loss: mean loss over the pairs.
        loss_unwarped: mean unwarped loss over the pairs.
        scale_px: length of flow shown in full colour, in pixels of the network's input.
        num_sources: sources per target.
    """

    strips: list[Strip]
    num_pairs: int
    num_better: int
    loss: float
    loss_unwarped: float
    scale_px: float
    num_sources: int


class Made(NamedTuple):
    """Fixed validation samples with their reconstructions: B samples with S sources.

    Attributes:
        batch: targets and sources.
        made: their reconstructions.
        losses: (B,) mean absolute difference of reconstruction and target, in [0, 1].
        losses_unwarped: (B,) mean absolute difference of the first source and the target, in [0, 1].
        names: B names of tracks.
    """

    batch: Batch
    made: Reconstruction
    losses: np.ndarray
    losses_unwarped: np.ndarray
    names: list[str]


def reconstructed(objective: FabNet, card: ModelCard, store: TrackStore, *, num_pairs: int) -> Made | None:
    """Reconstruct fixed validation samples.

    Args:
        objective: the network.
        card: its model card.
        store: store with validation tracks.
        num_pairs: number of samples to draw; B, those that differ, is less if the validation tracks are few and short.

    Returns:
        None if no validation track in the store is long enough.
    """
    num_sources = objective.num_sources
    index = store.index("val", num_sources + 1)
    if not len(index):
        return None
    drawn = draw_fixed(index.starts, index.lengths, num_samples=num_pairs, num_sources=num_sources)
    # A pair that was drawn twice, or in both directions, would be shown twice.
    drawn = drawn.at(np.sort(np.unique(np.sort(drawn.rows, axis=1), axis=0, return_index=True)[1]))
    batch = Batch.from_frames(frames_of(drawn, store, window=Window(*card.window), size=card.size), torch.device("cpu"))
    with torch.inference_mode():
        made = objective.reconstruct(batch)
        losses = l1_per_sample(made.images, batch.target).numpy()
        unwarped = l1_per_sample(batch.sources[:, 0], batch.target).numpy()
    begins = [np.flatnonzero((index.starts <= row) & (row < index.starts + index.lengths)) for row in drawn.rows[:, 0]]
    return Made(batch, made, losses, unwarped, [track_name(index, int(indices[0])) for indices in begins])


def reconstructions(
    model: Path, store: TrackStore, *, num_pairs: int = 64, num_each: int = 4
) -> Reconstructions | None:
    """Reconstruct fixed validation pairs and show the best, the middle and the worst.

    Args:
        model: a model folder.
        store: store with validation tracks.
        num_pairs: number of pairs drawn.
        num_each: strips of each kind.

    Returns:
        None if the store has no validation track of two faces, or the objective does not reconstruct.
    """
    objective, card = load_objective(model)
    if not isinstance(objective, FabNet):
        return None
    found = reconstructed(objective, card, store, num_pairs=num_pairs)
    if found is None:
        return None
    batch, made, losses, unwarped, names = found
    num_sources = objective.num_sources
    half_px = (card.size - 1) / 2
    lengths = made.flow.norm(dim=2).numpy()
    scale_px = max(float(np.percentile(lengths, 98)) * half_px, SMALLEST_SCALE_PX)

    def strip(label: str, number: int) -> Strip:
        target, image = (square(to_image(each[number].numpy()), SIDE_PX) for each in (batch.target, made.images))
        sources = [to_image(source) for source in batch.sources[number].numpy()]
        flow = made.flow[number].numpy()
        if num_sources == 1:
            pictures = [
                ("source", square(sources[0], SIDE_PX)),
                ("target", target),
                ("reconstruction", image),
                ("flow", square(flow_colours(flow[0], largest=scale_px / half_px), SIDE_PX)),
                ("movement", flow_arrows(sources[0], flow[0], side=SIDE_PX)),
            ]
        else:
            pictures = [("target", target), ("reconstruction", image)]
            for index, source in enumerate(sources):
                share = made.weights[number, index].numpy()
                pictures.append((f"source {index + 1}", square(source, SIDE_PX)))
                pictures.append((f"its share, {share.mean():.0%}", square(share_map(share), SIDE_PX)))
        return Strip(label, names[number], pictures, float(losses[number]), float(unwarped[number]))

    order = np.argsort(losses / np.maximum(unwarped, 1e-6))
    return Reconstructions(
        strips=[strip(label, number) for label, numbers in _chosen(order, num_each) for number in numbers],
        num_pairs=len(order),
        num_better=int((losses < unwarped).sum()),
        loss=float(losses.mean()),
        loss_unwarped=float(unwarped.mean()),
        scale_px=scale_px,
        num_sources=num_sources,
    )


def _chosen(order: np.ndarray, num_each: int) -> list[tuple[str, list[int]]]:
    """The best, the middle and the worst of some pairs; none is in two of them.

    Args:
        order: (N,) the pairs, best first.
        num_each: number of each kind, if there are enough.
    """
    each = min(num_each, max(1, len(order) // 3))
    ends = order[each:][-each:]
    between = order[each : len(order) - len(ends)]
    first = (len(between) - min(each, len(between))) // 2
    return [("best", order[:each].tolist()), ("middle", between[first : first + each].tolist()),
            ("worst", ends.tolist())]  # fmt: skip
