"""Weights that follow what moves."""

from __future__ import annotations

import pytest
import torch

from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet, l1_per_sample
from fabnet.objectives.motion import LARGEST, motion_weights
from fabnet.objectives.ssim import dissimilarity_per_sample
from tests.objectives.formula import similarity


def pictures(count: int, seed: int, size: int = 24) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_what_moves_counts_for_more() -> None:
    sources = pictures(2, 0)
    targets = sources.clone()
    targets[0, :, 4:8, 10:20] += 0.2  # 1 in 12 of its pixels before spreading
    weights = motion_weights(sources, targets, 0.5)
    assert weights.shape == (2, 1, 24, 24)
    assert weights[0, 0, 6, 12:18].tolist() == pytest.approx([0.5 + 0.5 * LARGEST] * 6)
    assert weights[0, 0, 16:, :].unique().tolist() == pytest.approx([0.5])
    assert weights[1].unique().tolist() == pytest.approx([0.5])  # nothing moves
    spread = motion_weights(sources, pictures(2, 1), 0.5)
    assert spread.mean(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1], abs=1e-3)


def test_the_weighted_dissimilarity_and_its_gradient_are_those_of_the_formula() -> None:
    images, targets, weights = pictures(3, 0, 12), pictures(3, 1, 12), 2 * pictures(3, 2, 12)[:, :1]
    ours = images.clone().requires_grad_()
    losses = dissimilarity_per_sample(ours, targets, weights)
    losses.sum().backward()
    exact = images.double().requires_grad_()
    expected = 0.5 - (similarity(exact, targets.double()) * weights[:, :, :-2, :-2]).mean(dim=(1, 2, 3)) / 2
    expected.sum().backward()
    torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=1e-6)
    assert ours.grad is not None
    assert exact.grad is not None
    assert (ours.grad - exact.grad).norm() <= 1e-5 * exact.grad.norm()


@pytest.mark.parametrize("both_ways", [False, True])
def test_it_weighs_the_training_loss_of_each_direction(both_ways: bool) -> None:
    torch.manual_seed(0)
    options = FabNet.Options(motion=0.5, both_ways=both_ways)
    network = FabNet(size=16, width=4, embedding_dim=8, options=options)
    source, target = pictures(4, 2, 16), pictures(4, 3, 16)
    target[:, :, :4] = 0
    batch = Batch(target, source[:, None])
    with torch.no_grad():
        # Batch-norm sees other batches one way and both ways: its statistics are fixed.
        network.flow_decoder.eval()
        network.encoder.eval()
        ways = [(source, target), (target, source)][: 1 + both_ways]
        losses = []
        for start, end in ways:
            weights = motion_weights(start, end, 0.5)
            weights = weights / weights.mean(dim=(1, 2, 3), keepdim=True)
            made = network.reconstruct(Batch(end, start[:, None])).images
            losses.append(l1_per_sample(made, end, weights))
        torch.testing.assert_close(network(batch), torch.stack(losses).mean(dim=0))
        network.eval()
        torch.testing.assert_close(network(batch), l1_per_sample(network.reconstruct(batch).images, target))


def test_two_looks_train_with_it() -> None:
    torch.manual_seed(0)
    network = FabNet(size=16, width=4, embedding_dim=8, options=FabNet.Options(motion=0.5, ssim=0.5, looks=2))
    loss = network(Batch(pictures(4, 2), pictures(4, 3)[:, None])).mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(each.grad is not None and each.grad.isfinite().all() for each in network.parameters())
