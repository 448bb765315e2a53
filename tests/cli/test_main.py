"""The command line itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from fabnet.cli import VERBS, main
from fabnet.models.model_folder import read_card, write_card
from fabnet.weights import shipped_models


def test_help_lists_every_verb_and_is_quick_to_import(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert main([]) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    import_module(VERBS[verb][0])
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert f"fabnet {verb}" in out.split("Examples:")[1]
    assert "default: None" not in out
    assert "(default: )" not in out


def test_help_is_one_paragraph_an_option_and_names_what_a_verb_works_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    lines = [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("usage: fabnet train [-h] ")
    assert lines[0].endswith(" STORE")
    text = " ".join(" ".join(lines).split())
    assert "--pair-gap FLOAT Draw some pairs" in text
    assert "--jitter-shift {None}|FLOAT" in text  # its default is a number, and None another choice
    assert not {"and", "but", "than", "the", "their"} & set(lines)  # a word alone on a line within a paragraph
    assert "options options" not in text


def test_an_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == "fabnet: no verb is called 'trian'; did you mean 'train'?\n"


def test_errors_are_one_line_and_an_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fabnet", "search", str(tmp_path / "none.lance"), "--query", "a"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 5
    assert done.stdout == ""
    assert done.stderr.startswith("fabnet search: there is no embeddings dataset at ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" in subprocess.run([*command, "--debug"], capture_output=True, text=True).stderr


@pytest.mark.parametrize("verb", ["info", "compact", "track", "train", "embed"])
def test_what_the_system_refuses_is_one_line(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [] if verb in ("info", "compact") else ["--out", str(tmp_path / "out")]
    assert main([verb, str(tmp_path / ("a" * 300)), *outputs]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"fabnet {verb}: the path .* is too long; .*: choose a shorter one\n", said)


def test_names_are_printed_and_opened_as_they_are(
    store: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("talk [dQw4w9WgXcQ].lance", "[/b].lance", "12:30.lance"):
        assert main(["embed", str(store), "--model", str(tiny_run), "--out", name]) == 0
        assert name in capsys.readouterr().out.replace("\n", "")
        assert main(["search", name, "--query", "person0/0/0/0", "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["neighbours"]) > 0


def test_json_is_one_object_on_stdout(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["rows"], found["identities"]) == ("store", 60, 6)


def test_info_of_a_model_prints_whatever_its_training_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(shipped_models()["small-paper"], tmp_path / "model"))
    write_card(folder, replace(read_card(folder), training={"pairs_seen": 5000, "data": {"from": "videos"}}))
    assert main(["info", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "videos from" in out
    assert "pairs_seen: 5000" in out


def test_info_of_a_model_shows_how_well_it_reads_whom(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "base", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["reader"]
    assert found.pop("version")
    for group in ("MTFL, men", "MTFL, women", "MTFL, darkest third"):
        value, low, high = found[group]["yaw_deg"]
        assert low <= value <= high
        assert found[group]["faces"] > 100
    assert main(["info", "base"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"MTFL, women: {found['MTFL, women']['faces']:,} faces" in shown
    assert re.search(r"\d\.\d\d \[\d\.\d\d, \d\.\d\d\] yaw deg", shown)
    assert "window [0.5, 0.5, 0.6875]" in shown  # no figure with an interval
