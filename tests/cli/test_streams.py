"""Closed streams, readers that go, and names that a terminal cannot show."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fabnet.cli import main

COMMAND = """
import sys
from fabnet.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""
ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `fabnet` is the command; both streams of the shell are caught."""
    (folder / "fabnet").write_text(COMMAND)
    line = f'fabnet() {{ "{sys.executable}" "{folder / "fabnet"}" "$@"; }}\nset -o pipefail\n{command}'
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=os.environ | more, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def named(store: Path, tmp_path: Path) -> Path:
    """A folder with a store under a name that ASCII lacks."""
    shutil.copytree(store, tmp_path / "störe")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("fabnet info störe 2>&-", 0), ("fabnet info störe >&-", 0), ("fabnet info störe >&- 2>&- <&-", 0),
        ("fabnet info störe | head -1", 0), ("fabnet info störe --json | true", 0), ("fabnet --help | true", 0),
        ("fabnet info nowhere 2>&-", 2), ("fabnet info nowhere >&- 2>&-", 2), ("fabnet info nowhere 2>&1 | true", 2),
        ("fabnet info störe >/dev/full", 2), ("fabnet embed störe --model=nobody --out=x.csv 2>&-", 6),
    ],
)  # fmt: skip
def test_no_stream_undoes_the_work(command: str, code: int, named: Path) -> None:
    done = shell(command, named)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) <= 1


def test_what_belongs_to_a_closed_stderr_does_not_reach_stdout_or_a_file(named: Path) -> None:
    assert shell("fabnet info nowhere 2>&-", named).stdout == ""
    done = shell("fabnet embed störe --model=pixels --crop=none --out=faces.csv --json 2>&-", named)
    assert json.loads(done.stdout)["rows"] == 60
    assert (named / "faces.csv").read_text().startswith('"id"')


@pytest.mark.parametrize("more", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, ASCII])
def test_a_name_that_stdout_lacks_is_shown_and_found(more: dict[str, str], named: Path) -> None:
    done = shell("fabnet info störe", named, **more)
    assert done.returncode == 0, done.stderr
    assert "rows" in done.stdout


def test_names_are_utf8_where_python_reads_them_as_ascii(second: Path, tmp_path: Path) -> None:
    (tmp_path / "vidéos").mkdir()
    shutil.copy(second, tmp_path / "vidéos" / "zoë.mp4")
    done = shell("fabnet track vidéos --out=tracks.lance --size=64 --fps=2 --num-workers=1 --json", tmp_path, **ASCII)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failed"] == []
    done = shell("fabnet embed tracks.lance --model=pixels --out=faces.csv --crop=none", tmp_path, **ASCII)
    assert "zoë.mp4" in (tmp_path / "faces.csv").read_text()


def test_a_call_where_python_reads_names_as_ascii_says_what_to_do(second: Path, tmp_path: Path) -> None:
    shutil.copy(second, tmp_path / "zoë.mp4")
    code = "import fabnet, pathlib; fabnet.track(list(pathlib.Path().glob('*.mp4')), 'tracks.lance', num_workers=0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | ASCII, capture_output=True, text=True
    )
    assert "UTF-8 name that Python reads as ascii here: set PYTHONUTF8=1" in done.stderr


def test_a_terminal_of_no_columns_shows_the_whole_table(
    named: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for columns in ("80", "0", "1", "-5"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["info", str(named / "störe")]) == 0
        shown.append(capsys.readouterr().out)
    assert "tracks" in shown[0]
    assert shown[1:] == [shown[0]] * 3
