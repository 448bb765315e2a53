"""Files that are too large, report a wrong size, or lead out of their folder."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.encoders.saved_probe import load_probes
from fabnet.errors import FabnetError, InputError, VideoError
from fabnet.faces.picture import decode_picture, picture_size
from fabnet.faces.window import decode_jpeg
from fabnet.files.limits import (
    MAX_CONFIG_BYTES,
    MAX_JSON_BYTES,
    MAX_PICTURE_BYTES,
    MAX_PIXELS,
    MAX_TABLE_BYTES,
    MAX_WEIGHTS_BYTES,
    read_bytes,
)
from fabnet.files.media import find_videos
from fabnet.ingest.import_folder import import_folder
from fabnet.ingest.layouts import scan
from fabnet.models.model_folder import read_card
from fabnet.paper.results import read_result
from fabnet.probes.protocols.label_files import lines_of, rows_of
from fabnet.reading.inputs import list_inputs
from fabnet.store.split import read_splits
from fabnet.video.decode import read_frames

PICTURE = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few kB whose pixels would fill gigabytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
        + chunk(b"IEND", b"")
    )


def of_size(path: Path, size: int) -> Path:
    """A sparse file, which takes no space on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp", "tiff"])
def test_the_size_is_read_from_the_header(ending: str) -> None:
    data = cv2.imencode(f".{ending}", PICTURE)[1].tobytes()
    assert picture_size(data) == (70, 50)
    assert decode_picture(data).shape == (50, 70, 3)


@pytest.mark.parametrize("decode", [decode_picture, decode_jpeg])
def test_a_bomb_is_refused_by_its_header(decode: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)  # because it must not be decoded
    assert callable(decode)
    with pytest.raises(InputError, match=r"50,000 x 40,000 pixels; the limit is 100,000,000"):
        decode(png_of(50_000, 40_000))
    jpeg = bytearray(cv2.imencode(".jpg", PICTURE)[1].tobytes())
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(InputError, match="60,000 x 60,000 pixels"):
        decode(bytes(jpeg))
    with pytest.raises(InputError, match="picture that can be read"):
        decode(b"#?RADIANCE\n\n-Y 1 +X 1\n")  # a format that OpenCV knows but fabnet does not


@pytest.mark.parametrize("where", ["IDAT", "IEND", "end"])
def test_a_chunk_of_impossible_size_is_refused(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)  # must not be reached, because it would first allocate a gigabyte
    data = cv2.imencode(".png", PICTURE)[1].tobytes()
    if where == "end":
        data = data[:-40]  # truncated
    else:
        place = data.index(where.encode()) - 4
        data = data[:place] + struct.pack(">I", 1_200_000_000) + data[place + 4 :]
    with pytest.raises(InputError, match="the PNG is truncated or corrupt"):
        decode_picture(data)


def test_a_bomb_among_frames_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "ann" / "v"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0.jpg"), PICTURE)
    (folder / "1.png").write_bytes(png_of(40_000, 40_000))
    of_size(folder / "2.jpg", MAX_PICTURE_BYTES + 1)
    report = import_folder(tmp_path / "in", tmp_path / "s", layout="identity/video", num_workers=0)
    assert report.store.rows == 1
    assert [source for source, _ in report.dropped] == ["ann/v/1.png", "ann/v/2.jpg"]
    assert "the limit for such a file is 268,435,456" in report.dropped[1][1]


def test_files_that_are_too_large_are_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the limit for such a file is 268,435,456"):
        read_bytes(of_size(tmp_path / "a.jpg", MAX_PICTURE_BYTES + 1))
    table = of_size(tmp_path / "a.csv", MAX_TABLE_BYTES + 1)
    for read in (read_splits, rows_of, lambda path: list(lines_of(path))):
        with pytest.raises(InputError, match="the limit for such a file"):
            read(table)
    with pytest.raises(FabnetError, match="the limit for such a file is 67,108,864"):
        read_result(of_size(tmp_path / "a.json", MAX_JSON_BYTES + 1))
    with pytest.raises(FabnetError, match="the limit for such a file is 4,194,304"):
        read_card(of_size(tmp_path / "model" / "config.json", MAX_CONFIG_BYTES + 1).parent)
    with pytest.raises(InputError, match="the limit for such a file is 8,589,934,592"):
        load_probes(of_size(tmp_path / "a.safetensors", MAX_WEIGHTS_BYTES + 1))


def test_a_safetensors_header_that_is_too_long_is_refused(tmp_path: Path) -> None:
    file = of_size(tmp_path / "a.safetensors", 2**28)
    with file.open("r+b") as opened:
        opened.write(struct.pack("<Q", 2**28 - 8) + b'{"x":')
    with pytest.raises(InputError, match="cannot be read as probes"):
        load_probes(file)


def test_frames_have_limits(smiling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabnet.video.decode.MAX_FRAMES", 5)
    frames = read_frames(smiling)
    assert [next(frames).index for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(VideoError, match="more than 5 frames, which is the limit"):
        next(frames)
    monkeypatch.setattr("fabnet.video.container.MAX_PIXELS", 192 * 192 - 1)
    with pytest.raises(VideoError, match="192 x 192 px; the limit is 36,863 pixels"):
        next(read_frames(smiling))
    assert MAX_PIXELS < 16384**2


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n"])
def test_a_playlist_opens_no_other_file(smiling: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "other.mp4").write_bytes(smiling.read_bytes())
    (tmp_path / "list.mp4").write_text(text.format("other.mp4"))
    with pytest.raises(VideoError, match="is not a video"):
        next(read_frames(tmp_path / "list.mp4"))


def test_links_out_of_a_folder_are_refused(tmp_path: Path, smiling: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "in" / "ann" / "v"
    for folder in (outside, inside):
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "0.jpg"), PICTURE)
    (inside / "1.jpg").symlink_to(inside / "0.jpg")
    (tmp_path / "linked").symlink_to(tmp_path / "in")
    assert len(scan(tmp_path / "linked", "identity/video")[0][0].tracks[0].files) == 2  # followed, as it is within
    (inside / "2.jpg").symlink_to(outside / "0.jpg")
    videos, look = scan(tmp_path / "in", "identity/video")
    assert len(videos[0].tracks[0].files) == 2
    for failed in (look.failed("image")[0], list_inputs([tmp_path / "in"]).failed[0]):
        assert "symlink out of the folder: to " in failed.reason
    (inside / "2.jpg").unlink()
    (tmp_path / "in" / "bob").symlink_to(outside)
    videos, look = scan(tmp_path / "in", "identity/video")
    assert [each.file for each in look.left_out()] == ["bob"]
    (tmp_path / "in" / "a.mp4").symlink_to(smiling)
    with pytest.raises(VideoError, match=r"a.mp4: symlink out of the folder: to "):
        find_videos([tmp_path / "in"])


def test_a_jpeg_of_endless_scans_is_refused_undecoded() -> None:
    data = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    trailer = b"\xff\xda\0\2" * 200  # after the end, as in a phone's moving photo
    assert decode_picture(data + trailer).shape == PICTURE.shape
    last = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(InputError, match="more than 64 scans"):
        decode_picture(data[:-2] + 200 * last + data[-2:])
