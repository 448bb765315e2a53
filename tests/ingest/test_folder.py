"""Folders as people have them: whatever is not read is named with its reason, and never ends the run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, NoFaceError, VideoError
from fabnet.files.folder import FolderScan
from fabnet.files.kinds import kind_by_content
from fabnet.ingest.import_folder import import_folder
from fabnet.ingest.track import track

from .conftest import noise, write_image

NOT_UTF8 = b"\xff.mp4".decode(errors="surrogateescape")
KINDS = {
    "dangling": "dangling symlink",
    "device": "symlink out of the folder",
    "outside": "symlink out of the folder",
    "itself": "loop of symlinks",
    "pipe": "a named pipe",
    "socket": "a socket",
}


def awkward(folder: Path, suffix: str) -> None:
    """Put what nobody can read beside what is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"dangling{suffix}").symlink_to(".git/annex/objects/gone")
    (folder / f"device{suffix}").symlink_to("/dev/zero")
    (folder / f"outside{suffix}").symlink_to(__file__)
    (folder / f"itself{suffix}").symlink_to(f"itself{suffix}")
    os.mkfifo(folder / f"pipe{suffix}")
    where = Path.cwd()
    os.chdir(folder)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"socket{suffix}")
    os.chdir(where)
    (folder / "README").write_text("about")
    (folder / "notes.txt").write_text("notes")
    (folder / "nothing.txt").touch()
    (folder / ".hidden").write_text("x")
    (folder / ".cache").mkdir()


def not_read(values: dict[str, Any]) -> dict[str, str]:
    found = {each["file"]: each["reason"] for each in values["left_out"]}
    for each in values["failed"]:
        name, reason = each.values() if isinstance(each, dict) else each
        found[name] = reason
    return found


def check(values: dict[str, Any], folder: str, suffix: str) -> None:
    found = not_read(values)
    for name, reason in KINDS.items():
        assert found[f"{folder}{name}{suffix}"].startswith(reason), name
    assert values["left_out_by_reason"]["hidden (the name begins with a dot)"] == 2
    for name in ("README", "notes.txt", "nothing.txt"):
        assert f"{folder}{name}" in found


