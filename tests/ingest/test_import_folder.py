from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fabnet.cli import main
from fabnet.errors import InputError, NoFaceError, StoreError
from fabnet.faces.crop import CropSpec, cut
from fabnet.faces.detect.detection import Detection
from fabnet.faces.find import chosen_face
from fabnet.files.folder import natural
from fabnet.files.limits import read_bytes
from fabnet.ingest.import_folder import import_folder
from fabnet.store.track_store import create_store, open_store

from .conftest import noise, write_image


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """IDENTITY/VIDEO/TRACK/frame.jpg of 32 x 32: 2 x 2 x 2 x 11."""
    root = tmp_path / "crops"
    for identity in ("Ann", "Bob"):
        for video in ("v1", "v2"):
            for track in ("00001", "00002"):
                for frame in range(11):
                    write_image(root / identity / video / track / f"frame{frame}.jpg", noise(frame))
    return root


def decoded(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[:, :, ::-1])


def imported(root: Path, out: Path, **changes: Any) -> Any:
    return import_folder(root, out, **{"size": 32, "num_workers": 0, **changes})


def test_frames_are_in_natural_order() -> None:
    assert sorted(["f10.jpg", "f9.jpg", "a2b10", "a2b9", "f1.jpg"], key=natural) == [
        "a2b9", "a2b10", "f1.jpg", "f9.jpg", "f10.jpg",
    ]  # fmt: skip


def test_ready_crops_keep_their_bytes_and_their_order(crops: Path, tmp_path: Path) -> None:
    report = imported(crops, tmp_path / "s.lance")
    assert (report.store.rows, report.store.tracks, report.store.videos, report.store.identities) == (88, 8, 4, 2)
    assert (report.frames, report.frames_with_face, report.dropped, report.failed) == (88, 88, (), ())
    store = open_store(tmp_path / "s.lance")
    index = store.index()
    assert index.video.tolist() == ["Ann/v1"] * 2 + ["Ann/v2"] * 2 + ["Bob/v1"] * 2 + ["Bob/v2"] * 2
    assert index.track.tolist() == ["00001", "00002"] * 4
    rows = store.read_rows(range(index.starts[3], index.starts[3] + 11)).to_pylist()
    assert [row["source"] for row in rows] == [f"Ann/v2/00002/frame{frame}.jpg" for frame in range(11)]
    assert [row["frame"] for row in rows] == list(range(11))
    assert all(row["image"] == (crops / row["source"]).read_bytes() for row in rows)
    assert rows[0]["crop_box_px"] == [0, 0, 32, 32]
    assert rows[0]["box_px"] is None
    json.dumps(report.to_json())


def test_a_store_of_an_older_version_is_gone_on_with(crops: Path, tmp_path: Path) -> None:
    """Older versions recorded ready crops as the detector's."""
    settings = {
        "verb": "import", "layout": "identity/video/track", "crop": "none", "splits": "hash", "fps": 1.0,
        "detector": None,
    }  # fmt: skip
    crop = {"margin": 1.8, "shift_x": 0.0, "shift_y": 0.08, "smoothing_s": 0.0, "size": 32, "jpeg_quality": 92}
    create_store(tmp_path / "s.lance", crop=crop, settings=settings)
    assert imported(crops, tmp_path / "s.lance").store.rows == 88
    assert open_store(tmp_path / "s.lance").crop == crop
    for change in ({"crop": "voxceleb"}, {"crop": "fabnet"}, {"size": 64}):
        with pytest.raises(StoreError, match=r"was made with (crop|settings) (margin|crop|size)"):
            imported(crops, tmp_path / "s.lance", **change)
    imported(crops, tmp_path / "new.lance")
    assert open_store(tmp_path / "new.lance").crop == {**crop, "framing": "unknown"}
    imported(crops, tmp_path / "ours.lance", crop="fabnet")
    assert open_store(tmp_path / "ours.lance").crop == crop


