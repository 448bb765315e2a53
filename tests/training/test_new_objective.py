"""A new objective is one class and one line: VICReg's loss on two frames of a track, trained, resumed and probed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError
from fabnet.models.encoder import Encoder
from fabnet.models.find_model import latest_checkpoint
from fabnet.objectives.batch import Batch
from fabnet.objectives.options import ObjectiveOptions
from fabnet.objectives.registry import OBJECTIVES

SMALL: dict[str, Any] = {
    "size": 32, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 8, "num_workers": 0,
    "validate_every": 4, "schedule": "plateau",
}  # fmt: skip


class VicReg(nn.Module):
    """Two frames of a track get similar embeddings, whose numbers vary and are decorrelated.

    Source: Bardes, Ponce, LeCun: VICReg, ICLR 2022, equations 1 to 6.
    """

    @dataclass(kw_only=True, frozen=True)
    class Options(ObjectiveOptions):
        """The options of VICReg."""

        covariance: float = 1.0
        """Weight of the covariance term."""

    num_sources: ClassVar[int] = 1
    is_warping: ClassVar[bool] = False
    is_per_sample: ClassVar[bool] = False
    takes_sources: ClassVar[bool] = False
    takes_views: ClassVar[bool] = False

    def __init__(self, size: int, width: int, embedding_dim: int, *, options: Options | None = None) -> None:
        super().__init__()
        self.options = options or self.Options()
        self.encoder = Encoder(size, width, embedding_dim)

    def forward(self, batch: Batch) -> torch.Tensor:
        both = self.encoder(torch.cat([batch.target, batch.sources[:, 0]])).float().chunk(2)
        loss: torch.Tensor = 25 * (both[0] - both[1]).square().mean()
        for one in both:
            one = one - one.mean(dim=0)
            loss = loss + 25 * (1 - (one.var(dim=0) + 1e-4).sqrt()).relu().mean()
            covariance = one.T @ one / max(len(one) - 1, 1)
            off_diagonal = covariance.square().sum() - covariance.diagonal().square().sum()
            loss = loss + self.options.covariance * off_diagonal / one.shape[1]
        return loss.expand(len(batch.target))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OBJECTIVES, "vicreg", VicReg)


def test_it_is_trained_resumed_embedded_with_and_probed(store: Path, frames_folder: Path, tmp_path: Path) -> None:
    options = {"objective": "vicreg", "covariance": 2.0, **SMALL}
    whole = fabnet.train(store, tmp_path / "whole", max_steps=8, **options)
    fabnet.train(store, tmp_path / "parts", max_steps=4, **options)
    fabnet.train(store, tmp_path / "parts", resume=True, max_steps=8)
    first, second = (load_file(latest_checkpoint(tmp_path / name) / "model.safetensors") for name in ("whole", "parts"))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert whole.val_loss is not None
    assert np.isfinite(whole.val_loss)
    other = fabnet.train(store, tmp_path / "other", max_steps=8, **options | {"covariance": 1e6})
    assert other.val_loss != whole.val_loss  # its option reaches the loss

    labels = tmp_path / "labels.csv"
    pictures = sorted(frames_folder.rglob("*.jpg"))
    lines = [
        f"{file.relative_to(frames_folder).as_posix()},{file.parts[-3]},{number % 7}"
        for number, file in enumerate(pictures)
    ]
    labels.write_text("\n".join(["path,subject,value", *lines]) + "\n")
    report = fabnet.probe(str(tmp_path / "whole"), str(labels), frames_folder, probe="ridge", num_workers=0)
    assert {row["task"] for row in report.to_json()["results"]} == {"value"}


def test_its_options_are_flags(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--objective", "vicreg", "--help"])
    shown = capsys.readouterr().out
    assert "--covariance" in shown
    assert "--ssim FLOAT" not in shown
    flags = ["--size", "32", "--width", "4", "--embedding-dim", "16", "--batch-size", "8", "--max-steps", "1"]
    run = tmp_path / "run"
    assert main(["train", str(store), "--out", str(run), "--objective=vicreg", "--covariance", "3", *flags]) == 0
    assert '"covariance": 3.0' in (run / "config.json").read_text()


def test_a_loss_of_the_whole_batch_has_no_curriculum(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vicreg has one loss per batch, which a curriculum cannot rank"):
        fabnet.train(store, tmp_path / "run", objective="vicreg", curriculum=True, max_steps=2, **SMALL)
