"""Two looks at a face in one network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from fabnet.models.encoder import Encoder
from fabnet.models.looks import TwoLooks, looks_at, shared_between_looks


def test_the_looks_are_the_image_shrunk_by_areas_and_its_middle() -> None:
    images = torch.rand(2, 3, 96, 96)
    whole, close = looks_at(images)
    assert torch.equal(close, images[:, :, 16:80, 16:80])
    for shrunk, image in zip(whole, images, strict=True):
        wanted = cv2.resize(image.permute(1, 2, 0).numpy(), (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.permute(1, 2, 0).numpy() - wanted).max() < 1e-6


def test_an_encoder_with_one_look_becomes_one_with_two_that_gives_half_of_it_for_each() -> None:
    torch.manual_seed(0)
    one, two = Encoder(16, width=4, embedding_dim=8).eval(), TwoLooks(16, width=4, embedding_dim=8).eval()
    weights = shared_between_looks({f"encoder.{name}": value for name, value in one.state_dict().items()})
    two.load_state_dict({name.removeprefix("encoder."): value for name, value in weights.items()})
    images = torch.rand(3, 3, 24, 24)
    whole, close = looks_at(images)
    expected = torch.cat([one(whole)[:, :4], one(close)[:, 4:]], dim=1)
    assert torch.allclose(two(images), expected, atol=1e-6)


def test_an_odd_embedding_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="even embedding_dim; got 7"):
        TwoLooks(16, width=4, embedding_dim=7)
