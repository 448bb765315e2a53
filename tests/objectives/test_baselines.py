"""The baselines' objectives: closed forms, and each one learns its task."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from fabnet.errors import InputError
from fabnet.models.lab import rgb_to_lab
from fabnet.objectives.batch import Batch
from fabnet.objectives.registry import build_objective, objective_named
from fabnet.objectives.rotnet import RotNet, turned
from fabnet.objectives.splitbrain import SplitBrain

BASELINES = ("autoencoder", "rotnet", "splitbrain")


def make_batch(count: int = 8, size: int = 32) -> Batch:
    """Smooth images, brighter at the top, so that rotations are visible."""
    generator = np.random.default_rng(0)
    frames = np.stack(
        [cv2.resize(generator.integers(0, 160, (4, 4, 3), np.uint8), (size, size)) for _ in range(2 * count)]
    )
    frames[:, : size // 2] += 90
    return Batch.from_frames(frames.reshape(count, 2, size, size, 3), torch.device("cpu"))


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build_objective(name, size=32, width=8, embedding_dim=32)


@pytest.mark.parametrize("name", BASELINES)
def test_one_batch_can_be_learned(name: str) -> None:
    objective, batch = build(name), make_batch()
    optimizer = torch.optim.Adam(objective.parameters(), 3e-3)
    first = objective(batch)
    assert first.shape == (8,)
    for _ in range(60):
        optimizer.zero_grad()
        loss = objective(batch).mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.4 * float(first.detach().mean())


@pytest.mark.parametrize("name", BASELINES)
def test_the_encoder_gives_an_embedding_of_the_given_length(name: str) -> None:
    assert build(name).get_submodule("encoder")(make_batch().target).shape == (8, 32)


def test_turns_match_numpy() -> None:
    images = torch.rand(4, 3, 5, 5)
    made = turned(images, np.arange(4))
    for quarter in range(4):
        expected = np.rot90(images[quarter].numpy(), quarter, axes=(1, 2))
        np.testing.assert_array_equal(made[quarter].numpy(), expected)


def test_an_undecided_rotnet_has_the_loss_of_a_guess() -> None:
    objective = build("rotnet")
    assert isinstance(objective, RotNet)
    nn.init.zeros_(objective.classifier.weight)
    nn.init.zeros_(objective.classifier.bias)
    torch.testing.assert_close(objective(make_batch()), torch.full((8,), math.log(4)))


def test_a_blank_autoencoder_has_the_loss_of_grey() -> None:
    objective, batch = build("autoencoder"), make_batch()
    last = objective.get_submodule("decoder.layers")[-1]  # type: ignore[index]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    expected = ((batch.target - 0.5).abs().mean((1, 2, 3)) + (batch.sources[:, 0] - 0.5).abs().mean((1, 2, 3))) / 2
    torch.testing.assert_close(objective(batch), expected)


def test_half_of_a_splitbrain_never_sees_colour() -> None:
    objective = build("splitbrain").eval()
    assert isinstance(objective, SplitBrain)
    grey = torch.rand(3, 1, 32, 32).expand(3, 3, 32, 32)
    other = grey.clone()
    embeddings = objective.encoder(torch.cat([grey, other * 0.5]))
    of_colour = embeddings[:, 16:]
    torch.testing.assert_close(of_colour, of_colour[:1].expand_as(of_colour), atol=1e-5, rtol=0)
    assert (embeddings[:3, :16] - embeddings[3:, :16]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("cut", "moved", "still"),
    [
        ("to_lightness", "of_lightness", "of_colour"),
        ("to_colour", "of_colour", "of_lightness"),
    ],
)
def test_each_half_of_a_splitbrain_predicts_what_the_other_sees(cut: str, moved: str, still: str) -> None:
    objective = build("splitbrain")
    last = objective.get_submodule(f"{cut}.layers")[-1]  # type: ignore[index]
    nn.init.zeros_(last.weight)
    objective(make_batch()).sum().backward()
    for name, is_moved in ((moved, True), (still, False)):
        gradients = [each.grad for each in objective.get_submodule(f"encoder.{name}").parameters()]
        assert any(each is not None and bool(each.any()) for each in gradients) == is_moved


def test_a_blank_splitbrain_has_the_loss_of_both_halves() -> None:
    objective, batch = build("splitbrain"), make_batch()
    for name in ("to_colour", "to_lightness"):
        last = objective.get_submodule(f"{name}.layers")[-1]  # type: ignore[index]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    lab = rgb_to_lab(torch.stack([batch.sources[:, 0], batch.target]).flatten(0, 1))
    lightness, colour = (lab[:, :1] - 50) / 50, lab[:, 1:] / 25
    expected = lightness.square().mean((1, 2, 3)) + colour.square().mean((1, 2, 3))
    torch.testing.assert_close(objective(batch), expected.view(2, -1).mean(0))


def test_the_halves_of_a_splitbrain_are_encoders_of_half_the_width() -> None:
    encoder = build("splitbrain").get_submodule("encoder")
    for name, channels in (("of_lightness", 1), ("of_colour", 2)):
        first = next(each for each in encoder.get_submodule(name).modules() if isinstance(each, nn.Conv2d))
        assert first.weight.shape[:2] == (4, channels)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_takes_one_source_and_nothing_of_fabnets(name: str) -> None:
    cls = objective_named(name)
    assert (cls.is_warping, cls.takes_sources, cls.takes_views) == (False, False, False)
    assert cls.is_per_sample
    with pytest.raises(TypeError):
        cls.Options("an option without a name")


def test_a_splitbrain_needs_even_sizes() -> None:
    with pytest.raises(InputError, match="width and embedding_dim; got 8 and 33"):
        build_objective("splitbrain", size=32, width=8, embedding_dim=33)
