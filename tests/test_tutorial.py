"""The tutorials and the first page, run from their own text as a new user would."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import fabnet

ROOT = Path(fabnet.__file__).parent.parent
DOCS = ROOT / "docs"
NOTEBOOKS = sorted(DOCS.glob("tutorials/*.ipynb"))
HAS_JUPYTER = all(find_spec(name) is not None for name in ("nbclient", "nbformat", "ipykernel"))


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    """The cells with code."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def printed(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(each["text"]) for each in outputs if each.get("name") == "stdout")


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def run_as_script(notebook: Path, folder: Path) -> str:
    """What a notebook prints, run without Jupyter."""
    script = "\n".join("".join(cell["source"]) for cell in cells_of(notebook))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=folder,
        env=environment() | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run_in_jupyter(notebook: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a notebook prints, executed as scripts/docs --notebooks does."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    execute = runpy.run_path(str(DOCS / "execute.py"))["execute"]
    return "".join(printed(cell.get("outputs", [])) for cell in execute(notebook, folder).cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_the_outputs_are_there_and_small(notebook: Path) -> None:
    assert notebook.stat().st_size < 300_000
    cells = cells_of(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert printed(outputs)
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    texts = [
        text for output in outputs for text in (output.get("text"), output.get("data", {}).get("text/plain")) if text
    ]
    assert not re.search(r"(?:^|[\s'\"])(?:/|[A-Z]:\\)\w+", "".join("".join(text) for text in texts)), (
        "a path of a machine"
    )


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_every_tutorial_gives_what_its_text_says(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run_in_jupyter(notebook, tmp_path, monkeypatch) if HAS_JUPYTER else run_as_script(notebook, tmp_path)
    if notebook.stem == "own-encoder":
        losses = re.search(r"^validation loss (\S+), without warping (\S+)$", said, re.MULTILINE)
        assert losses is not None
        assert float(losses[1]) < float(losses[2])
    elif notebook.stem == "fifty-photos":
        assert re.search(r"^(4\d|50) labelled photos$", said, re.MULTILINE)
        correlations = dict(re.findall(r"^(\w+): correlation, turn (\S+) \[", said, re.MULTILINE))
        assert correlations.keys() == {"small", "random", "pixels"}
        assert float(correlations["small"]) > 0.9
        found = re.search(r"^(\d+) frames; mean absolute difference (\d\.\d+) eye distances$", said, re.MULTILINE)
        assert found is not None
        assert int(found[1]) >= 20
        assert float(found[2]) < 0.1
    else:
        assert notebook.stem == "study"
        smiling = re.findall(r"^(\w+) (before|after): mean \S+, smiling (\d+)% of the time$", said, re.MULTILINE)
        shares = {(person, when): int(share) for person, when, share in smiling}
        assert all(shares[person, "after"] > shares[person, "before"] for person in ("ann", "bob", "cara"))
        assert "bob, windows after the joke: lags [0.6 0.6 0.6 0.6 0.6 0.6 0.6]\n  above chance: 7 of 7\n" in said
        assert re.search(r"^cara, .*\n  above chance: [01] of 7$", said, re.MULTILINE)


def script_of(text: str) -> str:
    """All blocks as one script, in their order: bash as it stands, each Python block in a process of its own."""
    parts = []
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        assert language in ("bash", "python")
        parts.append(code if language == "bash" else f"python - <<'END'\n{code}END\n")
    return "\n".join(["set -euo pipefail", *parts])


@pytest.mark.slow
def test_the_first_page_runs_in_its_order(tmp_path: Path) -> None:
    commands, work = tmp_path / "bin", tmp_path / "work"
    for folder in (commands, work):
        folder.mkdir()
    for name, module in (("fabnet", " -m fabnet"), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
        (commands / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", script_of((DOCS / "start.md").read_text(encoding="utf-8"))],
        cwd=work,
        env=environment() | {"PATH": f"{commands}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(re.findall(r"^\d\.\d s: yaw -?\d+ ± \d+ degrees, \w+$", done.stdout, re.MULTILINE)) == 4
    assert {"talk.csv", "seen.mp4", "faces.lance", "neighbours.png"} <= {each.name for each in work.iterdir()}