def test_track_names_what_it_does_not_read(second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "videos"
    (folder / "deep.mp4").mkdir(parents=True)  # a folder that is called like a video
    for name in ("a.MP4", "deep.mp4/b.bin", "no-suffix"):
        shutil.copy(second, folder / name)
    awkward(folder, ".mp4")
    (folder / "deep.mp4" / "loop").symlink_to(folder)
    (folder / "again").symlink_to("deep.mp4")
    (folder / "zero.mp4").touch()
    write_image(folder / "photo.jpg", noise(0))
    args = ["track", str(folder), "--out", str(tmp_path / "s.lance"), "--num-workers", "0", "--size", "32"]
    assert main([*args, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["videos"] == 3
    check(values, "", ".mp4")
    assert {"zero.mp4", *(f"{name}.mp4" for name in KINDS)} == {each["video"] for each in values["failed"]}
    assert not_read(values)["deep.mp4/loop"].startswith("loop of symlinks: back to")
    assert not_read(values)["again"] == "symlink to what is read anyway: deep.mp4"
    assert not_read(values)["photo.jpg"].startswith("picture: ")
    assert main(args) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 left out, hidden" in shown
    assert "2 left out, neither picture nor video: README, notes.txt" in shown


def test_embed_names_all_that_it_does_not_read(second: Path, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    write_image(folder / "photo.JPG", noise(0))
    for name in ("photo.dat", "photo"):
        shutil.copy(folder / "photo.JPG", folder / name)
    shutil.copy(second, folder / "clip.jpg")  # a video under a picture's name
    awkward(folder, ".jpg")
    result = fabnet.embed([folder], tmp_path / "o.lance", model="pixels", crop="none", fps=1.0)
    assert result.embedded == 4
    check(result.to_json(), "", ".jpg")
    assert {name for name, _ in result.failed} == {f"{name}.jpg" for name in KINDS}


@pytest.mark.parametrize("layout", ["identity/video", "identity/video/track"])
def test_import_names_all_that_it_does_not_read(tmp_path: Path, layout: Any) -> None:
    folder = tmp_path / "faces"
    inner = "Ann/v" if layout == "identity/video" else "Ann/v/t"
    write_image(folder / inner / "0.jpg", noise(0, 32))
    shutil.copy(folder / inner / "0.jpg", folder / inner / "1")  # its content says what it is
    awkward(folder / inner, ".jpg")
    (folder / "Bob").symlink_to("gone")
    (folder / "list.csv").write_text("x")
    report = import_folder(folder, tmp_path / "s.lance", layout=layout, size=32, num_workers=0)
    assert report.store.rows == 2
    check(report.to_json(), f"{inner}/", ".jpg")
    found = not_read(report.to_json())
    assert found["Bob"].startswith("dangling symlink")
    assert "list.csv" in found


def test_voxceleb_originals_may_lie_among_anything(tmp_path: Path) -> None:
    from fabnet.ingest.voxceleb import find_originals

    awkward(tmp_path / "originals", ".mp4")
    (tmp_path / "originals" / "ref.mp4").write_bytes(b"a video")
    known, left_out = find_originals(tmp_path / "originals")
    assert list(known) == ["ref"]
    assert {each.file for each in left_out} >= {f"{name}.mp4" for name in KINDS}


def test_frames_are_searched_beside_cropped_videos(frames_folder: Path, second: Path, tmp_path: Path) -> None:
    shutil.copytree(frames_folder / "person0" / "0", tmp_path / "in" / "Ann" / "v" / "t")
    shutil.copy(second, tmp_path / "in" / "Ann" / "v" / "other.mp4")
    report = import_folder(tmp_path / "in", tmp_path / "s.lance", crop="detect", size=32, num_workers=0)
    assert report.store.rows > 5
    assert [each.file for each in report.left_out] == ["Ann/v/other.mp4"]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read anything: be somebody who may not."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


def test_what_may_not_be_read_is_named(second: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    for name in ("closed/a.mp4", "open/b.mp4", "open/c.mp4", "open/d.dat"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(second, folder / name)
    for path in (folder / "closed", folder / "open" / "c.mp4", folder / "open" / "d.dat"):
        path.chmod(0)
    scanned = FolderScan(folder)
    for above in (folder, *folder.parents):
        if above.stat().st_uid == os.geteuid() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o55)
    with as_nobody():
        kinds = {entry.name: scanned.kind(entry) for entry in scanned.walk()}
    assert kinds == {"open/b.mp4": "video", "open/c.mp4": "video", "open/d.dat": None}
    assert {each.file: each.reason for each in scanned.left_out()} == {
        "closed": "folder that cannot be read: Permission denied",
        "open/d.dat": "cannot be read: Permission denied",
    }
    (folder / "closed").chmod(0o755)


def test_a_name_that_is_not_utf8_does_not_end_the_run(second: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(second, folder / "a.mp4")
    try:
        shutil.copy(second, folder / NOT_UTF8)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    report = track(folder, tmp_path / "s.lance", num_workers=0, size=32)
    assert [name for name, _ in report.failed] == [r"\udcff.mp4"]
    json.dumps(report.to_json()).encode()


def test_two_videos_of_one_name_do_not_end_the_run(second: Path, tmp_path: Path) -> None:
    for folder, names in (("a", ["1.mp4"]), ("b", ["1.mp4", "2.mp4"])):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            (tmp_path / folder / name).write_bytes(second.read_bytes() + bytes(number))
    report = track([tmp_path / "a", tmp_path / "b"], tmp_path / "s.lance", num_workers=0, size=32)
    assert report.store.videos == 2
    assert [name for name, _ in report.failed] == ["1.mp4"]
    assert "another video has the same name" in report.failed[0][1]


def test_a_file_that_vanishes_is_listed(second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(second, folder / name)
    module = sys.modules["fabnet.ingest.track"]
    find_videos = module.__dict__["find_videos"]

    def vanishing(*args: Any) -> Any:
        found = find_videos(*args)
        (folder / "a.mp4").unlink()
        return found

    monkeypatch.setattr(module, "find_videos", vanishing)
    report = track(folder, tmp_path / "s.lance", num_workers=0, size=32)
    assert [name for name, _ in report.failed] == ["a.mp4"]
    assert report.store.videos == 1


def test_rows_of_label_files_for_what_is_not_there_are_named(second: Path, tmp_path: Path) -> None:
    shutil.copy(second, tmp_path / "a.mp4")
    (tmp_path / "who.csv").write_text("video,identity\na.mp4,Ann\ngone.mp4,Bob\n")
    (tmp_path / "splits.csv").write_text("identity,split\nAnn,train\nBob,val\n")
    report = track(
        tmp_path / "a.mp4", tmp_path / "s.lance", identities=tmp_path / "who.csv", splits=tmp_path / "splits.csv",
        num_workers=0, size=32,
    )  # fmt: skip
    notes = " ".join(report.notes)
    assert "names 1 videos that are not among those given: gone.mp4" in notes
    assert "has splits for 1 identities that do not occur: Bob" in notes


def test_nothing_to_read_says_what_is_there(tmp_path: Path) -> None:
    awkward(tmp_path / "in", ".mp4")
    with pytest.raises(VideoError, match=r"no video can be read: dangling.mp4: dangling symlink.*\(and 5 more\)"):
        track(tmp_path / "in", tmp_path / "s.lance", num_workers=0)
    with pytest.raises(InputError, match=r"nothing could be embedded: dangling.mp4: dangling symlink"):
        fabnet.embed([tmp_path / "in"], tmp_path / "o.lance", model="pixels")
    awkward(tmp_path / "txt", ".txt")
    with pytest.raises(InputError, match=r"no video in .*1 left out, dangling symlink: dangling.txt"):
        track(tmp_path / "txt", tmp_path / "s.lance", num_workers=0)
    with pytest.raises(InputError, match=r"contains no photo, video or store: .*1 left out, a socket: socket.txt"):
        fabnet.embed([tmp_path / "txt"], tmp_path / "o.lance", model="pixels")
    with pytest.raises(InputError, match=r"nothing to import in .*: found notes.txt, 0 folders deep"):
        import_folder(tmp_path / "txt", tmp_path / "s.lance", num_workers=0)
    with pytest.raises(InputError, match="no such video or folder"):
        track(tmp_path / "nowhere", tmp_path / "s.lance", num_workers=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no video in"):
        track(tmp_path / "empty", tmp_path / "s.lance", num_workers=0)
    assert not (tmp_path / "s.lance").exists()


def test_a_pipe_that_is_named_does_not_hang(second: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VideoError, match=r"is a named pipe; expected a video file"):
        track(tmp_path / "pipe", tmp_path / "s.lance", num_workers=0)
    report = track([tmp_path / "pipe", second], tmp_path / "s.lance", num_workers=0, size=32)
    assert [name for name, _ in report.failed] == ["pipe"]
    with pytest.raises((InputError, NoFaceError), match="named pipe"):
        fabnet.embed([tmp_path / "pipe"], tmp_path / "o.lance", model="pixels")


def test_a_dataset_in_a_folder_is_one_thing(second: Path, tmp_path: Path) -> None:
    shutil.copy(second, tmp_path / "a.mp4")
    for _ in range(2):
        report = track(tmp_path, tmp_path / "s.lance", num_workers=0, size=32)
    assert [(each.file, each.reason) for each in report.left_out] == [
        ("s.lance", "Lance dataset: give its own path to read it")
    ]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff", "ppm", "pgm"])
def test_pictures_are_known_by_their_content(suffix: str) -> None:
    pixels = np.zeros((9, 12, 3) if suffix != "pgm" else (9, 12), np.uint8)
    assert kind_by_content("x", cv2.imencode(f".{suffix}", pixels)[1].tobytes()) == "image"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("x.dng", b"II*\0" + bytes(60)),
        ("x.m4a", b"\0\0\0\x1cftypM4A "),
        ("x.mp3", b"ID3\4" + bytes(60)),
        ("x", b""),
        ("x", b"G" * 100),
        ("BMX.txt", b"BMX bikes and where to ride them"),
        ("P5.txt", b"P5"),
        ("x.ogg", b"OggS" + bytes(24) + b"\x01vorbis"),
    ],
)
def test_what_is_neither_is_neither(name: str, head: bytes) -> None:
    assert kind_by_content(name, head) is None
