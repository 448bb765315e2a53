"""What the network makes of unseen people: source, target, reconstruction and flow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fabnet.objectives import Batch, FabNet, l1_per_sample, load_objective
from fabnet.reporting.pictures import beside, data_uri, flow_colours
from fabnet.sampling.loader import frames_of
from fabnet.sampling.pairs import draw_fixed
from fabnet.sampling.window import Window
from fabnet.tracks import TrackStore

__all__ = ["Strip", "reconstruction_strips"]

SIDE_PX = 128


@dataclass(frozen=True)
class Strip:
    """A row of pictures: source, target, reconstruction, flow.

    Attributes:
        picture: data URI.
        loss: mean absolute difference of reconstruction and target.
        loss_unwarped: of source and target.
        label: "best", "median" or "worst" of the pairs drawn, by loss over unwarped loss.
    """

    picture: str
    loss: float
    loss_unwarped: float
    label: str


def reconstruction_strips(model: Path, store: TrackStore, *, num_pairs: int = 64, num_each: int = 3) -> list[Strip]:
    """Reconstruct fixed validation pairs, and show the best, the middle and the worst of them.

    Args:
        model: a model folder.
        store: with validation tracks.
        num_pairs: drawn.
        num_each: strips of each kind.

    Returns:
        Strips, best first; none where the store has no validation track or the objective makes no reconstruction.
    """
    objective, card = load_objective(model)
    index = store.index("val", 2)
    if not len(index.starts) or not isinstance(objective, FabNet):
        return []
    drawn = draw_fixed(index.starts, index.lengths, num_samples=num_pairs)
    batch = Batch.from_frames(frames_of(drawn, store, window=Window(*card.window), size=card.size), torch.device("cpu"))
    with torch.inference_mode():
        made = objective.reconstruct(batch)
        losses = l1_per_sample(made.images, batch.target).numpy()
        unwarped = l1_per_sample(batch.sources[:, 0], batch.target).numpy()
    order = np.argsort(losses / np.maximum(unwarped, 1e-6))
    middle = len(order) // 2
    chosen = {"best": order[:num_each], "median": order[middle : middle + num_each], "worst": order[-num_each:]}
    largest = float(np.percentile(np.hypot(*made.flow.numpy().transpose(1, 0, 2, 3)), 99))
    strips = []
    for label, numbers in chosen.items():
        for number in numbers.tolist():
            images = [_to_image(each[number]) for each in (batch.sources[:, 0], batch.target, made.images)]
            images.append(flow_colours(made.flow[number].numpy(), largest=largest))
            picture = data_uri(beside(images, side=SIDE_PX))
            strips.append(Strip(picture, float(losses[number]), float(unwarped[number]), label))
    return strips


def _to_image(tensor: torch.Tensor) -> np.ndarray:
    return np.asarray((tensor.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
