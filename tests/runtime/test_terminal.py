"""Names that would move the cursor, fake a line, or be run by a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fabnet.cli import main
from fabnet.files.cells import as_cell, as_cells
from fabnet.reading.columns import schema
from fabnet.reading.rows import write_rows
from fabnet.runtime.terminal import console, say, shown

HOSTILE = "\x1b]0;owned\x07\x1b[2Ka\nfabnet: done\r\u202egpj.exe\x9b31m\x85\u2028[red]b[/red]"
OBEYED = set("\x1b\x07\r\u202e\x9b\x85\u2028")


def test_control_characters_are_escaped() -> None:
    text = shown(HOSTILE)
    assert not OBEYED & set(text)
    assert "\n" not in text
    assert shown(text) == text
    assert "[red]b[/red]" in text
    assert shown("a\udce9b") == r"a\udce9b"
    text.encode()
    for plain in ("Zoë Müller", "李娜", "\u0646\u0627\u0645\u200c\u0647", "👩\u200d🔬", "C:\\\\new"):
        assert shown(plain) == plain


def test_lines_and_tables_show_names(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    say("a", HOSTILE)
    say(HOSTILE, to_stderr=True)
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    table.add_row(Text(HOSTILE.replace("\n", "")))
    console().print(table)
    console().print(HOSTILE)
    captured = capsys.readouterr()
    for text in captured:
        assert not OBEYED & set(text)
        assert "\nfabnet: done" not in text
    assert "[red]" in captured.out


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_errors_and_failures_show_names_and_json_is_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import cv2

    name = "\x1b[2Ka\nfabnet embed: done\u202e.png"
    assert main(["embed", str(tmp_path / name), "--out", str(tmp_path / "a")]) == 2
    (tmp_path / name).write_bytes(b"not a picture")
    cv2.imwrite(str(tmp_path / "sound.png"), np.full((64, 64, 3), 90, np.uint8))
    given = ["embed", str(tmp_path / name), str(tmp_path / "sound.png"), "--crop", "none", "--model", "pixels"]
    assert main([*given, "--out", str(tmp_path / "b.csv")]) == 0
    captured = capsys.readouterr()
    for text in captured:
        assert not {"\x1b", "\u202e"} & set(text)
        assert not any(line.startswith("fabnet embed: done") for line in text.splitlines())
    assert r"\x1b[2Ka" in captured.out
    assert main([*given, "--out", str(tmp_path / "c.csv"), "--json"]) == 0
    ((failed, _),) = json.loads(capsys.readouterr().out)["failed"]
    assert failed == name


def test_progress_shows_names() -> None:
    code = """
import sys
from fabnet.runtime import progress
progress.LINES_EVERY_S = 0
with progress.progress("a", total=2) as bar:
    bar.update(completed=1, note="\\x1b[2Kb\\nc")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert r"\x1b[2Kb\nc" in done.stderr


FORMULAS = ("=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1")


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_in_cells_are_escaped(text: str) -> None:
    assert as_cell(text) == f"'{text}"
    assert as_cells(pa.array([text, None, "a"])).to_pylist() == [f"'{text}", None, "a"]


@pytest.mark.parametrize("text", ["a=b", "-5", "+1.5e-3", "", "0", "李"])
def test_numbers_and_other_texts_are_unchanged(text: str) -> None:
    assert as_cell(text) == text
    assert as_cells(pa.array([text])).to_pylist() == [text]
    assert as_cell(-1.5) == -1.5
    assert as_cells(pa.array([-1.5])).to_pylist() == [-1.5]


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_csv_of_embeddings_has_no_formulas(ending: str, tmp_path: Path) -> None:
    row = {
        "id": "=a/0/0",
        "identity": "=cmd|x",
        "video": "@v",
        "track": "-1",
        "frame": -1,
        "time_s": -0.5,
        "source": "+s",
    }
    row |= {"box_px": None, "score": None, "reason": "", "embedding": np.array([-1.0, 2], np.float32)}
    write_rows([row], tmp_path / f"a.{ending}", file_format=ending, columns=schema(2))  # type: ignore[arg-type]
    (read,) = csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text()))
    assert (read["id"], read["identity"], read["video"], read["source"]) == ("'=a/0/0", "'=cmd|x", "'@v", "'+s")
    assert (read["track"], read["frame"], read["time_s"]) == ("-1", "-1", "-0.5")
    assert read.get("e0", "-1") == "-1"