def test_worker_processes_give_the_same(crops: Path, tmp_path: Path) -> None:
    imported(crops, tmp_path / "a.lance")
    imported(crops, tmp_path / "b.lance", num_workers=2)
    one, two = open_store(tmp_path / "a.lance"), open_store(tmp_path / "b.lance")
    for start, other, length in zip(one.index().starts, two.index().starts, two.index().lengths, strict=True):
        assert one.read_rows(range(start, start + length)).equals(two.read_rows(range(other, other + length)))


def test_other_sizes_and_kinds_become_square_jpegs(tmp_path: Path) -> None:
    image = noise(1, 64)
    image[:, :16] = image[:, 48:] = 0
    write_image(tmp_path / "in" / "p" / "v" / "wide.png", image[16:48])
    imported(tmp_path / "in", tmp_path / "s.lance", layout="identity/video")
    (row,) = open_store(tmp_path / "s.lance").read_rows([0]).to_pylist()
    assert row["crop_box_px"] == [16, 0, 48, 32]
    stored = decoded(row["image"])
    assert np.abs(stored.astype(int) - image[16:48, 16:48]).mean() < 6


def test_a_repeated_import_does_nothing_twice(crops: Path, tmp_path: Path) -> None:
    imported(crops, tmp_path / "s.lance")
    write_image(crops / "Cid" / "v1" / "00001" / "f.jpg", noise(1))
    again = imported(crops, tmp_path / "s.lance")
    assert (again.num_videos, again.num_skipped, again.store.rows) == (5, 4, 89)
    assert again.frames == 89
    write_image(crops / "Ann" / "v1" / "00001" / "frame11.jpg", noise(1))
    changed = imported(crops, tmp_path / "s.lance")
    assert changed.store.rows == 89
    assert changed.failed[0][0] == "Ann/v1"
    assert "changed since it was imported" in changed.failed[0][1]
    with pytest.raises(StoreError, match=r"made with settings fps = 1\.0; now it is 2\.0"):
        imported(crops, tmp_path / "s.lance", fps=2.0)


