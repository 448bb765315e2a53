"""Reading as a camera sends: at its own pace, without a queue, to rows, from files, streams and devices."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, OutputError, VideoError
from fabnet.video.camera import Captured, camera_named, captured
from fabnet.watching.newest import Newest
from fabnet.watching.options import LiveOptions
from fabnet.watching.reader import LiveReader, Now
from fabnet.watching.unfinished import kept_until_finished


def test_a_file_plays_at_its_own_pace_and_its_rows_are_those_of_read(smiling: Path, tmp_path: Path) -> None:
    seen: list[Now] = []
    began = time.monotonic()
    result = fabnet.live(smiling, as_camera=True, out=tmp_path / "live.parquet", on_frame=seen.append)
    assert time.monotonic() - began >= 3.9  # the clip has 4 s
    assert result.captured == 120
    assert result.frames == len(seen) == result.captured - result.dropped
    assert result.frames >= 8
    live, read = parquet.read_table(tmp_path / "live.parquet"), fabnet.read(smiling)
    assert live.schema.names == read.schema.names
    assert live.schema.metadata[b"fabnet.model_digest"] == read.schema.metadata[b"fabnet.model_digest"]
    assert (result.rows, result.faces) == (len(live), len(live))
    tracks = (
        live["track"].unique().to_pylist()
    )  # a slow machine drops frames, and a face that moved in them is a new one
    assert tracks[0] == "0"
    assert len(tracks) == 1 or result.dropped > result.captured / 2
    own = read.to_pylist()
    for row in live.to_pylist():
        other = own[row["frame"]]
        assert row["time_s"] == other["time_s"]
        assert row["pose_yaw_deg"] == pytest.approx(other["pose_yaw_deg"], abs=4)
        side = other["box_px"][2] - other["box_px"][0]
        assert row["box_px"] == pytest.approx(other["box_px"], abs=side / 10)
    assert all(0 <= delay < 60_000 for delay in result.delay_ms)
    told = fabnet.info(tmp_path / "live.parquet")
    assert (told["kind"], told["rows"]) == ("readings", len(live))


def test_late_frames_are_dropped_and_none_is_queued() -> None:
    """A camera of a hundred frames while one is taken gives the newest."""
    go, done = threading.Event(), threading.Event()

    def camera() -> Iterator[int]:
        yield 0
        go.wait(10)
        yield from range(1, 101)
        done.set()

    with Newest(camera) as newest:
        frames = newest.frames(threading.Event())
        assert next(frames) == 0
        go.set()
        assert done.wait(10)
        assert list(frames) == [100]
    assert (newest.captured, newest.dropped) == (101, 99)


def test_an_error_of_the_camera_comes_after_its_frames() -> None:
    def camera() -> Iterator[int]:
        yield 0
        time.sleep(0.3)
        raise VideoError("unplugged")

    with Newest(camera) as newest:
        frames = newest.frames(threading.Event())
        assert next(frames) == 0
        with pytest.raises(VideoError, match="unplugged"):
            next(frames)


def test_a_silent_camera_can_be_stopped() -> None:
    silent, stop = threading.Event(), threading.Event()

    def camera() -> Iterator[int]:
        silent.wait(30)
        yield from ()

    with Newest(camera) as newest:
        threading.Timer(0.3, stop.set).start()
        began = time.monotonic()
        assert list(newest.frames(stop)) == []
        assert list(newest.frames(threading.Event(), until_s=time.monotonic() + 0.3)) == []
        assert time.monotonic() - began < 5
        silent.set()


def test_each_frame_is_read_before_the_next_is_taken(smiling: Path) -> None:
    """With a frame taken ahead, readings would be late by the time between frames."""
    reader = LiveReader("clip", LiveOptions())
    taken = 0

    def frames() -> Iterator[Captured]:
        nonlocal taken
        for each in captured(camera_named(str(smiling), as_camera=True)):
            taken += 1
            yield each

    for number, found in enumerate(reader.read(frames()), start=1):
        assert taken == number
        assert found.captured.frame.index == number - 1
        if number == 8:
            break


def test_a_stream_is_read_by_its_address(long: Path, tmp_path: Path) -> None:
    """MPEG-TS over TCP, cut off in the middle."""
    server = socket.create_server(("127.0.0.1", 0))
    data = long.read_bytes()[:600_000]

    def send() -> None:
        client, _ = server.accept()
        with client:
            client.sendall(data)

    threading.Thread(target=send, daemon=True).start()
    address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with server:
        result = fabnet.live(address, out=tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert result.source == address == rows[0]["source"]
    assert result.frames == len(rows) >= 1
    assert result.captured > 30


def test_sources_are_named_by_the_system(tmp_path: Path) -> None:
    assert camera_named("0", system="linux") == ("device", "/dev/video0", "0")
    assert camera_named("/dev/video3", system="linux").place == "/dev/video3"
    assert camera_named("1", system="darwin").place == "1"
    assert camera_named("Integrated Camera", system="win32").place == "video=Integrated Camera"
    secret = camera_named("rtsp://me:pass@word@10.0.0.2:554/live?key=1")
    assert (secret.kind, secret.name) == ("stream", "rtsp://10.0.0.2:554/live")
    with pytest.raises(InputError, match=re.escape("expected rtsp, rtsps, rtmp, udp")):
        camera_named("file:///etc/passwd")
    for wrong in ("concat://a|b", "subfile://x", "data://x"):
        with pytest.raises(InputError, match="not a stream"):
            camera_named(wrong)
    with pytest.raises(InputError, match="no such file"):
        camera_named(str(tmp_path / "none.mp4"), as_camera=True)
    with pytest.raises(InputError, match="cannot be opened"):
        camera_named("0", system="plan9")


def test_what_cannot_be_opened_is_one_line(smiling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if sys.platform.startswith("linux") and not Path("/dev/video9").exists():
        assert main(["live", "9"]) == 2
        assert capsys.readouterr().err.startswith("fabnet live: there is no camera 9")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"rtsp://me:secret@127.0.0.1:{unused.getsockname()[1]}/x?key=hidden"
    assert main(["live", address]) == 3
    said = capsys.readouterr().err
    assert "cannot be opened" in said
    assert "secret" not in said
    assert "hidden" not in said
    assert main(["live", str(smiling)]) == 2
    assert "--as-camera" in capsys.readouterr().err
    (tmp_path / "noise.mp4").write_bytes(os.urandom(5000))
    assert main(["live", str(tmp_path / "noise.mp4"), "--as-camera"]) == 3
    assert main(["live", str(smiling), "--as-camera", "--out", str(tmp_path / "x.txt")]) == 2
    assert not (tmp_path / "x.txt").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a process there")
def test_ctrl_c_ends_it_and_keeps_the_rows(long: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fabnet", "live", str(long), "--as-camera", "--out", "rows.csv", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert next(iter(running.stderr.readline, "")).startswith("live: long.ts: ")  # the first frame
        time.sleep(1.5)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    result: dict[str, Any] = json.loads(out)
    with (tmp_path / "rows.csv").open() as file:
        assert len(list(csv.DictReader(file))) == result["rows"] >= 1
    assert result["seconds"] < 40


def test_a_time_limit_ends_it(long: Path) -> None:
    result = fabnet.live(long, as_camera=True, seconds=2.0)
    assert result.frames >= 1
    assert result.seconds < 20


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_kill_leaves_the_rows(long: Path, tmp_path: Path, suffix: str) -> None:
    command = [sys.executable, "-m", "fabnet", "live", str(long), "--as-camera", "--out", f"rows{suffix}"]
    kept = tmp_path / "rows.unfinished.csv"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert next(iter(running.stderr.readline, "")).startswith("live: long.ts: ")  # the first frame
        time.sleep(1.0)
        running.kill()
        running.communicate(timeout=30)
    with kept.open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert rows[-1]["pose_yaw_deg"]
    assert not (tmp_path / f"rows{suffix}").exists()
    assert fabnet.info(kept)["rows"] == len(rows)
    with pytest.raises(
        InputError, match=r"rows\.unfinished\.csv keeps the rows of a session that was cut off: move it"
    ):
        fabnet.live(long, as_camera=True, seconds=1.0, out=tmp_path / f"rows{suffix}")
    kept.unlink()
    result = fabnet.live(long, as_camera=True, seconds=1.0, out=tmp_path / f"rows{suffix}")
    assert result.rows
    assert [each.name for each in tmp_path.iterdir()] == [f"rows{suffix}"]


@pytest.mark.parametrize("at", ["write", "sync"])
def test_a_full_disk_at_the_end_says_where_the_rows_are(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def full(*values: object) -> None:
        if at == "write":
            list(values[0])  # type: ignore[call-overload]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"fabnet.{'watching.live.write' if at == 'write' else 'files.output.sync'}", full)
    with pytest.raises(OutputError, match=r"disk is full.*; the rows until then are in .*rows\.unfinished\.csv$"):
        fabnet.live(long, as_camera=True, seconds=1.0, out=tmp_path / "rows.csv")
    assert fabnet.info(tmp_path / "rows.unfinished.csv")["rows"] >= 1
    assert [each.name for each in tmp_path.iterdir()] == ["rows.unfinished.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="symlinks need rights there")
def test_a_file_in_the_place_of_the_unfinished_rows_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "rows.unfinished.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError), kept_until_finished(tmp_path / "rows.csv", pa.schema([("x", pa.int64())])):
        pass
    assert (tmp_path / "rows.unfinished.csv").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on a file's size there")
def test_a_full_disk_keeps_the_rows_so_far(long: Path, tmp_path: Path) -> None:
    limited = [
        sys.executable, "-c",
        "import resource, signal, sys\n"
        "from fabnet.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
        "sys.exit(main(sys.argv[1:]))",
        "live", str(long), "--as-camera", "--seconds", "60", "--out", "rows.csv",
    ]  # fmt: skip
    done = subprocess.run(limited, cwd=tmp_path, stderr=subprocess.PIPE, text=True, timeout=120)
    last = done.stderr.splitlines()[-1]
    assert "cannot be written" in last or "cannot write" in last, last
    assert last.endswith("; the rows until then are in rows.unfinished.csv")
    assert 4000 < (tmp_path / "rows.unfinished.csv").stat().st_size <= 8000
    assert fabnet.info(tmp_path / "rows.unfinished.csv")["rows"] >= 1  # none is cut
    assert not (tmp_path / "rows.csv").exists()
