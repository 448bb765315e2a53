"""Only regular files are opened, so nothing waits for a pipe, reads an endless device, or fills the memory."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fabnet.cli import main
from fabnet.encoders.digest import file_digest
from fabnet.encoders.onnx_encoder import onnx_encoder
from fabnet.encoders.saved_probe import load_probes
from fabnet.errors import FabnetError, InputError
from fabnet.faces.detect.opencv import OpencvYunet
from fabnet.files.csv_file import read_csv
from fabnet.files.limits import check_file, open_input, open_text, read_bytes, read_text
from fabnet.files.mat_file import read_arrays
from fabnet.files.numpy_file import read_npy, read_npz
from fabnet.models.model_folder import ModelCard, read_card
from fabnet.models.torch_file import read_torch_file
from fabnet.objectives.model_io import load_objective
from fabnet.paper.results import read_result
from fabnet.probes.faces import read_image
from fabnet.probes.protocols.label_files import lines_of, rows_of
from fabnet.probes.protocols.youtube_faces import read_landmarks
from fabnet.store.split import read_splits
from fabnet.training.checkpoint import read_state
from fabnet.training.run_log import read_metrics
from fabnet.video.decode import read_frames, video_info
from fabnet.weights import shipped_models

if sys.platform == "win32":
    pytest.skip("has none of these files", allow_module_level=True)

CARD = ModelCard(objective="fabnet", architecture={"size": 64, "embedding_dim": 4}, window=(0.5, 0.5, 0.7))
READERS: dict[str, Callable[[Path], Any]] = {
    "check_file": lambda file: check_file(file, None),
    "open_input": lambda file: open_input(file, None),
    "open_text": open_text,
    "read_bytes": read_bytes,
    "read_csv": lambda file: read_csv(file, "a,b"),
    "read_text": read_text,
    "digest": file_digest,
    "image": read_image,
    "landmarks": read_landmarks,
    "lines": lambda file: list(lines_of(file)),
    "mat": lambda file: read_arrays(file, ["a"]),
    "npy": lambda file: read_npy(file, 100),
    "npz": lambda file: read_npz(file, ["a"]),
    "onnx": lambda file: onnx_encoder(file, CARD),
    "probes": load_probes,
    "results": read_result,
    "rows": rows_of,
    "splits": read_splits,
    "torch": lambda file: read_torch_file(file, "expected weights"),
    "video": lambda file: next(read_frames(file)),
    "video_info": video_info,
    "yunet": OpencvYunet,
}
IN_FOLDERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "card": ("config.json", read_card),
    "state": ("state.json", read_state),
    "weights": ("model.safetensors", load_objective),
}


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Makes a test that waits for a pipe fail."""

    def fail(number: int, frame: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make(kind: str, path: Path) -> Path:
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    else:
        here = Path.cwd()
        os.chdir(path.parent)  # because socket paths must be short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
        os.chdir(here)
    return path


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder", "a socket"])
@pytest.mark.parametrize("reader", READERS)
def test_only_regular_files_are_read(reader: str, kind: str, tmp_path: Path) -> None:
    file = make(kind, tmp_path / "given")
    with pytest.raises(FabnetError, match=f"given is {kind}; expected a regular file"):
        READERS[reader](file)


@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
@pytest.mark.parametrize("reader", IN_FOLDERS)
def test_only_regular_files_are_read_in_folders(reader: str, kind: str, tmp_path: Path) -> None:
    name, read = IN_FOLDERS[reader]
    (tmp_path / "config.json").write_bytes((shipped_models()["small"] / "config.json").read_bytes())
    (tmp_path / name).unlink(missing_ok=True)
    make(kind, tmp_path / name)
    with pytest.raises(FabnetError, match=f"{name} is {kind}; expected a regular file"):
        read(tmp_path)


def test_metrics_that_are_a_pipe_are_refused(tmp_path: Path) -> None:
    make("a named pipe", tmp_path / "metrics.csv")
    with pytest.raises(FabnetError, match=r"metrics\.csv is a named pipe"):
        read_metrics(tmp_path)


def test_a_file_that_reports_no_size_is_read_up_to_the_limit() -> None:
    endless = Path("/proc/self/pagemap")
    if not endless.exists():
        pytest.skip("there is no such file here")
    assert endless.stat().st_size == 0
    with pytest.raises(InputError, match="more than 1,048,576 bytes, which is the limit"):
        read_bytes(endless, 2**20)
    assert len(read_bytes(Path("/proc/self/status"))) > 100


def test_a_file_that_is_replaced_by_a_pipe_before_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "given"
    file.write_text("sound")
    open_file = os.open

    def swapped(path: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return open_file(path, flags)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(InputError, match="given is a named pipe"):
        open_input(file, None)


def test_descriptors_are_closed(tmp_path: Path) -> None:
    folder = Path("/dev/fd")
    before = len(list(folder.iterdir()))
    for _ in range(20):
        with pytest.raises(InputError):
            open_input(tmp_path, None)
        with pytest.raises(InputError):
            check_file(tmp_path, None)
    assert len(list(folder.iterdir())) == before


def test_line_ends_are_read_as_python_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"one\r\ntwo\rthree\n")
    assert read_text(file) == file.read_text()


@pytest.mark.parametrize("given", ["pipe", "device", "substitution"])
@pytest.mark.parametrize("verb", ["track", "embed"])
def test_a_verb_names_the_special_file_in_one_line(
    verb: str, given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_end, write_end = os.pipe()
    names = {"pipe": str(tmp_path / "pipe.mp4"), "device": str(tmp_path / "zero.mp4"), "substitution": ""}
    make("a named pipe", Path(names["pipe"]))
    make("a device", Path(names["device"]))
    names["substitution"] = f"/dev/fd/{read_end}"
    code = main([verb, names[given], "--out", str(tmp_path / "out")])
    os.close(read_end)
    os.close(write_end)
    said = capsys.readouterr().err
    assert code in (2, 3), said
    (line,) = said.splitlines()
    wrong = {"pipe": "is a named pipe", "device": "is a device", "substitution": "/dev/fd/"}[given]
    assert wrong in line


def test_a_pipe_among_the_frames_of_a_table_is_named(tmp_path: Path) -> None:
    """A writer may open the pipe later, but nothing waits for that."""
    pipe = make("a named pipe", tmp_path / "a.jpg")
    seen: list[str] = []

    def read() -> None:
        try:
            read_image(pipe)
        except InputError as error:
            seen.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert len(seen) == 1
    assert "a.jpg is a named pipe" in seen[0]
