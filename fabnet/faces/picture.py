"""Reads the size of pictures from their headers and decodes them, within limits."""

from __future__ import annotations

import re
import struct

import cv2
import numpy as np

from fabnet.errors import InputError, first_line
from fabnet.faces.heif import heif_kind, heif_size, open_heif
from fabnet.faces.levels import decoded, netpbm_header
from fabnet.faces.profile import in_srgb
from fabnet.faces.tiff import is_tiff, tiff_size
from fabnet.faces.transparency import on_black
from fabnet.files.kinds import PNG
from fabnet.files.limits import MAX_PIXELS

__all__ = [
    "FORMATS",
    "decode_bgr",
    "decode_picture",
    "jpeg_bytes",
    "jpeg_size",
    "picture_size",
    "png_bytes",
    "sound_size",
]

FORMATS = "a JPEG, PNG, WebP, BMP, TIFF, HEIC, AVIF, PPM or PGM"
JPEG = b"\xff\xd8"
BMP_HEADER_BYTES = 40
MAX_TRAILER_BYTES = 2**16
"""Bytes that phones may put behind the end of a JPEG."""
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_BARE = frozenset(range(0xD0, 0xD9)) | {0x01}
JPEG_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""A marker outside scan data, where 0xFF only stands before 0x00 and 0xD0 to 0xD7."""
JPEG_SCAN, JPEG_END = 0xDA, 0xD9
MAX_SCANS = 64
"""Upper bound on a JPEG's scans, each as slow as a whole picture; progressive JPEGs have about ten."""


def sound_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header, of a picture that is small enough to decode.

    Raises:
        InputError: the data is not a picture of a known format, or has more than `MAX_PIXELS`.
    """
    width, height = picture_size(data)
    if width * height > MAX_PIXELS:
        raise InputError(f"the picture has {width:,} x {height:,} pixels; the limit is {MAX_PIXELS:,} in all")
    return width, height


def decode_bgr(data: bytes, flag: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Decode a picture, unless it has too many pixels.

    Args:
        data: a picture in one of `FORMATS`.
        flag: OpenCV's `imread` flag.

    Returns:
        (H, W, 3) uint8 BGR in sRGB; transparent parts of a PNG or WebP are black.

    Raises:
        InputError: the format is not one of `FORMATS`, the data is truncated or corrupt, or the picture has more than
            `MAX_PIXELS`.
    """
    sound_size(data)
    if data.startswith(PNG):
        _check_chunks(data)
    if data.startswith(JPEG):
        _check_scans(data)
    if heif_kind(data) is not None:
        return _decode_heif(data)
    image = decoded(data, flag)
    if image is None:
        raise InputError(_why_not(data))
    if image.shape[0] * image.shape[1] > MAX_PIXELS:  # the header was wrong
        raise InputError(f"the picture has {image.shape[1]:,} x {image.shape[0]:,} pixels; the limit is {MAX_PIXELS:,}")
    return on_black(data, in_srgb(data, image))


def _why_not(data: bytes) -> str:
    """Why OpenCV cannot decode a picture whose header is right."""
    if data.startswith(JPEG):
        lacks_end = bytes([0xFF, JPEG_END]) not in data[-MAX_TRAILER_BYTES:]
        return f"the JPEG is {'truncated: its end is missing' if lacks_end else 'corrupt'} ({len(data):,} bytes)"
    if is_tiff(data):
        return "the TIFF is truncated, corrupt or of a rare kind (32 bits per channel?): save it with 8 or 16 bits"
    kind = "PNG" if data.startswith(PNG) else "WebP" if data[:4] == b"RIFF" else "BMP" if data[:2] == b"BM" else "image"
    return f"the {kind} is truncated, corrupt or of a rare kind ({len(data):,} bytes)"


def _decode_heif(data: bytes) -> np.ndarray:
    try:
        opened = open_heif(data)
        image = opened.rgb()
    except InputError:
        raise
    except Exception as error:  # many types, as in `open_heif`
        raise InputError(f"the {heif_kind(data)} is truncated or corrupt ({first_line(error)})") from None
    if image.shape[0] * image.shape[1] > MAX_PIXELS:  # the header was wrong
        raise InputError(f"the picture has {image.shape[1]:,} x {image.shape[0]:,} pixels; the limit is {MAX_PIXELS:,}")
    return in_srgb(data, np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)), opened.icc_profile)


def _check_chunks(data: bytes) -> None:
    """Check that a PNG's chunks lie within the file: OpenCV allocates a chunk's stated length before reading it."""
    place, kind = len(PNG), b""
    while kind != b"IEND" and place + 8 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += 12 + length
    if place > len(data):
        raise InputError(f"the PNG is truncated or corrupt: it has {len(data):,} bytes, its chunks need {place:,}")


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG with too many scans: even a small file would take minutes to decode."""
    if data.count(bytes([0xFF, JPEG_SCAN])) <= MAX_SCANS:  # far faster than the loop below
        return
    place = count = 0
    while (found := JPEG_MARKER.search(data, place)) is not None and (marker := found[1][0]) != JPEG_END:
        place = found.end()
        if marker not in JPEG_BARE:
            place += int.from_bytes(data[place : place + 2], "big")
        count += marker == JPEG_SCAN
        if count > MAX_SCANS:
            raise InputError(f"the JPEG has more than {MAX_SCANS} scans, which is the limit: save it again")


def decode_picture(data: bytes) -> np.ndarray:
    """Decode a picture to (H, W, 3) uint8 RGB, as `decode_bgr` does to BGR."""
    return np.asarray(cv2.cvtColor(decode_bgr(data), cv2.COLOR_BGR2RGB))


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height of a picture in pixels, from its header, without decoding it.

    Args:
        data: a picture in one of `FORMATS`; its first bytes are enough, except for TIFF, HEIC and AVIF.

    Raises:
        InputError: the format is not one of `FORMATS`, or the data is truncated or corrupt.
    """
    size = None
    if data.startswith(PNG) and data[12:16] == b"IHDR" and len(data) >= 24:
        size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    elif data.startswith(JPEG):
        size = jpeg_size(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        size = _webp_size(data)
    elif data[:2] == b"BM" and len(data) >= 26 and int.from_bytes(data[14:18], "little") >= BMP_HEADER_BYTES:
        width, height = struct.unpack_from("<ii", data, 18)
        size = abs(width), abs(height)
    elif is_tiff(data):
        size = tiff_size(data)
    elif heif_kind(data) is not None:
        size = heif_size(data)
    elif (header := netpbm_header(data)) is not None:
        size = header[:2]
    if size is None or min(size) <= 0:
        kind = "is empty" if not data else "is not a picture that can be read"
        raise InputError(f"the file {kind}; expected {FORMATS}")
    return size


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG in pixels, from its header alone; None if it gives none.

    Args:
        data: the file's bytes, or the first of them.
    """
    if data[:2] != JPEG:
        return None
    place = 2
    while place + 9 <= len(data):
        marker = data[place + 1]
        if data[place] != 0xFF:  # decoders skip bytes between segments too
            place += 1
        elif marker in JPEG_FRAMES:
            return int.from_bytes(data[place + 7 : place + 9], "big"), int.from_bytes(
                data[place + 5 : place + 7], "big"
            )
        elif marker == 0xFF:  # padding
            place += 1
        elif marker in JPEG_BARE:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def jpeg_bytes(image: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) uint8 RGB as a JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data.tobytes()


def png_bytes(image: np.ndarray) -> bytes:
    """(H, W, 3) uint8 RGB as a PNG."""
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert done
    return data.tobytes()
