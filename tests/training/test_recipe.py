"""The paper's recipe in whole runs: its schedule, and its fine-tuning to several sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from fabnet.errors import ModelError
from fabnet.models.find_model import best_checkpoint, latest_checkpoint
from fabnet.sampling.loader import TrainingSteps
from fabnet.training.run_log import read_metrics
from fabnet.training.train import train

TINY: dict[str, Any] = {
    "size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 16, "num_workers": 0,
}  # fmt: skip


def test_the_papers_schedule_stops_by_itself(store: Path, tmp_path: Path) -> None:
    small: dict[str, Any] = TINY | {
        "validate_every": 3, "plateau_patience": 2, "curriculum_patience": 1, "keep_checkpoints": 99, "max_steps": 600,
        "min_gain": 0.02,
    }  # fmt: skip
    result = train(store, tmp_path / "run", preset="paper", curriculum=True, **small)
    assert result.steps < 600, result.steps
    rows = [row for row in read_metrics(tmp_path / "run") if "val_loss" in row]
    assert len(rows) == result.steps // 3 > 4 * 2 + 3 * 3
    assert [row["step"] for row in rows] == [3 * (number + 1) for number in range(len(rows))]
    assert sorted({row["curriculum_from"] for row in rows}) == [0.0, 0.1, 0.2, 0.3, 0.4]
    # The rate stays until the window is at its last position, and then falls to a tenth, twice.
    assert {row["learning_rate"] for row in rows if row["curriculum_from"] < 0.4} == {1e-3}
    assert sorted({row["learning_rate"] for row in rows}) == pytest.approx([1e-5, 1e-4, 1e-3])
    assert "val_loss_noise" not in rows[0]
    assert all(0 <= row["val_loss_noise"] < 0.1 for row in rows[1:])


def test_only_the_workers_decode_and_with_the_same_result(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = TINY | {"max_steps": 4, "validate_every": 2}
    alone = train(store, tmp_path / "alone", **changes)

    def refused(steps: TrainingSteps, item: int | slice) -> NoReturn:
        raise AssertionError(f"the trainer's process decodes {item}")

    monkeypatch.setattr(TrainingSteps, "__getitem__", refused)  # workers are spawned, and import it anew
    result = train(store, tmp_path / "run", **changes | {"num_workers": 2})
    assert (result.val_loss, result.val_loss_unwarped) == (alone.val_loss, alone.val_loss_unwarped)


def test_a_run_of_an_earlier_fabnet_resumes(store: Path, tmp_path: Path) -> None:
    changes = TINY | {"schedule": "plateau", "curriculum": True, "validate_every": 2}
    train(store, tmp_path / "run", **changes, max_steps=4)
    state, config = latest_checkpoint(tmp_path / "run") / "state.json", tmp_path / "run" / "config.json"
    old_state = json.loads(state.read_text())
    del old_state["val_groups"]
    old_state["curriculum"] |= {"shifts": 1, "best": 0.01, "bad_rounds": 3, "history": [[2, 1]]}
    state.write_text(json.dumps(old_state))
    content = json.loads(config.read_text())
    for name in ("round_passes", "min_gain", "curriculum_start"):
        del content["config"][name]
    config.write_text(json.dumps(content))
    train(store, tmp_path / "run", resume=True, max_steps=8)
    made = json.loads((latest_checkpoint(tmp_path / "run") / "state.json").read_text())
    assert made["curriculum"] == {"shifts": 1, "best": 0.01, "bad_rounds": 5, "history": [[2, 1]]}


def test_fine_tuning_carries_the_window_on(store: Path, tmp_path: Path) -> None:
    def started(name: str, **changes: Any) -> tuple[Any, Any, Any]:
        train(store, tmp_path / name, preset="paper", **TINY | {"max_steps": 1, "validate_every": 1} | changes)
        config = json.loads((tmp_path / name / "config.json").read_text())["config"]
        state = json.loads((latest_checkpoint(tmp_path / name) / "state.json").read_text())
        return config["curriculum_start"], config["freeze"], state["curriculum"].get("shifts")

    assert started("easy", curriculum=True, curriculum_patience=9) == (None, None, 0)
    single = {"curriculum": True, "curriculum_patience": 0, "min_gain": 0.9, "max_steps": 8}
    assert started("single", **single) == (None, None, 4)
    best = json.loads((best_checkpoint(tmp_path / "single") / "state.json").read_text())["curriculum"]["shifts"]
    three: dict[str, Any] = {"sources": 3, "curriculum": True}
    init = str(tmp_path / "single")
    assert started("three", init=init, **three) == (best, ["flow_decoder"], best)
    last = str(latest_checkpoint(tmp_path / "single"))
    assert started("of_the_last", init=last, **three) == (4, ["flow_decoder"], 4)
    assert started("given", init=last, curriculum_start=2, **three) == (2, ["flow_decoder"], 2)
    assert started("without", init=last, sources=3) == (None, ["flow_decoder"], None)
    file = latest_checkpoint(tmp_path / "single") / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"curriculum": {"shifts": 9}}))
    with pytest.raises(ModelError, match=r"state\.json is corrupt .*; give --curriculum-start"):
        started("corrupt", init=last, **three)
