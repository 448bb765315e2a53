"""The tutorial, run from its own text as a new user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pytest

import fabnet

TUTORIAL = Path(fabnet.__file__).parent.parent / "docs" / "tutorial.md"


def script_of(text: str) -> str:
    """All blocks as one script, in their order: bash as it stands, each Python block in a process of its own."""
    parts = []
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        assert language in ("bash", "python")
        parts.append(code if language == "bash" else f"python - <<'END'\n{code}END\n")
    return "\n".join(["set -euo pipefail", *parts])


@pytest.mark.parametrize("steps", [4, pytest.param(400, marks=pytest.mark.slow)])
def test_every_block_runs_in_its_order(steps: int, smiling: Path, tmp_path: Path) -> None:
    script = script_of(TUTORIAL.read_text())
    assert script.count("fabnet track") == script.count("python - <<'END'\nimport cv2") == 1
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "fabnet").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fabnet "$@"\n')
    (commands / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for command in commands.iterdir():
        command.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    path = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(TUTORIAL.parents[1]), *sys.path]),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=work, env=os.environ | path | {"STEPS": str(steps)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"^(4\d|50) labelled photos$", done.stdout, re.MULTILINE)
    found = re.search(r"^(\d+) frames; mean absolute difference (\d\.\d+) eye distances$", done.stdout, re.MULTILINE)
    assert found is not None
    rows = pyarrow.csv.read_csv(work / "new.csv")
    assert 20 <= int(found[1]) <= rows.num_rows
    assert float(found[2]) < (0.1 if steps >= 400 else 1.0)
