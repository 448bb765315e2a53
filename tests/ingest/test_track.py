from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, NoFaceError, StoreError, VideoError
from fabnet.files.media import find_videos
from fabnet.ingest.track import track
from fabnet.store.track_store import open_store
from fabnet.store.writing import writing
from fabnet.video.decode import read_frames

from ..store.rows import rows_of
from .conftest import fabnet_process


def write_video(path: Path, frames: Sequence[np.ndarray], *, fps: int = 10, container: str | None = None) -> Path:
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 2_000_000
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        file.mux(stream.encode())
    return path


@pytest.fixture
def clips(second: Path, tmp_path: Path) -> Path:
    """Six videos in three people's folders."""
    folder = tmp_path / "clips"
    for name in ("Ann/1.mp4", "Ann/2.mp4", "Bob/1.mp4", "Bob/2.mp4", "Cid/1.mp4", "Cid/10.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(second, folder / name)
    return folder


def tracked(videos: Any, out: Path, **changes: Any) -> Any:
    return track(videos, out, **{"size": 64, "fps": 5.0, "link_fps": 10.0, "num_workers": 0, **changes})


def test_a_video_becomes_a_track(smiling: Path, tmp_path: Path) -> None:
    report = tracked(smiling, tmp_path / "s.lance", fps=2.0)
    assert (report.store.rows, report.store.tracks, report.store.videos) == (8, 1, 1)
    assert report.frames_decoded == 120
    assert report.frames_kept == report.frames_with_face == 8
    values = report.to_json()
    assert set(values["shares"]) == {"decode", "detect", "link", "crop"}
    assert sum(values["shares"].values()) == pytest.approx(1.0, abs=0.01)
    assert values["frames_decoded_per_s"] > 0
    json.dumps(values)
    rows = rows_of(tmp_path / "s.lance")
    assert [row["time_s"] for row in rows] == pytest.approx(np.arange(8) / 2, abs=0.05)
    assert rows[0]["identity"] == "smiling.mp4/0"
    assert rows[0]["source"] == rows[0]["video"] == "smiling.mp4"
    assert not (tmp_path / "s.lance" / "_spool").exists()


def test_identities_and_splits(clips: Path, tmp_path: Path) -> None:
    by_video = tracked(clips, tmp_path / "video.lance", identities="video")
    assert by_video.store.identities == by_video.store.tracks == by_video.store.videos == 6
    assert any("a person in two videos may be in both train and test" in note for note in by_video.notes)
    people = tmp_path / "people.csv"
    people.write_text("identity,split\nAnn,train\nBob,val\nCid,test\n")
    by_folder = tracked(clips, tmp_path / "folder.lance", identities="folder", splits=people)
    assert by_folder.store.identities == 3
    assert {name: split["tracks"] for name, split in by_folder.store.splits.items()} == dict.fromkeys(
        ("train", "val", "test"), 2
    )
    assert by_folder.notes == ()
    names = tmp_path / "names.csv"
    names.write_text(
        "video,identity\n10.mp4,Zoe\n" + "".join(f"{p}/{n}.mp4,{p}\n" for p in ("Ann", "Bob", "Cid") for n in (1, 2))
    )
    by_file = tracked(clips, tmp_path / "file.lance", identities=names)
    assert set(open_store(tmp_path / "file.lance").index().identity) == {"Ann", "Bob", "Cid", "Zoe"}
    assert by_file.store.videos == 6
    names.write_text("video,identity\nAnn/1.mp4,Ann\n")
    with pytest.raises(InputError, match=r"no line for the video Ann/2\.mp4: add `Ann/2\.mp4,IDENTITY`"):
        tracked(clips, tmp_path / "other.lance", identities=names)
    names.write_text("video,identity\nAnn/1.mp4,Ann\n\nAnn/1.mp4,Ann\nAnn/1.mp4,Bob\n")
    with pytest.raises(InputError, match=r"names.csv, line 5: Ann/1.mp4 is Ann and Bob"):
        tracked(clips, tmp_path / "other.lance", identities=names)
    names.write_text("video,track,person\nAnn/1.mp4,2,Ann\n")
    with pytest.raises(InputError, match=r"names track 2 of Ann/1.mp4, but tracks are numbered only now"):
        tracked(clips, tmp_path / "other.lance", identities=names)


def test_moments_split_each_track_in_time(smiling: Path, tmp_path: Path) -> None:
    report = tracked(smiling, tmp_path / "s.lance", splits="moments")
    assert any("not on other people" in note for note in report.notes)
    store = open_store(tmp_path / "s.lance")
    index = store.index()
    assert index.track.tolist() == ["0", "0-val"]
    assert index.split.tolist() == ["train", "val"]
    train, val = (
        store.read_rows(range(s, s + n), ["time_s"]).column("time_s").to_numpy()
        for s, n in zip(index.starts, index.lengths, strict=True)
    )
    assert train.max() < val.min()
    assert len(train) == pytest.approx(15, abs=1)


def test_rows_of_each_of_two_faces_lie_together(smiling: Path, tmp_path: Path) -> None:
    frames = [frame.image for frame in read_frames(smiling, fps=10.0)]
    pairs = [np.hstack([frame, frame[:, ::-1]]) for frame in frames]
    report = tracked(write_video(tmp_path / "two.mp4", pairs), tmp_path / "s.lance")
    assert report.store.tracks == 2
    store = open_store(tmp_path / "s.lance")
    order = [
        (row["track"], row["frame"]) for row in store.read_rows(range(store.num_rows), ["track", "frame"]).to_pylist()
    ]
    assert order == sorted(order)
    assert store.index().lengths.tolist() == [20, 20]
    sides = [
        np.array(store.read_rows(range(s, s + 20), ["box_px"]).column("box_px").to_pylist())[:, [0, 2]].mean(1) > 176
        for s in store.index().starts
    ]
    assert all(len(set(side.tolist())) == 1 for side in sides)
    assert sides[0][0] != sides[1][0]


def spoil(folder: Path, smiling: Path) -> None:
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is not a video\n" * 100)
    data = smiling.read_bytes()
    (folder / "short.mp4").write_bytes(data[: len(data) // 2])
    write_video(folder / "black.mp4", [np.zeros((96, 96, 3), np.uint8)] * 10)
    with av.open(str(folder / "sound.mp4"), "w") as sound:
        stream = sound.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        sound.mux([*stream.encode(silence), *stream.encode(None)])


def test_bad_videos_among_good_ones_are_listed(clips: Path, smiling: Path, tmp_path: Path) -> None:
    spoil(clips, smiling)
    report = tracked(clips, tmp_path / "s.lance", num_workers=2)
    assert report.num_videos == 11
    assert report.store.videos == 6
    assert report.no_face == ("black.mp4",)
    reasons = dict(report.failed)
    assert set(reasons) == {"zero.mp4", "text.mp4", "short.mp4", "sound.mp4"}
    assert "is empty (0 bytes)" in reasons["zero.mp4"]
    assert "has no picture" in reasons["sound.mp4"]
    assert "is not a video" in reasons["text.mp4"]
    assert report.store.inputs == {"failed": 4, "no-face": 1, "ok": 6}
    again = tracked(clips, tmp_path / "s.lance")
    assert again.num_skipped == 7
    assert again.failed == report.failed
    assert again.store.rows == report.store.rows


def test_the_part_before_the_damage_is_kept(smiling: Path, tmp_path: Path) -> None:
    frames = [frame.image for frame in read_frames(smiling)]
    whole = write_video(tmp_path / "whole.ts", frames, fps=30, container="mpegts").read_bytes()
    (tmp_path / "in").mkdir()
    damaged = bytearray(whole)
    damaged[len(whole) // 2 :] = np.random.default_rng(0).bytes(len(whole) - len(whole) // 2)
    (tmp_path / "in" / "damaged.ts").write_bytes(damaged)
    report = tracked(tmp_path / "in", tmp_path / "s.lance")
    assert 5 <= report.store.rows <= 18
    if report.partial:
        assert report.partial[0][0] == "damaged.ts"


def test_a_lone_bad_video_is_the_error(clips: Path, smiling: Path, tmp_path: Path) -> None:
    spoil(clips, smiling)
    with pytest.raises(VideoError, match="is empty"):
        tracked(clips / "zero.mp4", tmp_path / "a.lance")
    with pytest.raises(NoFaceError, match=r"no face found in black\.mp4"):
        tracked(clips / "black.mp4", tmp_path / "b.lance")
    with pytest.raises(NoFaceError, match=r"black\.mp4; .* 1 more cannot be read, the first: .*is empty"):
        tracked([clips / "black.mp4", clips / "zero.mp4"], tmp_path / "b.lance")
    with pytest.raises(VideoError, match="none of 2 videos can be read"):
        tracked([clips / "text.mp4", clips / "zero.mp4"], tmp_path / "c.lance")
    assert open_store(tmp_path / "b.lance").ledger()["black.mp4"].status == "no-face"


def test_wrong_input_is_explained_before_anything_is_made(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (tmp_path / "nowhere.mp4", {}, "no such video or folder: .*nowhere.mp4"),
        (tmp_path / "none", {}, "no video in .*expected files ending in .mp4"),
        ([], {}, "no video given"),
        ([clips / "Ann/1.mp4", clips / "Bob/1.mp4"], {}, "two videos are named 1.mp4"),
        (clips, {"fps": 0.0}, "fps is 0.0"),
        (clips, {"size": 1}, "size"),
        (clips, {"detector": "nobody"}, "unknown detector"),
        (clips, {"identities": "nobody.csv"}, "--identities must be video, folder or a CSV file"),
        (clips, {"splits": "nobody.csv"}, "no such split file"),
    ]
    for videos, changes, message in cases:
        with pytest.raises(InputError, match=message):
            tracked(videos, tmp_path / "s.lance", **changes)
    assert not (tmp_path / "s.lance").exists()
    tracked(clips / "Ann/1.mp4", tmp_path / "s.lance")
    with pytest.raises(StoreError, match=r"fps = 5.0; now it is 1.0: use the same, or another --out"):
        tracked(clips / "Ann/1.mp4", tmp_path / "s.lance", fps=1.0)


def test_a_store_of_another_detector_is_read_and_continued_with_that_one_only(clips: Path, tmp_path: Path) -> None:
    store = tmp_path / "old.lance"
    tracked(clips / "Ann/1.mp4", store, detector="mtcnn")
    before = open_store(store).num_rows
    with pytest.raises(StoreError, match=r"detector = 'mtcnn'; now it is 'yunet': use the same, or another --out"):
        tracked(clips / "Ann/1.mp4", store)
    tracked([clips / "Ann/1.mp4"], store, detector="mtcnn")
    assert open_store(store).num_rows == before
    assert open_store(store).settings["detector"] == "mtcnn"
    assert fabnet.embed([store], tmp_path / "faces.parquet").embedded == before


def test_one_file_is_one_video_whatever_it_is_called(clips: Path) -> None:
    videos = find_videos([clips, clips / "Ann", clips / "Ann" / ".." / "Bob" / "1.mp4"])
    assert [video.name for video in videos.found] == [video.name for video in find_videos([clips]).found]
    assert len(videos.found) == 6
    for link in (os.link, os.symlink):
        link(clips / "Ann" / "1.mp4", clips / "Cid" / "2.mp4")
        twice = find_videos([clips])
        assert [(each.file, each.reason.partition(": ")[2]) for each in twice.left_out] == [("Cid/2.mp4", "Ann/1.mp4")]
        assert [video.name for video in twice.found] == [video.name for video in videos.found]
        (clips / "Cid" / "2.mp4").unlink()


def test_a_folder_has_its_name_however_it_is_reached(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clips / "Bob" / "in").mkdir()
    monkeypatch.chdir(clips / "Bob" / "in")
    for given in ("..", "../../Bob", "../1.mp4"):
        assert {video.folder for video in find_videos([given]).found} == {"Bob"}


def test_nobody_moves_to_another_split(clips: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("identity,split\nAnn,train\nBob,val\nCid,test\n")
    tracked(clips / "Ann/1.mp4", tmp_path / "s.lance", identities="folder", splits=people)
    people.write_text("identity,split\nAnn,val\nBob,val\nCid,test\n")
    with pytest.raises(InputError, match=r"Ann is in train in .*, but the splits given say val"):
        tracked(clips / "Ann/2.mp4", tmp_path / "s.lance", identities="folder", splits=people)


def test_another_file_of_a_name_is_not_added_to_it(clips: Path, smiling: Path, tmp_path: Path) -> None:
    tracked(clips / "Ann/1.mp4", tmp_path / "s.lance")
    shutil.copy(smiling, clips / "Ann/1.mp4")
    report = tracked(clips / "Ann/1.mp4", tmp_path / "s.lance")
    assert "another file of this name is in the store" in dict(report.failed)["1.mp4"]
    assert report.store.rows == 5


def finished(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many videos are in the store."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(StoreError):
            if len(open_store(out).ledger()) >= count:
                return
        time.sleep(0.02)
    raise AssertionError("nothing was finished in a minute")


@pytest.fixture(scope="module")
def many(second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many short videos, and all of them tracked without interruption."""
    root = tmp_path_factory.mktemp("many")
    (root / "in").mkdir()
    for number in range(NUM_VIDEOS):
        shutil.copy(second, root / "in" / f"{number}.mp4")
    tracked(root / "in", root / "whole.lance")
    return root


NUM_VIDEOS = 32
"""More than are tracked between two looks of the test."""
COMMAND = ("--fps", 5, "--link-fps", 10, "--size", 64, "--num-workers", 1)


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 130)]
)
def test_a_stopped_run_keeps_what_was_finished_and_goes_on(
    many: Path, tmp_path: Path, how: signal.Signals, code: int
) -> None:
    out = tmp_path / "s.lance"
    process = fabnet_process("track", many / "in", "--out", out, *COMMAND)
    finished(out, 2, process)
    os.kill(process.pid, how)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    store = open_store(out)
    before = len(store.ledger())
    assert 2 <= before < NUM_VIDEOS
    report = tracked(many / "in", out)
    assert report.num_skipped >= before
    assert report.failed == ()
    assert rows_of(out) == rows_of(many / "whole.lance")
    assert len(open_store(out).index()) == NUM_VIDEOS
    assert not (out / "_spool").exists()


def test_a_full_disk_is_one_line_and_what_was_finished_stays(smiling: Path, small_disk: Path, tmp_path: Path) -> None:
    out = small_disk / "s.lance"
    for number in range(3):
        shutil.copy(smiling, tmp_path / f"{number}.mp4")
    flags = ("--fps", "all", "--size", 256, "--num-workers", 1)
    process = fabnet_process("track", *sorted(tmp_path.glob("*.mp4")), "--out", out, *flags)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 8, errors
    lines = [line for line in errors.splitlines() if not line.startswith("tracking: ")]
    assert len(lines) == 1
    assert lines[0].startswith("fabnet track: cannot write")
    assert "the disk is full: free some space and run the same command again" in lines[0]
    store = open_store(out)
    index = store.index()
    rows_by_video = {video: int(index.lengths[index.video == video].sum()) for video in set(index.video.tolist())}
    assert 1 <= len(rows_by_video) < 3
    assert set(rows_by_video.values()) == {120}
    assert all(image[:3] == b"\xff\xd8\xff" for image in store.read_images(range(store.num_rows)))
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    with writing(out, crop=store.crop, settings=store.settings) as again:
        entries = again.ledger()
    assert {video: entries[video].rows for video in rows_by_video} == rows_by_video
    assert all(not entry.rows for video, entry in entries.items() if video not in rows_by_video)


def test_the_command_line_prints_a_table(second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["track", str(second), f"--out={tmp_path / 's.lance'}", "--num-workers=1"]) == 0
    assert "100.0% with a face" in capsys.readouterr().out
    assert main(["track", str(tmp_path / "nowhere"), f"--out={tmp_path / 't.lance'}"]) == 2
    assert capsys.readouterr() == ("", f"fabnet track: no such video or folder: {tmp_path / 'nowhere'}\n")
