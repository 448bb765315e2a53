"""What `read` is given and where it writes: inputs that are missing, corrupt or odd, outputs, and what it loads."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, OutputError
from fabnet.files.folder import left_out_lines
from fabnet.reading.inputs import list_inputs
from fabnet.reading.read import read_all, read_to
from fabnet.video.decode import read_frames
from tests.video.composed import write_video


@pytest.fixture(scope="module")
def photo(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of a face: the clip's first frame."""
    file = tmp_path_factory.mktemp("photo") / "photo.png"
    cv2.imwrite(str(file), next(iter(read_frames(smiling))).image[:, :, ::-1])
    return file


def loaded(*args: object) -> set[str]:
    """The large packages that a process has loaded after a verb."""
    code = """if True:
        import json, sys
        from fabnet.cli import main
        assert main(sys.argv[1:]) == 0
        print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"""
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=True, timeout=120
    )
    return {"torch", "lance", "av", "pandas", "scipy", "sklearn"} & set(json.loads(ended.stdout.splitlines()[-1]))


def test_what_is_not_needed_is_not_loaded(photo: Path, second: Path, tmp_path: Path) -> None:
    assert loaded("read", photo, "--out", tmp_path / "faces.csv") == set()
    assert loaded("read", photo, "--out", tmp_path / "faces.parquet") == set()
    assert loaded("read", second, "--out", tmp_path / "faces.csv") == {"av"}


