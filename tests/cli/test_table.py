"""`fabnet table`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fabnet.cli import main


def test_it_prints_the_published_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "2"]) == 0
    out = capsys.readouterr().out
    assert "the paper's number on its data" in out
    assert "KEPLER [26] (2017)" in out
    assert "reproduced on our data" not in out


def test_it_writes_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "4", "--out", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["number"] == 4
    assert [Path(file).is_file() for file in found["files"]] == [True, True, True]


@pytest.mark.parametrize("args", [["7"], ["1", "--results", "none.json", "nor-this.json"]])
def test_errors_are_one_line(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", *args]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith("fabnet table: ")
    assert caught.err.count("\n") == 1
