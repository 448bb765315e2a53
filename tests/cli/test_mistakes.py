"""The mistakes of a newcomer on the command line: each ends in one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabnet.cli import VERBS, main

MISTAKES = {
    "read a.mp4 --fps 0,5": "--fps must be a number or all; got '0,5': write a decimal point, 0.5",
    "read a.mp4 --fps=0,5": "--fps must be a number or all; got '0,5': write a decimal point, 0.5",
    "train s --out run --max-minutes 0,5": "--max-minutes must be a number; got '0,5': write a decimal point, 0.5",
    "train s --out run --max-steps 1.000": "--max-steps must be a whole number; got '1.000': write 1000",
    "read a.mp4 --min-face 20px": "--min-face must be a number; got '20px': write 20, without a unit",
    "read a.mp4 --fps fast": "--fps must be a number or all; got 'fast'",
    "read a.mp4 --faces both": "--faces must be largest or all; got 'both'",
    "train s --out run --looks 3": "--looks must be 1 or 2; got '3'",
    "train s --out run --log csv": "--log must be wandb or mlflow; got 'csv'",
    "table one": "NUMBER must be a whole number; got 'one'",
    "read a.mp4 --face all": "unknown option --face; did you mean --faces?",
    "read a.mp4 -o a.csv": "unknown option -o; fabnet read --help lists all",
    "read a.mp4 --attributes": (
        "unknown option --attributes: it belongs to fabnet embed; fabnet read --help lists those of read"
    ),
    "read a.mp4 --overlay": "--overlay needs a path; got none",
    "read a.mp4 --out --fps 5": "--out needs a path; got none",
    "read a.mp4 --embedding=true": "--embedding takes no value; got '--embedding=true'",
    "courses a.csv --synchrony ann": "--synchrony needs 2 values; got ann",
    "courses a.csv --baseline": "--baseline needs a value; got none",
    "read a.mp4 --fps 5 b.mp4": "unexpected 'b.mp4': give all inputs in one place, before the options",
    "compact my store": "unexpected 'store': fabnet compact takes one PATH (quote a name that has spaces)",
    "demo there": "unexpected 'there': fabnet demo takes options only",
    "search faces --k 5": "--query must be given, as in: fabnet search faces.lance --query photo.jpg",
    "search --query a.jpg faces --k 5": "DATA must be given, as in: fabnet search faces.lance --query photo.jpg",
    "probe --model small": "--protocol and --data must be given, as in: fabnet probe --model run --protocol",
    "report run --figure landmarks": "--data must be given, as in: fabnet report run --figure landmarks --data",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_write(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"fabnet {line.split()[0]}: {MISTAKES[line]}")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"demo"}))
def test_a_verb_alone_says_what_it_needs_in_one_line(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"as in: fabnet {verb} " in said or "given: name" in said


def test_what_is_right_is_not_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "none")
    for line in (
        "read MISSING --fps all --min-face None --no-embedding --search-every=0.5",
        "search MISSING --query a b --time 1:3 -k 2 --index",
        "train MISSING --out run --freeze --jitter-shift None --no-flip --objective rotnet",
        "courses MISSING --synchrony a b --no-smooth --window 1e-1",
        "remove MISSING --identity Ann --identity Bob",
        "report MISSING --figure retrieval --embeddings MISSING --same-identity",
    ):
        assert main(line.replace("MISSING", missing).split()) != 0
        said = capsys.readouterr().err
        assert missing in said, line
        assert "must" not in said
