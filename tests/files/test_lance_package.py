"""Where Lance is not installed, as on Macs with an Intel processor, only what touches a Lance dataset fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WITHOUT_LANCE = """
import contextlib, io, json, sys
sys.modules["lance"] = None
from fabnet.cli import main
for args in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = main(args)
    print(json.dumps([code, said.getvalue()]))
"""


def run(*commands: tuple[object, ...]) -> list[tuple[int, str]]:
    """The exit codes and stderr of commands in one process that cannot import Lance."""
    given = json.dumps([[str(arg) for arg in command] for command in commands])
    done = subprocess.run([sys.executable, "-c", WITHOUT_LANCE], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_read_and_embed_write_files(frames_folder: Path, second: Path, tmp_path: Path) -> None:
    photo = frames_folder / "person0" / "0" / "0.jpg"
    commands: list[tuple[object, ...]] = [("embed", photo, "--attributes", "--out", tmp_path / f"embedded.{ending}")
                for ending in ("csv", "parquet", "npy")]  # fmt: skip
    commands += [("read", second, "--fps", "2", "--out", tmp_path / f"read.{ending}") for ending in ("csv", "parquet")]
    for command, (code, said) in zip(commands, run(*commands), strict=True):
        assert code == 0, (command, said)
        assert Path(str(command[-1])).stat().st_size > 1000


def test_what_touches_a_dataset_says_that_it_needs_lance(
    frames_folder: Path, second: Path, store: Path, tmp_path: Path
) -> None:
    photo = frames_folder / "person0" / "0" / "0.jpg"
    commands: list[tuple[object, ...]] = [
        ("embed", photo, "--out", tmp_path / "out.lance"),
        ("embed", store, "--out", tmp_path / "out.csv"),
        ("read", store, "--out", tmp_path / "out.csv"),
        ("track", second, "--out", tmp_path / "tracks.lance"),
        ("import", frames_folder, "--layout", "identity/video", "--out", tmp_path / "tracks.lance"),
        ("train", store, "--out", tmp_path / "run", "--max-steps", "1"),
        ("info", store),
        ("search", store, "--query", photo),
    ]
    for command, (code, said) in zip(commands, run(*commands), strict=True):
        assert code == 9, (command, said)
        assert len(said.splitlines()) == 1, said
        assert said.startswith(
            f"fabnet {command[0]}: stores of face-tracks and Lance datasets need the package pylance"
        )
    assert not list(tmp_path.iterdir())
