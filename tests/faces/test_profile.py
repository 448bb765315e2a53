"""Colours of photos: ICC profiles and a PNG's own chunks become sRGB; a corrupt profile is ignored."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from fabnet.faces.picture import decode_picture
from fabnet.faces.window import decode_jpeg
from fabnet.reading.embed import embed

from .heic import heic

D50 = (0.9642, 1.0, 0.8249)
SRGB_XYZ = [[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]]
"""Map from linear sRGB to XYZ at D50, the profile connection space."""
SPACES = {
    "Display P3": ([[0.5151, 0.2919, 0.1572], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]], 2.2),
    "Adobe RGB": ([[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]], 2.19921875),
    "ProPhoto": ([[0.7977, 0.1352, 0.0313], [0.2880, 0.7119, 0.0001], [0.0, 0.0, 0.8249]], 1.80078125),
}
PATCHES = np.array([[0, 0, 0], [255, 255, 255], [128, 128, 128], [200, 120, 90], [90, 140, 80], [60, 80, 160]])


def icc(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Make a profile of version 2."""
    table, body, place = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", place, len(value))
        body, place = body + padded, place + len(padded)
    head = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02400000, kind, space, pcs) + struct.pack(
        ">6H", 2026, 1, 1, 0, 0, 0
    )
    head += b"acsp" + bytes(28) + struct.pack(">3i", *(round(65536 * value) for value in D50)) + bytes(48)
    content = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(content)) + content[4:]


def about() -> dict[bytes, bytes]:
    return {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in D50)),
    }


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * gamma))


def rgb_profile(name: str) -> bytes:
    to_xyz, gamma = SPACES[name]
    tags = about()
    for colour, column in zip("rgb", np.array(to_xyz).T, strict=True):
        tags[f"{colour}XYZ".encode()] = b"XYZ " + bytes(4) + struct.pack(">3i", *np.rint(65536 * column).astype(int))
        tags[f"{colour}TRC".encode()] = curve(gamma)
    return icc(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    return icc(b"mntr", b"GRAY", b"XYZ ", about() | {b"kTRC": curve(gamma)})


def cmyk_profile() -> bytes:
    """Inks that all darken: L = 100 (1 - c) (1 - m) (1 - y) (1 - k), without a hue."""
    ramp = bytes(range(256))
    grid = b"".join(bytes([255 if ink == 0 else 0, 128, 128]) for ink in range(16))
    matrix = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + grid + ramp * 3
    return icc(b"prtr", b"CMYK", b"Lab ", about() | {b"A2B0": lut})


def linear(srgb: np.ndarray) -> np.ndarray:
    value = srgb / 255
    return np.asarray(np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4))


def numbers_of(name: str) -> np.ndarray:
    """Numbers of a picture in this space that shows `PATCHES`."""
    to_xyz, gamma = SPACES[name]
    light = linear(PATCHES) @ (np.linalg.inv(to_xyz) @ np.array(SRGB_XYZ)).T
    return np.asarray(np.rint(255 * np.clip(light, 0, 1) ** (1 / gamma))).astype(np.uint8)


def tiled(numbers: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(numbers[None], 32, 0), 32, 1)


def saved(picture: np.ndarray, kind: str, profile: bytes | None, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    options: dict[str, object] = (
        {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    )
    options |= {} if profile is None else {"icc_profile": profile}
    Image.fromarray(picture, mode=mode).save(file, kind, **options)
    return file.getvalue()


def middles(image: np.ndarray) -> np.ndarray:
    return image[16, 16::32].astype(int)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_wide_gamuts_become_srgb(name: str, kind: str) -> None:
    data = saved(tiled(numbers_of(name)), kind, rgb_profile(name))
    np.testing.assert_allclose(middles(decode_picture(data)), PATCHES, atol=3 if name == "ProPhoto" else 2)


def test_red_of_display_p3() -> None:
    # By hand: (255, 0, 0) of P3 lies beyond sRGB; (234, 51, 35) of P3 is sRGB's (255, 0, 0).
    data = saved(tiled(np.array([[255, 0, 0], [234, 51, 35]], np.uint8)), "PNG", rgb_profile("Display P3"))
    shown = middles(decode_picture(data))
    assert shown[0].tolist() == [255, 0, 0]
    np.testing.assert_allclose(shown[1], [255, 0, 0], atol=12)


def test_a_grey_ramp_of_prophoto_stays_grey() -> None:
    ramp = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[:, None], 3, axis=1)
    shown = middles(decode_picture(saved(tiled(ramp), "PNG", rgb_profile("ProPhoto"))))
    light = (ramp / 255) ** 1.80078125
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(shown, expected, atol=1.5)


def test_16_bits_and_grey_and_inks() -> None:
    deep = tiled(numbers_of("Adobe RGB")).astype(np.uint16) * 257
    _, made = cv2.imencode(".png", deep[:, :, ::-1])
    content = made.tobytes()
    profile = b"made\0\0" + zlib.compress(rgb_profile("Adobe RGB"))
    np.testing.assert_allclose(middles(decode_picture(with_chunk(content, b"iCCP", profile))), PATCHES, atol=2)
    data = saved(tiled(np.array([[0], [128], [255]], np.uint8))[:, :, 0], "PNG", grey_profile(1.0))
    np.testing.assert_allclose(middles(decode_picture(data)), [[0] * 3, [188] * 3, [255] * 3], atol=1)
    inks = tiled(np.array([[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 128], [128, 0, 0, 0]], np.uint8))
    data = saved(inks, "JPEG", cmyk_profile(), "CMYK")
    shown = middles(decode_picture(data))
    np.testing.assert_allclose(shown, [[255] * 3, [0] * 3, [119] * 3, [119] * 3], atol=3)


def with_chunk(png: bytes, name: bytes, value: bytes) -> bytes:
    """A PNG with one more chunk before its pixels."""
    chunk = struct.pack(">I", len(value)) + name + value + struct.pack(">I", zlib.crc32(name + value))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (b"gAMA", struct.pack(">I", 45_455), 128),
        (b"gAMA", struct.pack(">I", 100_000), 188),
        (b"gAMA", struct.pack(">I", 0), 128),
        (b"gAMA", struct.pack(">I", 55_556), 147),
        (b"sRGB", b"\0", 128),
        (b"cICP", bytes([1, 13, 0, 1]), 128),
        (b"cICP", bytes([12, 13, 0, 1]), 128),
        (b"cICP", bytes([9, 8, 0, 1]), 188),
        (b"cICP", bytes([9, 18, 0, 1]), 138),
        (b"cHRM", struct.pack(">8I", *[0] * 8), 128),
    ],
)
def test_the_chunks_of_a_png(name: bytes, value: bytes, expected: int) -> None:
    data = with_chunk(saved(tiled(np.full((1, 3), 128, np.uint8)), "PNG", None), name, value)
    np.testing.assert_allclose(middles(decode_picture(data)), [[expected] * 3], atol=1)


