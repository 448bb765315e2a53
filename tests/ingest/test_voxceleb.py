from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.ingest.import_folder import import_folder
from fabnet.ingest.voxceleb import read_utterance
from fabnet.store.track_store import open_store

PIXELS = """Identity  : \tA.J._Buckley
Reference : \tsmiling
Offset    : \t6
FV Conf   : \t18.456\t(1)
ASD Conf  : \t5.243

FRAME \tX \tY \tW \tH 
"""
SHARES = PIXELS.replace("A.J._Buckley", "id00012")


def utterance(path: Path, header: str, boxes: dict[int, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{frame:06d} \t{box}\n" for frame, box in boxes.items()))
    return path


def imported(root: Path, videos: Path | None, out: Path, **changes: Any) -> Any:
    return import_folder(root, out, layout="voxceleb-txt", videos=videos, size=64, num_workers=0, **changes)


def test_both_forms_are_read(tmp_path: Path) -> None:
    pixels = read_utterance(utterance(tmp_path / "1.txt", PIXELS, {13: "20 \t30 \t40 \t50", 14: "21 \t31 \t40 \t50"}))
    assert (pixels.identity, pixels.reference, pixels.is_share) == ("A.J._Buckley", "smiling", False)
    assert pixels.frames.tolist() == [13, 14]
    assert pixels.box_px(0, 176, 144).tolist() == [20, 30, 60, 80]
    shares = read_utterance(utterance(tmp_path / "2.txt", SHARES, {13: "0.25 \t0.5 \t0.5 \t0.25"}))
    assert shares.is_share
    assert shares.box_px(0, 200, 100).tolist() == [50, 50, 150, 75]


def test_frames_are_kept_by_time(tmp_path: Path) -> None:
    boxes = {frame: "20 30 40 50" for frame in range(10, 90)}
    kept = read_utterance(utterance(tmp_path / "1.txt", PIXELS, boxes))
    assert kept.frames[kept.kept(1.0)].tolist() == [10, 25, 50, 75]
    assert len(kept.kept(25.0)) == 80


@pytest.mark.parametrize(
    "content", ["", "hello", PIXELS, PIXELS + "1 2 3\n", PIXELS + "1 2 3 four 5\n", PIXELS + "1 2 3 nan 5\n"]
)
def test_other_text_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.txt").write_text(content)
    with pytest.raises(InputError, match=r"x\.txt"):
        read_utterance(tmp_path / "x.txt")


def test_faces_come_from_the_original_video(smiling: Path, tmp_path: Path) -> None:
    originals = tmp_path / "originals"
    originals.mkdir()
    (originals / "smiling.mp4").write_bytes(smiling.read_bytes())
    box = "0.3 0.2 0.4 0.5"
    utterance(tmp_path / "txt/id1/smiling/00001.txt", SHARES, {frame: box for frame in range(0, 60)})
    utterance(tmp_path / "txt/id1/smiling/00002.txt", SHARES, {frame: box for frame in (30, 55, 9999)})
    utterance(tmp_path / "txt/id1/smiling/00003.txt", "nonsense", {})
    utterance(tmp_path / "txt/id2/gone/00001.txt", SHARES.replace("smiling", "gone"), {0: box})
    report = imported(tmp_path / "txt", originals, tmp_path / "s.lance")
    store = open_store(tmp_path / "s.lance")
    index = store.index(min_frames=1)
    assert index.track.tolist() == ["00001", "00002"]
    assert index.lengths.tolist() == [3, 2]
    rows = store.read_rows(range(5)).to_pylist()
    assert np.allclose([row["time_s"] for row in rows], [0, 1, 2, 30 / 25, 55 / 25], atol=1 / 25)
    assert np.allclose(rows[0]["box_px"], [0.3 * 192, 0.2 * 192, 0.7 * 192, 0.7 * 192], atol=1e-3)
    reasons = dict(report.dropped)
    assert reasons["id1/smiling/00002.txt"] == "frame 9999: smiling.mp4 ends before"
    assert "not a VoxCeleb text file" in reasons["id1/smiling/00003.txt"]
    assert report.failed == (("id2/gone", "its original video is not there"),)


def test_a_frame_of_a_slow_original_comes_once(second: Path, tmp_path: Path) -> None:
    boxes = {frame: f"{20 + frame} 30 60 60" for frame in range(25)}  # 25 a second, of ten in the video
    utterance(tmp_path / "txt" / "id1" / "second" / "1.txt", PIXELS, boxes)
    imported(tmp_path / "txt", second.parent, tmp_path / "store", fps=25.0)
    rows = open_store(tmp_path / "store").read_rows(range(10), ["frame", "box_px"]).to_pylist()
    assert open_store(tmp_path / "store").num_rows == 10
    assert [row["frame"] for row in rows] == list(range(10))
    assert [row["box_px"][0] for row in rows] == [20, 22, 25, 27, 30, 32, 35, 37, 40, 42]


def test_a_box_far_larger_than_its_frame_is_dropped(second: Path, tmp_path: Path) -> None:
    boxes = {0: "20 30 60 60", 10: "20 30 600 600"}
    utterance(tmp_path / "txt" / "id1" / "second" / "1.txt", PIXELS, boxes)
    report = imported(tmp_path / "txt", second.parent, tmp_path / "store", fps=25.0)
    reason = "frame 10: the box is 600 x 600 px, the frame 192 x 192"
    assert report.dropped == (("id1/second/1.txt", reason),)
    assert open_store(tmp_path / "store").num_rows == 1


def test_missing_originals_are_an_error(tmp_path: Path) -> None:
    utterance(tmp_path / "txt/id1/smiling/00001.txt", SHARES, {0: "0.3 0.2 0.4 0.5"})
    (tmp_path / "originals").mkdir()
    for videos, message in {
        None: "needs --videos DIR", tmp_path / "nowhere": "no such folder of original videos",
        tmp_path / "originals": "no video in",
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=message):
            imported(tmp_path / "txt", videos, tmp_path / "s.lance")
    (tmp_path / "originals" / "other.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="has none of the 1 original videos"):
        imported(tmp_path / "txt", tmp_path / "originals", tmp_path / "s.lance")
