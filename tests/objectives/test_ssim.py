"""Structural dissimilarity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from fabnet.objectives import ssim
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet, l1_per_sample
from fabnet.objectives.ssim import dissimilarity_per_sample
from tests.objectives.formula import similarity


def pictures(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_dissimilarity_is_zero_for_equal_images_and_near_one_for_negatives() -> None:
    given = pictures(2, 0)
    torch.testing.assert_close(dissimilarity_per_sample(given, given), torch.zeros(2), atol=1e-5, rtol=0)
    checks = (torch.arange(16)[:, None] + torch.arange(16) & 1).float().expand(1, 3, 16, 16)
    assert 0.9 < float(dissimilarity_per_sample(checks, 1 - checks)) <= 1


def test_it_matches_the_formula_with_another_filter() -> None:
    images, targets = pictures(3, 0), pictures(3, 1)
    expected = []
    for a, b in zip(images.double().numpy(), targets.double().numpy(), strict=True):

        def mean(values: np.ndarray) -> np.ndarray:
            return np.asarray(uniform_filter(values, (1, 3, 3)))[:, 1:-1, 1:-1]

        covariance = mean(a * b) - mean(a) * mean(b)
        variance = mean(a * a) - mean(a) ** 2 + mean(b * b) - mean(b) ** 2
        similarity = (2 * mean(a) * mean(b) + 1e-4) * (2 * covariance + 9e-4)
        similarity /= (mean(a) ** 2 + mean(b) ** 2 + 1e-4) * (variance + 9e-4)
        expected.append((1 - similarity).mean() / 2)
    assert dissimilarity_per_sample(images, targets).tolist() == pytest.approx(expected, rel=1e-4)


def test_the_gradient_is_that_of_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssim, "CHUNK_PIXELS", 2 * 20 * 16)  # two samples at a time
    generator = torch.Generator().manual_seed(4)
    images = torch.rand(5, 3, 20, 16, generator=generator)
    targets = (images + 0.1 * torch.rand(images.shape, generator=generator)).to(memory_format=torch.channels_last)
    weights = torch.rand(5, generator=generator)
    ours = images.clone().requires_grad_()
    losses = dissimilarity_per_sample(ours, targets)
    (losses * weights).sum().backward()

    exact = images.double().requires_grad_()
    expected = (1 - similarity(exact, targets.double())).mean(dim=(1, 2, 3)) / 2
    (expected * weights).sum().backward()
    torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=1e-7)
    assert ours.grad is not None
    assert exact.grad is not None
    assert (ours.grad - exact.grad).norm() <= 1e-5 * exact.grad.norm()


def test_images_larger_than_a_chunk_are_taken_one_by_one() -> None:
    images, targets = (torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert ssim.CHUNK_PIXELS < 256 * 256
    both = dissimilarity_per_sample(images, targets)
    alone = [dissimilarity_per_sample(images[at : at + 1], targets[at : at + 1]) for at in range(2)]
    torch.testing.assert_close(both, torch.cat(alone))
    assert both.min() > 0.4


def test_it_is_part_of_the_loss_in_training_only() -> None:
    torch.manual_seed(0)
    network = FabNet(size=16, width=4, embedding_dim=8, options=FabNet.Options(ssim=0.75))
    batch = Batch(pictures(4, 2), pictures(4, 3)[:, None])
    with torch.no_grad():
        made = network.reconstruct(batch).images
        l1, dissimilarity = l1_per_sample(made, batch.target), dissimilarity_per_sample(made, batch.target)
        torch.testing.assert_close(network(batch), 0.25 * l1 + 0.75 * dissimilarity)
        network.eval()
        torch.testing.assert_close(network(batch), l1_per_sample(network.reconstruct(batch).images, batch.target))