def test_chromaticities_of_a_png() -> None:
    place = (31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
    light = linear(PATCHES) @ (np.linalg.inv(SPACES["Display P3"][0]) @ np.array(SRGB_XYZ)).T
    numbers = np.rint(255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    data = with_chunk(saved(tiled(numbers), "PNG", None), b"cHRM", struct.pack(">8I", *place))
    data = with_chunk(data, b"gAMA", struct.pack(">I", 45_455))
    np.testing.assert_allclose(middles(decode_picture(data)), PATCHES, atol=4)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
BAD = [b"\0" * 200, rgb_profile("ProPhoto")[:200], SRGB, grey_profile(1.0), cmyk_profile(), b"x"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("profile", BAD, ids=["zeros", "truncated", "sRGB", "of grey", "of inks", "one byte"])
def test_srgb_and_broken_profiles_change_nothing(kind: str, profile: bytes) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    with_profile, plain = saved(picture, kind, profile), saved(picture, kind, None)
    np.testing.assert_array_equal(decode_picture(with_profile), decode_picture(plain))
    expected = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    np.testing.assert_array_equal(decode_picture(plain), expected[:, :, ::-1])


def test_crops_of_a_store_are_converted_at_any_size() -> None:
    data = saved(np.repeat(tiled(numbers_of("Display P3")), 2, axis=0), "JPEG", rgb_profile("Display P3"))
    for min_side, side in ((0.0, 64), (16.0, 16)):
        image = decode_jpeg(data, min_side=min_side)[:, :, ::-1]
        assert image.shape[0] == side
        step = side // 2
        np.testing.assert_allclose(image[side // 2, step // 2 :: step].astype(int), PATCHES, atol=4)


def test_photos_of_phones() -> None:
    numbers, profile, file = tiled(numbers_of("Display P3")), rgb_profile("Display P3"), io.BytesIO()
    Image.fromarray(numbers).save(file, "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile)
    np.testing.assert_allclose(middles(decode_picture(file.getvalue())), PATCHES, atol=4)
    pytest.importorskip("pi_heif")
    plain, shown = (middles(decode_picture(heic(numbers, profile=each))) for each in (b"", profile))
    assert np.abs(plain - PATCHES).max() > 10
    np.testing.assert_allclose(shown, PATCHES, atol=4)


@pytest.mark.parametrize(
    ("primaries", "transfer", "expected"), [(1, 13, 128), (12, 13, 128), (9, 16, 181), (9, 18, 138)]
)
def test_the_colours_that_an_avif_names(primaries: int, transfer: int, expected: int) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 128, np.uint8)).save(file, "AVIF", quality=95)
    data = file.getvalue()
    place = data.index(b"colrnclx") + 8
    data = data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :]
    np.testing.assert_allclose(decode_picture(data)[16, 16], [expected] * 3, atol=1)


def test_a_profile_does_not_change_what_is_embedded(smiling: Path, tmp_path: Path) -> None:
    from fabnet.video.decode import read_frames

    frame = next(read_frames(smiling)).image
    to_xyz, gamma = SPACES["ProPhoto"]
    light = linear(frame.reshape(-1, 3)) @ (np.linalg.inv(to_xyz) @ np.array(SRGB_XYZ)).T
    wide = np.rint(255 * np.clip(light, 0, 1) ** (1 / gamma)).astype(np.uint8).reshape(frame.shape)
    (tmp_path / "plain.png").write_bytes(saved(frame, "PNG", None))
    (tmp_path / "wide.png").write_bytes(saved(wide, "PNG", rgb_profile("ProPhoto")))
    embed([tmp_path / "plain.png", tmp_path / "wide.png"], tmp_path / "out.npy", crop="none")
    plain, other = np.load(tmp_path / "out.npy").astype(np.float64)
    assert plain @ other / np.linalg.norm(plain) / np.linalg.norm(other) > 0.99
