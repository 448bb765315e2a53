"""The baselines in the trainer: trained, stopped, resumed, used for embedding, and reported like FAb-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import fabnet
from fabnet.errors import InputError
from fabnet.models.find_model import latest_checkpoint

SMALL: dict[str, Any] = {
    "size": 32, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 8, "num_workers": 0,
    "validate_every": 4,
}  # fmt: skip


@pytest.mark.parametrize("objective", ["autoencoder", "rotnet", "splitbrain"])
def test_a_baseline_trains_resumes_and_embeds(store: Path, tmp_path: Path, objective: str) -> None:
    whole = fabnet.train(store, tmp_path / "whole", objective=objective, max_steps=8, schedule="plateau", **SMALL)
    assert whole.val_loss is not None
    assert whole.val_loss_unwarped is None
    fabnet.train(store, tmp_path / "parts", objective=objective, max_steps=4, schedule="plateau", **SMALL)
    fabnet.train(store, tmp_path / "parts", resume=True, max_steps=8)
    first, second = (load_file(latest_checkpoint(tmp_path / name) / "model.safetensors") for name in ("whole", "parts"))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    embedding = fabnet.load(tmp_path / "whole").embed([np.full((64, 64, 3), 90, np.uint8)])
    assert embedding.shape == (1, 16)
    page = fabnet.report(tmp_path / "whole").page.read_text()
    assert f"by the objective <b>{objective}</b>" in page
    assert "this objective does not warp" in page


def test_only_fabnet_takes_several_sources(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rotnet takes one source per target; got 3"):
        fabnet.train(store, tmp_path / "run", objective="rotnet", sources=3, max_steps=2)
