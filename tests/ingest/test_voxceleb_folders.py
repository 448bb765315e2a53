"""VoxCeleb1 and 2 in one store, from folders as the releases unpack."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError, StoreError
from fabnet.faces.crop import VOXCELEB, crop_box, cut
from fabnet.ingest.import_folder import import_folder
from fabnet.store.split import split_of
from fabnet.store.track_store import open_store

from .conftest import write_image
from .test_voxceleb import PIXELS, SHARES, utterance

META = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    "id10001\tA.J._Buckley\tm\tIreland\tdev\n"
    "id10002\tA.R._Rahman\tm\tIndia\tdev\n"
    "id10283\tEli_Roth.\tm\tUSA\ttest\n"
)


@pytest.fixture
def vox(second: Path, faces: list[np.ndarray], tmp_path: Path) -> Path:
    """VoxCeleb2's mp4 of two speakers, one of them in `test`; VoxCeleb1's faces of two, and its text files of one."""
    root = tmp_path / "vox"
    for part, identity in (("dev", "id00012"), ("test", "id00017")):
        for track in ("00001", "00002"):
            place = root / "vox2" / part / "mp4" / identity / "21Uxsk56VDQ" / f"{track}.mp4"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(second, place)
    for name in ("A.J._Buckley", "Eli_Roth"):
        for number in (25, 50):
            write_image(root / f"vox1/unzippedFaces/{name}/1.6/{name[0]}video/{number:07d}.jpg", faces[0][:144, :144])
    utterance(root / "vox1/txt/id10002/second/00001.txt", PIXELS, {0: "30 30 60 60", 10: "31 30 60 60"})
    (root / "vox2/dev/wav/id00012").mkdir(parents=True)
    (tmp_path / "vox1_meta.csv").write_text(META)
    return root


def imported(root: Path, out: Path, **changes: Any) -> Any:
    speakers = root
    while not (speakers / "vox1_meta.csv").exists():
        speakers = speakers.parent
    given = {"layout": "voxceleb", "speakers": speakers / "vox1_meta.csv", "size": 64, "num_workers": 0, "fps": 5.0}
    return import_folder(root, out, **{**given, **changes})


def rows_of(store: Path) -> list[tuple[Any, ...]]:
    opened = open_store(store)
    table = opened.read_rows(range(opened.num_rows)).to_pylist()
    return sorted(
        (row["video"], row["track"], row["frame"], row["identity"], row["split"], row["image"]) for row in table
    )


def test_both_are_one_store_under_one_set_of_names(vox: Path, second: Path, tmp_path: Path) -> None:
    report = imported(vox, tmp_path / "s.lance", videos=second.parent, splits="voxceleb")
    index = open_store(tmp_path / "s.lance").index(min_frames=1)
    found = dict(zip(index.identity.tolist(), index.split.tolist(), strict=True))
    assert sorted(found) == ["id00012", "id00017", "id10001", "id10002", "id10283"]
    assert found["id00017"] == found["id10283"] == "test"  # published: the folder test, and names beginning with E
    assert all(found[name] == split_of(name) for name in ("id00012", "id10001", "id10002"))
    assert "2 published test speakers of VoxCeleb are in test" in report.notes
    assert index.video.tolist().count("id00012/21Uxsk56VDQ") == 2
    assert {each.reason for each in report.left_out} >= {"folder: sound"}
    assert report.failed == report.dropped == ()


def test_parts_that_are_imported_one_by_one_give_the_same_store(vox: Path, second: Path, tmp_path: Path) -> None:
    imported(vox, tmp_path / "whole.lance", videos=second.parent, splits="voxceleb")
    for part in ("vox2/dev", "vox2/test/mp4", "vox1/unzippedFaces"):
        imported(vox / part, tmp_path / "parts.lance", splits="voxceleb")
    imported(vox / "vox1/txt", tmp_path / "parts.lance", splits="voxceleb", videos=second.parent)
    assert rows_of(tmp_path / "parts.lance") == rows_of(tmp_path / "whole.lance")
    again = imported(vox, tmp_path / "parts.lance", splits="voxceleb", videos=second.parent, crop="voxceleb")
    assert again.num_skipped == again.num_videos == 5
    with pytest.raises(StoreError, match="was made with settings splits = 'voxceleb'; now it is 'hash'"):
        imported(vox, tmp_path / "parts.lance", videos=second.parent)


def test_all_faces_are_framed_alike(vox: Path, second: Path, faces: list[np.ndarray], tmp_path: Path) -> None:
    imported(vox, tmp_path / "s.lance", videos=second.parent)
    store = open_store(tmp_path / "s.lance")
    assert (store.crop["framing"], store.crop["window_centre_y"]) == ("voxceleb", 103 / 256)
    rows = {row["identity"]: row for row in store.read_rows(range(store.num_rows)).to_pylist()}
    # unzippedFaces: the box is the middle 1 / 1.6 of the picture
    box = np.array([27.0, 27, 117, 117])
    np.testing.assert_allclose(rows["id10001"]["crop_box_px"], [9, 27, 135, 153], atol=1e-4)
    np.testing.assert_allclose(crop_box(box, VOXCELEB), [9, 27, 135, 153], atol=1e-4)
    shown = cv2.imdecode(np.frombuffer(rows["id10001"]["image"], np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    shown = shown[:, :, ::-1]
    assert np.abs(cut(faces[0][:144, :144], np.array([9.0, 27, 135, 153]), 64).astype(int) - shown).mean() < 4
    # text files: the same crop of their box, of whose middle VoxCeleb's crop lies 0.2 sides lower
    np.testing.assert_allclose(rows["id10002"]["crop_box_px"], [19, 30, 103, 114], atol=1e-4)
    # mp4: as they are
    assert rows["id00012"]["crop_box_px"] == [0, 0, 192, 192]


def test_a_video_of_both_kinds_is_read_once(vox: Path, second: Path, tmp_path: Path) -> None:
    utterance(vox / "vox2/dev/txt/id00012/21Uxsk56VDQ/00001.txt", SHARES, {0: "0.3 0.2 0.4 0.5"})
    utterance(vox / "vox2/dev/mp4/id00012/21Uxsk56VDQ/00001.txt", SHARES, {0: "0.3 0.2 0.4 0.5"})
    report = imported(vox, tmp_path / "s.lance", videos=second.parent)
    index = open_store(tmp_path / "s.lance").index(min_frames=1)
    assert index.video.tolist().count("id00012/21Uxsk56VDQ") == 2
    reasons = {each.file: each.reason for each in report.left_out}
    assert reasons["vox2/dev/txt/id00012/21Uxsk56VDQ"].startswith("the same video of the same speaker: read from vox2")
    assert reasons["vox2/dev/mp4/id00012/21Uxsk56VDQ/00001.txt"].startswith("the same video")


def test_names_need_the_list_and_text_needs_the_originals(vox: Path, second: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"A\.J\._Buckley: expected a speaker's id, .* give --speakers vox1_meta\.csv"):
        imported(vox, tmp_path / "s.lance", speakers=None)
    report = imported(vox, tmp_path / "s.lance")
    assert any("--videos DIR with the originals is not given" in each.reason for each in report.left_out)
    with pytest.raises(InputError, match="has no text file that refers to the videos"):
        imported(vox / "vox2", tmp_path / "s.lance", videos=second.parent)
    write_image(vox / "vox1/unzippedFaces/Nobody/1.6/v/0000025.jpg", np.zeros((32, 32, 3), np.uint8))
    report = imported(vox, tmp_path / "s.lance")
    assert any(each.file.endswith("Nobody") for each in report.left_out)


def test_a_wrong_list_or_folder_is_explained(vox: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.lance"
    (tmp_path / "other.csv").write_text("header\nAnn,Bob\n")
    with pytest.raises(InputError, match=r"other\.csv, line 2: expected an id like id10001 and a name"):
        imported(vox, out, speakers=tmp_path / "other.csv")
    with pytest.raises(InputError, match="no such file of speakers"):
        imported(vox, out, speakers=tmp_path / "none.csv")
    (tmp_path / "vox1_meta.csv.d").mkdir()
    with pytest.raises(InputError, match=r"nothing to import in .* with the layout voxceleb"):
        imported(tmp_path / "vox1_meta.csv.d", out)
    with pytest.raises(InputError, match=r"folders deep; try --layout voxceleb"):
        imported(vox, out, layout="identity/video", speakers=None)
    with pytest.raises(InputError, match="--splits voxceleb belong to --layout voxceleb"):
        imported(vox, out, layout="identity/video/track", speakers=None, splits="voxceleb")
    with pytest.raises(InputError, match="--layout voxceleb has VoxCeleb's crops: leave --crop detect out"):
        imported(vox, out, crop="detect")
    assert not out.exists()


def test_a_loop_of_links_ends(vox: Path, tmp_path: Path) -> None:
    (vox / "vox2/mp4").symlink_to(vox / "vox2", target_is_directory=True)
    imported(vox / "vox2", tmp_path / "s.lance")
    assert len(open_store(tmp_path / "s.lance").index(min_frames=1)) == 4
