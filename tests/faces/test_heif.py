from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import fabnet
from fabnet.errors import InputError
from fabnet.faces.picture import decode_picture, picture_size
from fabnet.files.kinds import kind_by_content
from fabnet.video.decode import read_frames

from .heic import heic


@pytest.fixture(scope="module")
def frame(smiling: Path) -> np.ndarray:
    """A real face, 144 x 192."""
    return next(read_frames(smiling)).image


def near(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(float) - other).mean()) < 4


def avif(image: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="AVIF", quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_heic_is_upright_and_eight_bit(frame: np.ndarray, pix_fmt: str, turns: int) -> None:
    pytest.importorskip("pi_heif")
    data = heic(frame, quarter_turns=turns, pix_fmt=pix_fmt)
    upright = np.rot90(frame, turns)
    assert kind_by_content("x", data) == "image"
    assert picture_size(data) == upright.shape[1::-1]
    image = decode_picture(data)
    assert image.dtype == np.uint8
    assert near(image, upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_upright(frame: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = avif(frame, exif=exif.tobytes())
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="JPEG", quality=95, exif=exif.tobytes())  # OpenCV turns these
    upright = decode_picture(file.getvalue())
    assert kind_by_content("x", data) == "image"
    assert picture_size(data) == upright.shape[1::-1]
    assert near(decode_picture(data), upright)


def test_grey_and_transparent_pictures_become_rgb(frame: np.ndarray) -> None:
    opaque = np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
    assert near(decode_picture(avif(opaque)), frame)
    assert decode_picture(avif(frame[:, :, 0])).shape == frame.shape


def test_limits_come_before_decoding(frame: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pi_heif")
    monkeypatch.setattr("fabnet.faces.picture.MAX_PIXELS", 192 * 192 - 1)
    for data in (heic(frame), avif(frame), heic(frame, says=(16, 16))):
        with pytest.raises(InputError, match=r"192 x 192 pixels; the limit is|is truncated or corrupt"):
            decode_picture(data)


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_a_truncated_file_is_refused(frame: np.ndarray, kind: str) -> None:
    pytest.importorskip("pi_heif")
    data = heic(frame) if kind == "heic" else avif(frame)
    for size in (20, 200, len(data) // 2):
        with pytest.raises(InputError, match=f"the {kind} is truncated or corrupt"):
            decode_picture(data[:size])
    seed = np.random.default_rng(0)
    for _ in range(50):
        broken = bytearray(data)
        for place in seed.integers(12, len(data), 8):
            broken[place] = seed.integers(256)
        with contextlib.suppress(InputError):
            decode_picture(bytes(broken))


def test_a_missing_extra_is_named(frame: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.heic").write_bytes(heic(frame))
    cv2.imwrite(str(tmp_path / "photo.jpg"), frame)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    result = fabnet.embed([tmp_path], tmp_path / "o.lance", model="pixels", crop="none")
    assert result.embedded == 1
    assert [name for name, _ in result.failed] == ["photo.heic"]
    assert "HEIC needs pip install 'fabnet[heic]'" in result.failed[0][1]


@pytest.mark.parametrize("suffix", ["ppm", "pgm"])
def test_portable_pixmaps_are_read(frame: np.ndarray, suffix: str) -> None:
    pixels = frame if suffix == "ppm" else frame[:, :, 0]
    data = cv2.imencode(f".{suffix}", pixels)[1].tobytes()
    assert picture_size(data) == (192, 192)
    assert decode_picture(data).shape == frame.shape
    assert picture_size(data.replace(b"\n", b"\n# a comment\n", 1)) == (192, 192)


def test_phone_photos_work_in_every_verb(frame: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    inner = tmp_path / "in" / "Ann" / "v"
    inner.mkdir(parents=True)
    for name, data in (("1.HEIC", heic(frame)), ("2.avif", avif(frame)), ("3.hif", heic(frame))):
        (inner / name).write_bytes(data)
    report = fabnet.import_folder(
        tmp_path / "in", tmp_path / "s.lance", layout="identity/video", crop="detect", num_workers=0
    )
    assert (report.frames_with_face, report.dropped) == (3, ())
    assert fabnet.embed([inner], tmp_path / "e.lance", model="pixels").embedded == 3
    assert fabnet.search(tmp_path / "e.lance", [inner / "1.HEIC"], k=1).neighbours
