"""Recoloured and occluded images, and an encoder that sees them."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.occlude import _all_at_once, _one_by_one, occluded
from fabnet.objectives.recolour import recoloured
from fabnet.objectives.views import seen
from fabnet.sampling.pairs import Jitter, draw

SAME = [1.0, 1.0, 1.0, 0.0, 0.0]
WHOLE, NOTHING = [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]


def images(count: int, size: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (0, 1.4, lambda image: image.mean() + 1.4 * (image - image.mean())),
        (1, 0.8, lambda image: image - 0.2 * image.mean()),
        (3, 0.5, lambda image: image ** torch.tensor(0.5).exp()),
    ],
)
def test_each_number_has_its_own_effect(place, value, expected) -> None:  # type: ignore[no-untyped-def]
    changes = torch.tensor([SAME, SAME])
    changes[1, place] = value
    given = images(2)
    made = recoloured(given, changes)
    torch.testing.assert_close(made[0], given[0])
    torch.testing.assert_close(made[1], expected(given[1]).clamp(0, 1))


def test_saturation_and_grey_keep_the_luma() -> None:
    given = images(2)
    changes = torch.tensor([SAME, SAME])
    changes[0, 2], changes[1, 4] = 0.5, 1.0
    made = recoloured(given, changes)
    for before, after in zip(given, made, strict=True):
        for (red, green, blue), (r, g, b) in zip(
            before.flatten(1).T.tolist(), after.flatten(1).T.tolist(), strict=True
        ):
            assert colorsys.rgb_to_yiq(r, g, b)[0] == pytest.approx(colorsys.rgb_to_yiq(red, green, blue)[0], abs=5e-3)
    assert torch.equal(made[1, 0], made[1, 2])


def test_a_tight_frame_repeats_its_border() -> None:
    given = images(2, size=20)
    made = occluded(given, torch.tensor([[0.1, 0.2, 0.75, 0.9], WHOLE]), torch.tensor([NOTHING, NOTHING]))
    left, top, right, bottom = 2, 4, 15, 18
    around = (left, 20 - right, top, 20 - bottom)
    expected = torch.nn.functional.pad(given[:1, :, top:bottom, left:right], around, mode="replicate")
    assert torch.equal(made[:1], expected)
    assert torch.equal(made[1], given[1])


def test_a_box_is_erased_to_the_mean_colour_of_its_own_image() -> None:
    given = images(2, size=20)
    made = occluded(given, torch.tensor([WHOLE, WHOLE]), torch.tensor([[0.25, 0.5, 0.75, 0.8], NOTHING]))
    expected = given[0].clone()
    expected[:, 10:16, 5:15] = given[0].mean(dim=(1, 2))[:, None, None]
    assert torch.equal(made[0], expected)
    assert torch.equal(made[1], given[1])


def test_processor_and_gpu_occlude_alike() -> None:
    jitter = Jitter((1, 1), 0, occlude=0.8)
    drawn = draw(np.arange(0, 20, 5), np.full(4, 5), seed=0, step=0, batch_size=64, jitter=jitter)
    assert drawn.views is not None
    frames, boxes = torch.from_numpy(drawn.views).flatten(0, 1)[:, 5:].split(4, dim=1)
    given = images(len(frames), size=24)
    made = _one_by_one(given, frames, boxes)
    assert (made != given).any(dim=(1, 2, 3)).sum() > len(given) / 2
    assert torch.equal(made, _all_at_once(given, frames, boxes))


def test_views_that_change_nothing_leave_images_as_they_are() -> None:
    given = images(3)
    torch.testing.assert_close(seen(given, torch.tensor([SAME + WHOLE + NOTHING] * 3)), given)


def test_the_encoder_sees_the_views_and_the_loss_does_not() -> None:
    torch.manual_seed(0)
    network = FabNet(size=16, width=4, embedding_dim=8)
    target, source = images(4)[:2], images(4)[2:, None]
    views = torch.tensor(SAME + WHOLE + NOTHING).expand(2, 2, 13).clone()
    # The view of the first sample's source.
    views[0, 1] = torch.tensor([1.3, 0.7, 0.5, 0.3, 0.0, 0.2, 0.2, 0.9, 1.0, 0.3, 0.4, 0.6, 0.8])
    batch = Batch(target, source, views)
    network.eval()
    plain, made = network.reconstruct(Batch(target, source)), network.reconstruct(batch)
    torch.testing.assert_close(made.flow[1], plain.flow[1])
    assert not torch.allclose(made.flow[0], plain.flow[0])
    by_hand = Batch(target, seen(source[:, 0], views[:, 1])[:, None])
    torch.testing.assert_close(network._embed(batch)[0], network._embed(by_hand)[0])
    kept = batch.at(torch.tensor([1])).views
    assert kept is not None
    assert torch.equal(kept, views[1:])
