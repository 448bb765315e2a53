"""Validation: means, the noise of their change, and shares of several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from fabnet.objectives.batch import Batch
from fabnet.sampling.pairs import draw_fixed
from fabnet.training.validate import noise_of_change, share, validate


class Brightness(nn.Module):
    """The loss of a sample is the mean of its target."""

    is_warping = False

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of each sample."""
        return batch.target.mean(dim=(1, 2, 3))


def parts(levels: list[int], size: int) -> Iterator[torch.Tensor]:
    frames = torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1, 1).expand(-1, 2, 4, 4, 3)
    yield from frames.split(size)


@pytest.mark.parametrize("size", [1, 3, 64, 150])
def test_the_loss_does_not_depend_on_the_parts(size: int) -> None:
    levels = list(range(150))
    made = validate(
        Brightness(), parts(levels, size),
        num_samples=150, num_tracks=5, device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip
    assert made.loss == pytest.approx(np.mean(levels) / 255)
    assert made.loss_unwarped is None
    # Tracks take turns in the samples, and each of so few is a group.
    assert made.groups == pytest.approx([np.mean(levels[track::5]) / 255 for track in range(5)])


def test_what_fills_up_a_share_does_not_count() -> None:
    drawn = draw_fixed(np.array([0, 5, 10]), np.array([5, 5, 5]), num_samples=7)
    shares = [share(drawn, rank=rank, world_size=2) for rank in range(2)]
    assert [len(each.rows) for each in shares] == [4, 4]
    rows = np.concatenate([each.rows for each in shares])
    np.testing.assert_array_equal(rows, drawn.rows[[0, 1, 2, 3, 4, 5, 6, 6]])
    made = validate(
        Brightness(), parts([10] * 7 + [255], 8),
        num_samples=7, num_tracks=3, device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip
    assert made.loss == pytest.approx(10 / 255)


def test_the_noise_is_that_of_the_change_and_not_of_the_loss() -> None:
    random = np.random.default_rng(0)
    before = random.normal(0.05, 0.02, 64)
    assert noise_of_change(before.tolist(), (before - 0.001).tolist()) == pytest.approx(0, abs=1e-12)
    after = before + random.normal(0, 0.004, 64)
    assert noise_of_change(before.tolist(), after.tolist()) == pytest.approx(0.004 / math.sqrt(64), rel=0.3)


def test_there_is_no_noise_without_two_rounds_or_two_groups() -> None:
    assert noise_of_change([], [1.0, 2.0]) is None
    assert noise_of_change([1.0], [2.0]) is None