def test_what_cannot_be_used_is_listed(crops: Path, tmp_path: Path) -> None:
    track = crops / "Ann" / "v1" / "00001"
    (track / "frame0.jpg").write_bytes(b"")
    (track / "frame1.jpg").write_text("no picture at all")
    data = (track / "frame2.jpg").read_bytes()
    (track / "frame2.jpg").write_bytes(data[: len(data) // 2])
    (track / ".frame3.jpg").write_text("hidden")
    (track / "notes.txt").write_text("something else")
    for frame in (crops / "Bob" / "v1" / "00001").iterdir():
        frame.write_bytes(b"")
    report = imported(crops, tmp_path / "s.lance")
    assert report.store.rows == 88 - 3 - 11
    assert report.frames == 88
    reasons = dict(report.dropped)
    assert len(reasons) == 14
    assert reasons["Ann/v1/00001/frame0.jpg"] == "empty (0 bytes)"
    assert "is not a picture that can be read" in reasons["Ann/v1/00001/frame1.jpg"]
    assert reasons["Ann/v1/00001/frame2.jpg"] == "truncated"
    assert imported(crops, tmp_path / "s.lance").dropped == report.dropped


def test_faces_are_found_and_cut_out(faces: list[np.ndarray], tmp_path: Path) -> None:
    for number, image in enumerate(faces):
        write_image(tmp_path / "in" / "man" / "car" / f"{number}.png", image)
    write_image(tmp_path / "in" / "man" / "car" / "9.png", np.zeros((144, 176, 3), np.uint8))
    report = imported(tmp_path / "in", tmp_path / "s.lance", layout="identity/video", crop="detect", size=64)
    assert report.dropped == (("man/car/9.png", "no face found"),)
    assert report.store.inputs == {"partial": 1}
    store = open_store(tmp_path / "s.lance")
    assert CropSpec.from_json(store.crop) == CropSpec(size=64, smoothing_s=0)
    for row, image in zip(store.read_rows(range(4)).to_pylist(), faces, strict=True):
        expected = cut(image, np.array(row["crop_box_px"], np.float32), 64)
        stored = decoded(row["image"])
        assert np.abs(stored.astype(int) - expected).mean() < 4
        points = np.array(row["landmarks5_px"]).reshape(5, 2)
        x0, y0, x1, y1 = row["box_px"]
        assert ((points > [x0, y0]) & (points < [x1, y1])).all()
        assert row["score"] > 0.8
        assert row["time_s"] is None


def test_pictures_without_any_face_are_an_error(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "p" / "v" / "0.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(NoFaceError, match=r"nothing was kept .* p/v/0.png: no face found"):
        imported(tmp_path / "in", tmp_path / "s.lance", layout="identity/video", crop="detect")
    assert open_store(tmp_path / "s.lance").ledger()["p/v"].status == "no-face"


def test_nothing_kept_is_an_error_whatever_the_store_holds(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "p" / "v" / "0.png", np.zeros((64, 64, 3), np.uint8))
    imported(tmp_path / "in", tmp_path / "s.lance", layout="identity/video")
    (tmp_path / "other" / "q" / "w").mkdir(parents=True)
    (tmp_path / "other" / "q" / "w" / "0.jpg").write_bytes(b"no picture")
    with pytest.raises(NoFaceError, match=r"nothing was kept .* q/w/0.jpg: the file is not a picture"):
        imported(tmp_path / "other", tmp_path / "s.lance", layout="identity/video")
    assert imported(tmp_path / "in", tmp_path / "s.lance", layout="identity/video").num_skipped == 1


def test_the_central_one_of_the_large_faces_is_meant() -> None:
    def face(x: float, side: float) -> Detection:
        box = np.array([x, 50 - side / 2, x + side, 50 + side / 2], np.float32)
        return Detection(box, np.zeros((5, 2), np.float32), 0.9)

    at_border, central, small = face(0, 40), face(130, 30), face(148, 5)
    assert chosen_face([at_border, small, central], 300, 100) is central
    assert chosen_face([at_border, small], 300, 100) is at_border
    assert chosen_face([], 300, 100) is None


def test_videos_of_ready_crops_are_tracks(smiling: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "id00012" / "abc"
    folder.mkdir(parents=True)
    for name in ("00001.mp4", "00002.mp4"):
        (folder / name).write_bytes(smiling.read_bytes())
    (folder / "00003.mp4").write_bytes(b"")
    report = imported(tmp_path / "in", tmp_path / "s.lance", fps=2.0)
    assert report.store.tracks == 2
    assert report.dropped[0][0] == "id00012/abc/00003.mp4"
    assert "empty (0 bytes)" in report.dropped[0][1]
    store = open_store(tmp_path / "s.lance")
    index = store.index()
    assert index.track.tolist() == ["00001", "00002"]
    times = store.read_rows(range(index.lengths[0]), ["time_s"]).column("time_s").to_numpy()
    assert np.allclose(times, np.arange(len(times)) / 2, atol=0.05)
    with pytest.raises(InputError, match="is a video: --crop detect is for frames"):
        imported(tmp_path / "in", tmp_path / "t.lance", crop="detect")


def test_splits_come_from_the_file_or_from_moments(crops: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("person,split\nAnn,test\nBob,val\nZoe,train\n")
    report = imported(crops, tmp_path / "s.lance", splits=people)
    assert {name: split["rows"] for name, split in report.store.splits.items()} == {"train": 0, "val": 44, "test": 44}
    assert any("nobody is in train" in note for note in report.notes)
    moments = imported(crops, tmp_path / "m.lance", splits="moments")
    assert moments.store.tracks == 16
    assert {name: split["rows"] for name, split in moments.store.splits.items()} == {"train": 64, "val": 24, "test": 0}
    assert any("other moments of the same tracks, not on other people" in note for note in moments.notes)
    people.write_text("person,split\nAnn,test\n")
    with pytest.raises(InputError, match="no split for the identity Bob"):
        imported(crops, tmp_path / "t.lance", splits=people)
    assert not (tmp_path / "t.lance").exists()


def test_nobody_moves_to_another_split(crops: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("person,split\nAnn,train\nBob,val\n")
    imported(crops, tmp_path / "s.lance", splits=people)
    write_image(crops / "Ann" / "v3" / "00001" / "f.jpg", noise(1))
    people.write_text("person,split\nAnn,test\nBob,val\n")
    with pytest.raises(InputError, match=r"Ann is in train in .*s\.lance, but the splits given say test"):
        imported(crops, tmp_path / "s.lance", splits=people)
    people.write_text("person,split\nAnn,train\nBob,val\nCid,test\n")
    assert imported(crops, tmp_path / "s.lance", splits=people).store.rows == 89


def test_a_frame_that_cannot_be_read_costs_itself_only(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: Path) -> bytes:
        if path.name == "frame3.jpg" and path.parent.name == "00001":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr("fabnet.ingest.import_worker.read_bytes", refusing)
    report = imported(crops, tmp_path / "s.lance")
    assert report.store.rows == 84
    assert len(report.dropped) == 4
    assert report.dropped[0] == ("Ann/v1/00001/frame3.jpg", "cannot be read (Permission denied)")
    assert report.frames == 88


def test_the_command_line(crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["import", str(crops), "--out", str(tmp_path / "s.lance"), "--size", "32", "--num-workers", "0"]
    assert main(command) == 0
    assert "88 of 88 kept, 0 left out" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_skipped"] == 4
    assert main(["info", str(tmp_path / "s.lance"), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["kind"], counts["rows"], counts["tracks"], counts["videos"]) == ("store", 88, 8, 4)
    assert main(["info", str(tmp_path / "s.lance")]) == 0
    assert "88" in capsys.readouterr().out
    assert main(["import", str(tmp_path / "nowhere"), "--out", str(tmp_path / "t.lance")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fabnet import: cannot import")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("place", "changes", "message"),
    [
        ("nowhere", {}, "expected a folder of identities' folders; found nothing"),
        ("in/Ann/v1/00001/f.jpg", {}, "found a file"),
        ("in/Ann", {}, "found v1/00001/f.jpg, 2 folders deep; try --layout identity/video"),
        ("in", {"layout": "identity/video"}, "3 folders deep; try --layout identity/video/track"),
        ("in", {"layout": "person"}, "layout must be .* got 'person'"),
        ("in", {"crop": "maybe"}, "crop must be 'none', 'fabnet', 'voxceleb' or 'detect'; got 'maybe'"),
        ("in", {"fps": 0}, "fps is 0: give a positive number"),
        ("in", {"videos": "originals"}, "--videos belongs to --layout voxceleb"),
        ("in", {"crop": "detect", "detector": "nobody"}, "unknown detector 'nobody'"),
    ],
)
def test_wrong_input_is_explained(tmp_path: Path, place: str, changes: dict[str, Any], message: str) -> None:
    write_image(tmp_path / "in" / "Ann" / "v1" / "00001" / "f.jpg", noise(1))
    with pytest.raises(InputError, match=message):
        imported(tmp_path / place, tmp_path / "s.lance", **changes)
    assert not (tmp_path / "s.lance").exists()


def test_real_faces_by_person(shared_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    for name in ("Adrian_Nastase", "Agbani_Darego"):
        shutil.copytree(shared_data / "youtube_faces" / "frames" / name, root / name)
    report = imported(
        root, tmp_path / "s.lance", layout="identity/video", crop="detect", num_workers=2,
        splits=shared_data / "youtube_faces" / "people.csv",
    )  # fmt: skip
    frames = len(list(root.glob("*/*/*.jpg")))
    assert report.frames == frames
    assert len(report.dropped) <= frames // 100
    assert set(open_store(tmp_path / "s.lance").index("test").identity) == {"Agbani_Darego"}