@pytest.fixture
def album(photo: Path, tmp_path: Path) -> Path:
    """Photos of odd names, two of which cannot be read, and a text."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    for name in ("a, b.png", "sub/ünï [red].png") + (() if sys.platform == "win32" else ("=cmd.png", "two\nlines.png")):
        (folder / name).write_bytes(photo.read_bytes())
    (folder / "cut.png").write_bytes(photo.read_bytes()[:500])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "note.txt").write_text("not a photo")
    return folder


def test_one_bad_file_leaves_the_others(album: Path, tmp_path: Path) -> None:
    result = read_to(album, tmp_path / "faces.csv")
    with (tmp_path / "faces.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["source"]: row for row in csv.DictReader(file)}
    assert rows.keys() >= {"a, b.png", "sub/ünï [red].png", "cut.png", "empty.jpg"}
    if sys.platform != "win32":
        assert rows.keys() >= {"'=cmd.png", "two\nlines.png"}
    for name in ("cut.png", "empty.jpg"):
        assert rows[name]["reason"].startswith("cannot be read: ")
        assert rows[name]["in_range"] == rows[name]["pose_yaw_deg"] == rows[name]["track"] == ""
    assert abs(float(rows["a, b.png"]["pose_yaw_deg"])) < 15  # he looks a little to the side
    assert {name for name, _ in result.failed} == {"cut.png", "empty.jpg"}
    assert [each.file for each in result.left_out] == ["note.txt"]
    assert result.rows == result.faces + 2 == len(rows)


def said(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """The exit code of `fabnet read`, its output, and its messages."""
    code = main(["read", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_terminal_says_what_is_missing(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, album)
    assert code == 0
    assert "cannot be read: cut.png" in out
    assert "note.txt" in out
    code, out, _ = said(capsys, album, "--json")
    made = json.loads(out)
    assert (code, made["rows"], len(made["rows_read"])) == (0, made["faces"] + 2, made["rows"])
    assert [name for name, _ in made["failed"]] == ["cut.png", "empty.jpg"]
    code, out, err = said(capsys, album, "--columns", "openface")
    assert code == 0
    assert out.startswith('"source","frame","face_id"')
    assert "cut.png" in err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("missing.jpg",), 2, "no such file or folder: missing.jpg"),
        (("{empty}",), 2, "contains no photo, video or store"),
        (("{grey}",), 4, "no face was found"),
        (("{cut}",), 4, "nothing was read: cut.png is not a usable picture"),
        (("{photo}", "--out", "{tmp}/x.txt"), 2, "ends in '.txt'; expected .csv or .parquet"),
        (("{photo}", "--out", "{tmp}/x"), 2, "expected .csv or .parquet"),
        (("{photo}", "--out", "{folder}"), 2, "is a folder; expected a file"),
        (("{video_csv}", "--out", "{video_csv}"), 2, "is an input"),
        (("{photo}", "--people", "{people}", "--out", "{people}"), 2, "is an input"),
        (("{photo}", "--people", "{tmp}/no.csv"), 2, "there is no file"),
        (("",), 2, "a path is empty"),
        (("{photo}", "--out", ""), 2, "a path is empty"),
        (("{photo}", "--out", "{data}/x.csv"), 2, "lies inside the dataset"),
        (("{data}",), 2, "is a dataset, but not a track store"),
        (("{photo}", "--people", "{photo}"), 2, "video,person"),
        (("{photo}", "--detector", "eyes"), 2, "unknown detector 'eyes'"),
        (("{clip}", "--detector", "eyes"), 2, "unknown detector 'eyes'"),
        (("{photo}", "--model", "pixels"), 6, "carries no face reader"),
        (("{photo}", "--search-every", "0"), 2, "search_every must be 0.1 to 60"),
        (("{photo}", "--num-threads", "0"), 2, "num_threads must be 1 or more"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    args: tuple[str, ...], code: int, message: str, photo: Path, second: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("empty", "x.csv", "data.lance/_versions"):
        (tmp_path / name).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((200, 200, 3), 128, np.uint8))
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:500])
    (tmp_path / "people.csv").write_text("video,person\nphoto.png,Ann\n")
    (tmp_path / "clip.csv").write_bytes(second.read_bytes())
    places = {
        "empty": tmp_path / "empty", "folder": tmp_path / "x.csv", "grey": tmp_path / "grey.png", "tmp": tmp_path,
        "cut": tmp_path / "cut.png", "people": tmp_path / "people.csv", "photo": photo, "clip": second,
        "video_csv": tmp_path / "clip.csv", "data": tmp_path / "data.lance",
    }  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    found, out, err = said(capsys, *(each.format(**places) for each in args))
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_named_file_that_is_no_input_leaves_the_others(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("text")
    table, result = read_all([photo, tmp_path / "note.txt"])
    assert (result.faces, result.failed) == (1, [("note.txt", "neither a photo nor a video by its name and content")])
    assert table["source"].to_pylist() == ["note.txt", "photo.png"]
    if os.name != "nt":
        odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff.png"))
        odd.write_bytes(photo.read_bytes())
        assert [name for name, _ in read_all([photo, odd])[1].failed] == [r"odd\udcff.png"]


def test_further_pictures_of_a_file_are_counted(photo: Path, tmp_path: Path) -> None:
    first = Image.open(photo)
    others = [first.rotate(angle) for angle in (5, 10)]
    names = ("a.png", "a.tiff", "a.webp")
    for name in names:
        first.save(tmp_path / name, save_all=True, append_images=others, duration=40, lossless=True)
    (tmp_path / "one.png").write_bytes(photo.read_bytes())
    table, result = read_all(tmp_path)
    assert table["source"].to_pylist() == sorted([*names, "one.png"])
    assert [(each.file, each.count) for each in result.left_out] == [(name, 2) for name in names]
    assert left_out_lines(result.left_out) == [
        "6 left out, pictures after the first one of a file: a.png, a.tiff, a.webp"
    ]


def test_a_truncated_video_is_read_up_to_there(second: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    with av.open(str(second)) as source, av.open(str(cut), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    cut.write_bytes(cut.read_bytes()[: -cut.stat().st_size // 2])
    table, result = read_all(cut)
    assert 0 < result.faces < 10
    assert [name for name, _ in result.failed] == ["cut.mkv"]
    assert table["reason"].to_pylist() == [""] * result.faces + [f"cannot be read: {result.failed[0][1]}"]


def people(photo: Path, tmp_path: Path, given: str) -> list[str | None]:
    """The person of photo.png and of sub/photo.png."""
    folder = tmp_path / "study"
    if not folder.exists():
        (folder / "sub").mkdir(parents=True)
        for name in ("photo.png", "sub/other.png"):
            (folder / name).write_bytes(photo.read_bytes())
    if "," in given:
        (tmp_path / "people.csv").write_text(given, encoding="utf-8-sig")
        given = str(tmp_path / "people.csv")
    found: list[str | None] = fabnet.read(folder, people=given)["person"].to_pylist()
    return found


def test_who_is_who(photo: Path, tmp_path: Path) -> None:
    expected = {
        "track": ["photo.png/0", "sub/other.png/0"],
        "video": ["photo.png", "sub/other.png"],
        "folder": ["study", "sub"],
        "video,person\nphoto.png,Ann\nsub/other.png,Bo\n": ["Ann", "Bo"],
        'person,video\n"Ann, B.",other.png\n': [None, "Ann, B."],
        "video,track,person\nphoto.png,0,Ann\nphoto.png,,Bo\nother.png,1,Cy\n": ["Ann", None],
        "video,track,person\nphoto.png,7,Ann\nphoto.png,,Bo\n\n": ["Bo", None],
    }
    assert {given: people(photo, tmp_path, given) for given in expected} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,person\na,b\n", "found file,person"),
        ("video,person\n", "expected the header video,person"),
        ("video,person\nphoto.png,\n", "line 2: expected a video and a person"),
        ("video,person\nphoto.png\n", "line 2: expected a video and a person"),
        ("video,person\nphoto.png,Ann\nphoto.png,Bo\n", "line 3: photo.png is Ann and Bo"),
        ("video,track,person\nphoto.png,1,Ann\nphoto.png,1,Bo\n", "line 3: track 1 of photo.png is Ann and Bo"),
        ("video,person\nfoto.png,Ann\n", "names none of the inputs: it has foto.png"),
    ],
)
def test_wrong_files_of_people_are_refused(photo: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        people(photo, tmp_path, text)
    (tmp_path / "people.csv").write_bytes(b"video,person\nphoto.png,\xff\xfe\n")
    with pytest.raises(InputError, match=r"people\.csv"):
        people(photo, tmp_path, str(tmp_path / "people.csv"))


def test_an_interrupt_leaves_nothing(smiling: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "faces.csv"
    clips = [tmp_path / f"{number}.mp4" for number in range(20)]
    for clip in clips:
        clip.write_bytes(smiling.read_bytes())
    command = [sys.executable, "-m", "fabnet", "read", *map(str, clips), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("out/.faces.csv.*.partial")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert [path.name for path in out.parent.iterdir()] == []


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_full_disk_is_said_and_leaves_nothing(second: Path, small_disk: Path, suffix: str) -> None:
    (small_disk / "full").write_bytes(bytes(4 * 2**20 - 12_288))
    with pytest.raises(OutputError, match="the disk is full"):
        read_to(second, small_disk / f"faces{suffix}", embedding=True)
    assert [path.name for path in small_disk.iterdir()] == ["full"]


def peak_mb(*args: object) -> float:
    """Peak memory of `fabnet read` in a process of its own."""
    code = """if True:
        import resource, sys
        from fabnet.cli import main
        assert main(sys.argv[1:]) == 0
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"""
    ended = subprocess.run(
        [sys.executable, "-c", code, "read", *map(str, args)], capture_output=True, text=True, check=True, timeout=600
    )
    return float(ended.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_memory_does_not_grow_with_a_video(smiling: Path, tmp_path: Path) -> None:
    frames = [frame.image for frame in read_frames(smiling)]
    files = [write_video(tmp_path / f"{times}.mp4", frames * times) for times in (3, 12)]
    short, long = (peak_mb(file, "--out", tmp_path / "faces.csv", "--num-threads", 2) for file in files)
    assert long < short + 40, (short, long)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_large_frames_take_bounded_memory(smiling: Path, tmp_path: Path) -> None:
    frames = [cv2.resize(frame.image, (3840, 2160)) for frame in list(read_frames(smiling))[:20]]
    files = [write_video(tmp_path / f"{times}.mp4", frames * times) for times in (1, 3)]
    short, long = (peak_mb(file, "--out", tmp_path / "faces.csv", "--num-threads", 2) for file in files)
    assert long < max(short + 100, 1200), (short, long)  # 1,060 MB measured, of which five pieces are 310 MB


def test_rows_of_two_inputs_have_names_of_their_own(store: Path, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    (folder / "person3").mkdir(parents=True)
    shutil.copy(photo, folder / "person3" / "0")  # named as a video of the store is
    shutil.copytree(store, tmp_path / "copy")
    for others, name in (([folder], "person3/0"), ([tmp_path / "copy"], "person0/0")):
        with pytest.raises(InputError, match=rf"and the store .* both have {name}, so their rows could not be told"):
            fabnet.read([store, *others])
    assert len(list_inputs([store, photo]).found) == 2
