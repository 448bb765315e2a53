"""Only one command at a time writes to a place, for every kind of output."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import OutputError, StoreError
from fabnet.files.lance_lock import locked
from fabnet.files.locks import BusyError, locked_file
from fabnet.files.output import written_whole

TINY = [
    "--size=16", "--width=4", "--embedding-dim=16", "--batch-size=8", "--num-val-pairs=16", "--num-workers=0",
    "--warmup-steps=2", "--validate-every=999999",
]  # fmt: skip
POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
HOLD = """
import sys, time
from pathlib import Path
from fabnet.files.output import written_whole
with written_whole(Path(sys.argv[1])) as partial:
    partial.write_text("first")
    print("held", flush=True)
    input()
"""


def test_a_second_process_with_the_same_output_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    with pytest.raises(BusyError, match=r"another command is writing to .*out\.csv"), written_whole(out):
        raise AssertionError
    first.communicate("\n", timeout=60)
    assert out.read_text() == "first"
    with written_whole(out) as partial:
        partial.write_text("second")
    assert os.listdir(tmp_path) == ["out.csv"]
    assert out.read_text() == "second"


def test_a_lock_that_is_a_symlink_leaves_its_target_unchanged(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "_lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(StoreError, match=r"holds a link, _lock -> "), locked(tmp_path / "store"):
        raise AssertionError
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_allows_no_stores_but_other_outputs(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OutputError, match=r"cannot lock .*_lock .*: choose a place on another file"), locked(tmp_path):
        raise AssertionError
    with written_whole(tmp_path / "out.csv") as partial:
        partial.write_text("written")
    assert (tmp_path / "out.csv").read_text() == "written"


def test_modules_import_without_what_windows_lacks() -> None:
    """This concerns imports only: a function may need such modules on the system that it checks for."""
    for file in Path(fabnet.__file__).parent.rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not POSIX_ONLY & set(names), file


def test_a_second_trainer_in_the_same_run_is_refused(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["train", str(store), f"--out={run}", *TINY]
    first = subprocess.Popen([sys.executable, "-m", "fabnet", *command, "--max-steps=999999"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (run / "config.json").is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    for more in ([], ["--resume"]):
        assert main([*command, *more, "--max-steps=30"]) == 8
        assert capsys.readouterr().err.startswith(f"fabnet train: another command is writing to {run}: wait for it")
    first.kill()
    first.communicate()
    assert main([*command, "--max-steps=2"]) == 0  # a killed trainer holds no lock


def test_a_run_that_cannot_start_leaves_no_folder(store: Path, tmp_path: Path) -> None:
    assert main(["train", str(store), f"--out={tmp_path / 'run'}", *TINY, "--sources=20", "--max-steps=2"]) == 7
    assert os.listdir(tmp_path) == []


def test_a_dataset_is_not_replaced_or_indexed_while_another_command_writes(store: Path, tmp_path: Path) -> None:
    data = tmp_path / "faces.lance"
    fabnet.embed([store], data, model="pixels", crop="none")
    with locked(data):
        with pytest.raises(StoreError, match="another command is writing to"):
            fabnet.embed([store], data, model="pixels", crop="none")
        with pytest.raises(StoreError, match="another command is writing to"):
            fabnet.search(data, "person0/0/0/0", index=True, model="pixels")
    assert fabnet.embed([store], data, model="pixels", crop="none").rows == 60


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from fabnet.files.locks import locked_file\n"
    code += "file = Path(sys.argv[1])\nwith locked_file(file, file):\n    print('held', flush=True)\n    time.sleep(60)"
    file = tmp_path / "_lock"
    process = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(BusyError), locked_file(file, file):
        raise AssertionError
    process.kill()
    process.communicate()
    with locked_file(file, file) as is_held:
        assert is_held
