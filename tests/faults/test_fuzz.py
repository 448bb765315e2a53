"""Mutated files of every kind are read, or refused with a FabnetError. experiments/fuzz.py tries 10,000 of each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.faces.picture import decode_picture
from fabnet.files.fields import check_fields

SCRIPT = Path(__file__).parents[2] / "experiments" / "fuzz.py"
KINDS = ("video", "image", "checkpoint", "config", "labels", "store")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        pytest.param("all", 12, id="few"),
        *(pytest.param(kind, 1000, id=f"{kind}-many", marks=pytest.mark.slow) for kind in KINDS),
    ],
)
def test_mutated_files_never_crash(kind: str, count: int, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--kind", kind, "--count", str(count), "--runs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    for each in KINDS if kind == "all" else [kind]:
        result = json.loads((tmp_path / f"{each}.json").read_text())
        assert result["findings"] == []
        assert result["done"] == count == sum(result["outcomes"].values())
        # Some mutations leave a valid file, but most must not.
        assert result["outcomes"]["refused"] > count / 10
        assert result["outcomes"]["done"] > count / 50


def memory_mb(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def test_a_small_file_cannot_fill_the_memory() -> None:
    bomb = cv2.imencode(".png", np.zeros((11_000, 11_000), np.uint8))[1].tobytes()
    assert len(bomb) < 200_000
    Path("/proc/self/clear_refs").write_text("5")
    before = memory_mb("VmRSS")
    with pytest.raises(InputError, match=r"11,000 x 11,000 pixels; the limit is 100,000,000 in all"):
        decode_picture(bomb)
    assert memory_mb("VmHWM") - before < 50


def test_fields_are_checked_against_their_types() -> None:
    types = {"count": int, "loss": float | None, "names": tuple[str, ...] | None, "is_done": bool}
    good = {"count": 3, "loss": 0.5, "names": ["a"], "is_done": False}
    check_fields(good, types)
    check_fields(good | {"loss": None, "names": None}, types)
    for wrong in (
        {"count": -1}, {"count": True}, {"count": 1.5}, {"count": 2**60}, {"loss": float("nan")}, {"loss": "1"},
        {"loss": 10**400}, {"names": "a"}, {"names": [1]}, {"is_done": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is "):
            check_fields(good | wrong, types)
    with pytest.raises(ValueError, match="more is unknown"):
        check_fields(good | {"more": 1}, types)
    with pytest.raises(ValueError, match="count is missing"):
        check_fields({}, types)
