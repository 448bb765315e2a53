"""FAb-Net with one source and with several."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet, l1_per_sample


def batch(size: int = 16, count: int = 4, num_sources: int = 1) -> Batch:
    frames = np.random.default_rng(0).integers(0, 256, (count, num_sources + 1, size, size, 3), dtype=np.uint8)
    return Batch.from_frames(frames, torch.device("cpu"))


def test_the_loss_is_the_mean_absolute_difference_of_each_sample() -> None:
    a, b = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    b[0, 0] = 0.6
    b[1] = -0.5
    torch.testing.assert_close(l1_per_sample(a, b), torch.tensor([0.2, 0.5]))


def test_frames_arrive_in_zero_to_one_target_first() -> None:
    frames = np.zeros((1, 2, 16, 16, 3), np.uint8)
    frames[:, 0, :, :, 0] = 255
    made = Batch.from_frames(frames, torch.device("cpu"))
    assert made.target[0, :, 0, 0].tolist() == [1, 0, 0]
    assert made.sources.max() == 0
    assert made.sources.shape == (1, 1, 3, 16, 16)


def test_a_near_zero_start_reconstructs_the_source() -> None:
    torch.manual_seed(0)
    made = batch()
    model = FabNet(16, width=4, embedding_dim=8, options=FabNet.Options(near_zero_start=True))
    unwarped = l1_per_sample(made.sources[:, 0], made.target)
    torch.testing.assert_close(model(made), unwarped, atol=0.02, rtol=0)


def test_one_batch_can_be_overfitted() -> None:
    # Targets are their sources shifted by two pixels, which a warp can undo.
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(4, 3, 8, 8, generator=generator)
    wide = torch.nn.functional.interpolate(rough, size=(40, 40), mode="bilinear")
    made = Batch(wide[..., 4:36, 4:36], wide[..., 4:36, 6:38][:, None])
    model = FabNet(32, width=8, embedding_dim=32)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    start = l1_per_sample(made.sources[:, 0], made.target).mean().item()
    for _ in range(100):
        optimizer.zero_grad()
        loss = model(made).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * start


def several(num_sources: int = 3) -> FabNet:
    torch.manual_seed(0)
    return FabNet(16, width=4, embedding_dim=8, num_sources=num_sources)


def test_permuting_the_sources_changes_nothing_but_the_order_of_the_maps() -> None:
    model, made = several().eval(), batch(num_sources=3)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        first, second = model.reconstruct(made), model.reconstruct(made._replace(sources=made.sources[:, order]))
    torch.testing.assert_close(second.images, first.images)
    torch.testing.assert_close(second.weights, first.weights[:, order])
    torch.testing.assert_close(second.flow, first.flow[:, order])
    assert first.weights.std() > 0


def test_other_numbers_of_sources_can_be_used() -> None:
    model = several(2).eval()
    for count in (1, 2, 5):
        made = model.reconstruct(batch(num_sources=count))
        assert made.images.shape == (4, 3, 16, 16)
        assert made.weights.shape == (4, count, 16, 16)
        torch.testing.assert_close(made.weights.sum(dim=1), torch.ones(4, 16, 16))
    single = FabNet(16, width=4, embedding_dim=8)
    with pytest.raises(ValueError, match="trained with one source"):
        single.reconstruct(batch(num_sources=2))


def test_one_source_of_many_is_warped_as_by_the_single_source_network() -> None:
    model, single, made = several().eval(), FabNet(16, width=4, embedding_dim=8).eval(), batch()
    single.load_state_dict({name: value for name, value in model.state_dict().items() if "confidence" not in name})
    with torch.no_grad():
        torch.testing.assert_close(model(made), single(made))


def test_identical_sources_have_equal_weights() -> None:
    model, made = several().eval(), batch()
    copies = made._replace(sources=made.sources.expand(-1, 3, -1, -1, -1))
    with torch.no_grad():
        torch.testing.assert_close(model.reconstruct(copies).weights, torch.full((4, 3, 16, 16), 1 / 3))
        torch.testing.assert_close(model(copies), model(made))


def test_both_ways_is_the_mean_of_the_two_ways() -> None:
    made = batch()
    swapped = Batch(made.sources[:, 0], made.target[:, None])
    torch.manual_seed(0)
    model = FabNet(16, width=4, embedding_dim=8, options=FabNet.Options(both_ways=True))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    both = model(made)
    torch.testing.assert_close(both, model(swapped))
    model.eval()  # one way, as in validation
    torch.testing.assert_close(both, (model(made) + model(swapped)) / 2)
    assert (model(made) - model(swapped)).abs().max() > 1e-3


def test_options_have_names() -> None:
    with pytest.raises(TypeError):
        FabNet.Options(True)  # type: ignore[call-arg]
