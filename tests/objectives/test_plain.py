"""FAb-Net's training step against the benchmarks' independent plain one: the same mathematics."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet


def test_losses_and_gradients_match_the_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from reference import PlainTraining

    torch.manual_seed(0)
    plain, ours = PlainTraining(32, 8, width=8), FabNet(32, width=8)
    ours.encoder.get_submodule("layers").load_state_dict(plain.encoder.state_dict())
    ours.flow_decoder.layers.load_state_dict(plain.decoder.state_dict())
    frames = torch.randint(0, 256, (8, 2, 32, 32, 3), dtype=torch.uint8)
    expected = plain.losses(frames)
    losses = ours(Batch.from_frames(frames, torch.device("cpu")))
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
    losses.mean().backward()
    expected.mean().backward()
    for own, its in ((ours.encoder, plain.encoder), (ours.flow_decoder, plain.decoder)):
        for parameter, other in zip(own.parameters(), its.parameters(), strict=True):
            assert parameter.grad is not None
            assert other.grad is not None
            assert (parameter.grad - other.grad).norm() <= 1e-3 * other.grad.norm() + 1e-5
