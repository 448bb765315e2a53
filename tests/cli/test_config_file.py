"""`--config FILE`: options from YAML."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from fabnet.cli import VERBS, main
from fabnet.cli.config_file import configured, read_config, split_config
from fabnet.errors import InputError
from fabnet.training.train import read_run

TINY = {
    "size": 32, "width": 4, "embedding_dim": 16, "batch_size": 4, "num_val_pairs": 4, "num_workers": 0, "max_steps": 2,
}  # fmt: skip


def written(folder: Path, text: str | bytes, name: str = "options.yaml") -> str:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


@pytest.fixture
def photo(labelled_photos: Path) -> str:
    return str(labelled_photos / "0.png")


def embedded(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert main(["embed", *args, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_options_come_from_the_file_and_flags_win(
    photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "faces.csv"
    file = written(tmp_path, f"# comments are fine\nout: {out}\nmodel: pixels\nmin-face: 24\nthumbnails: no\n")
    made = embedded(capsys, photo, "--config", file)
    assert (made["out"], made["model"], made["embedded"]) == (str(out), "pixels", 1)
    assert embedded(capsys, f"--config={file}", photo, "--model", "mean")["model"] == "mean"
    assert embedded(capsys, photo, "--config", file, "--out", f"{out}.csv")["out"] == f"{out}.csv"


def test_a_run_from_a_file_is_the_same_as_one_from_flags(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{name}: {value}" for name, value in TINY.items()]
    lines += ["learning-rate: 1e-3", "curriculum: true", "freeze: [flow_decoder]", "pair_gap: null", "ssim: 0.5"]
    file = written(tmp_path, "\n".join(lines))
    train = ["train", str(store), "--init", str(tmp_path / "start")]
    flags = [text for name, value in TINY.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["train", str(store), "--out", str(tmp_path / "start"), *flags]) == 0
    assert main([*train, "--config", file, "--out", str(tmp_path / "a")]) == 0
    flags += ["--learning-rate", "1e-3", "--curriculum", "--freeze", "flow_decoder", "--ssim", "0.5"]
    assert main([*train, "--out", str(tmp_path / "b"), *flags]) == 0
    assert read_run(tmp_path / "a") == read_run(tmp_path / "b")
    capsys.readouterr()


def test_the_preset_and_the_objective_may_be_in_the_file_and_the_length_on_the_command_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{name}: {value}" for name, value in TINY.items() if name != "max_steps"]
    lines += ["preset: paper", "objective: autoencoder", "max_minutes: 60"]
    file = written(tmp_path, "\n".join(lines))
    args = ["train", str(store), "--out", str(tmp_path / "run"), "--config", file, "--max-steps", "3"]
    assert main([*args, "--batch-size", "2"]) == 0
    config, _ = read_run(tmp_path / "run")
    assert (config.objective, config.optimizer, config.batch_size) == ("autoencoder", "sgd", 2)
    assert (config.max_steps, config.max_minutes) == (3, None)
    capsys.readouterr()


def test_a_figure_may_be_named_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, f"figure: architecture\nout: {tmp_path / 'figures'}\n")
    assert main(["report", "small", "--config", file]) == 0
    assert (tmp_path / "figures" / "architecture.svg").is_file()
    capsys.readouterr()


def test_repeatable_flags_are_not_added_to_those_of_the_file() -> None:
    from fabnet.cli.remove import run

    for args, expected in ((["--identity", "Bob"], ()), ([], ("Ann",))):
        filled, _ = configured(run, {"identity": ("Ann",)}, "f", args)
        assert inspect.signature(filled).parameters["identity"].default == expected


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_says_so(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert "With --config FILE, options come from a YAML file" in capsys.readouterr().out


def test_the_help_shows_the_values_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["read", "--config", written(tmp_path, "fps: 7.5"), "--help"])
    assert "(default: 7.5)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verb", "text", "message"),
    [
        ("read", "fsp: 5", "no option is called 'fsp'; did you mean 'fps'?"),
        ("read", "zzz: 5", "no option is called 'zzz'; --help lists them"),
        ("read", "inputs: a.mp4", "inputs is given on the command line, not in the file"),
        ("read", "fps: fast", "fps must be a finite number or 'all'; got 'fast'"),
        ("read", "embedding: 1", "embedding must be True or False; got 1"),
        ("read", "min_face: {a: 1}", "min_face must be a single value or a list of them"),
        ("read", "fps: 5\nmin-face: 3\nmin_face: 4", "has the option min_face twice"),
        ("read", "- fps", "is not a list of options: expected a line NAME: VALUE for each"),
        ("read", "fps: [1", "is not YAML (line 1): "),
        ("read", "fps: !!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
        ("read", "{[a]: 1}", "is not YAML"),
        ("read", b"fps: \xff", "cannot be read as text: byte 6 is neither UTF-8"),
        ("read", "fps: " + "[" * 1000, "is not YAML"),
        ("read", "fps: 2024-13-45", "is not YAML"),
        ("read", "fps: 2024-12-24", "fps must be a single value"),
        ("read", "a: " + "x" * 70_000, "the limit for such a file is 65,536"),
        ("read", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "b must be a single value"),
        ("read", "a: &a [*a]", "a must be a single value"),
        ("train", "max_steps: many", "max_steps must be a whole number or None; got 'many'"),
        ("train", "preset: tiny", "unknown preset 'tiny'"),
        ("train", "preset: [a]", "unknown preset"),
        ("train", "objective: 3", "objective must be text; got 3"),
        ("train", "looks: 3", "looks must be 1 or 2; got 3"),
        ("search", "time: 1:30", "time must be "),
        ("compact", "out: a", "no option is called 'out'; --help lists them"),
    ],
)
def test_a_wrong_file_is_one_line(
    verb: str, text: str | bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "something", "--config", written(tmp_path, text)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"fabnet {verb}: ")
    assert message in said
    assert said.count("\n") == 1
    assert len(said) < 400


def test_the_file_must_be_there_and_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for args, message in (
        (["--config", str(tmp_path / "none.yaml")], "none.yaml cannot be read: No such file or directory"),
        (["--config", str(tmp_path)], "expected a regular file"),
        (["--config"], "--config takes one YAML file; got none"),
        (["--config", "a", "--config=b"], "--config takes one YAML file; got a, b"),
    ):
        assert main(["read", "talk.mp4", *args]) == 2
        assert message in capsys.readouterr().err


def test_the_file_may_be_in_the_encodings_of_windows(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        assert read_config(written(tmp_path, "# für\r\nfps: 5\r\n".encode(encoding))) == {"fps": 5}


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, "# nothing yet\n")) == {}
    assert split_config(["a", "--config", "b", "--fps", "3"]) == (["a", "--fps", "3"], "b")
    with pytest.raises(InputError, match="takes one YAML file"):
        split_config(["--config="])
