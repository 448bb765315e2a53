"""Converts a picture to sRGB by its ICC profile or the colours in its header.

A profile that is corrupt, or does not fit the picture's colour space, is ignored: the picture is treated as sRGB, as it
is without a profile.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from fabnet.faces.colour import Colours, to_srgb
from fabnet.faces.tiff import is_tiff
from fabnet.files.kinds import PNG

__all__ = ["in_srgb"]

JPEG_HEAD, HEIF_HEAD = 1 << 20, 1 << 16
"""First bytes that are searched for a JPEG's profile, and for the colours of a HEIC or AVIF."""
MAX_PROFILE_BYTES = 1 << 23
SAME = 2
"""Largest change of any number by a profile that counts as sRGB, because makers' sRGB profiles differ in rounding."""
NO_CACHE = 0x40
"""LittleCMS flag for a transform that several threads may use."""
ROWS_AT_ONCE = 256


def in_srgb(data: bytes, image: np.ndarray, profile: bytes | None = None) -> np.ndarray:
    """Convert a decoded picture to sRGB; a picture that is in sRGB is returned unchanged.

    Args:
        data: the picture's file.
        image: (H, W, 3) uint8 BGR, decoded without its profile, possibly at a smaller size.
        profile: ICC profile of a HEIC or AVIF.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    is_png = data.startswith(PNG)
    colours = _png_colours(data) if is_png else None
    if colours is None and profile is None and _may_have_profile(data):
        profile = _profile_of(data)
    if colours is None and profile is None:
        colours = _png_gamma(data) if is_png else _heif_colours(data)
    if colours is not None:
        if is_png and data[24] == 16:
            deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
            image = image if deep is None else np.asarray(deep)
        return np.ascontiguousarray(to_srgb(image[:, :, ::-1], colours)[:, :, ::-1])
    return image if profile is None or len(profile) > MAX_PROFILE_BYTES else _by_profile(data, image, profile)


def _by_profile(data: bytes, image: np.ndarray, profile: bytes) -> np.ndarray:
    space, convert = _transform(profile)
    if convert is None:
        return image
    if space == "CMYK":
        numbers = _cmyk(data)
        return image if numbers is None else _converted(numbers, convert)
    if space == "GRAY":
        is_grey = np.array_equal(image[:, :, 0], image[:, :, 1]) and np.array_equal(image[:, :, 0], image[:, :, 2])
        return _converted(image[:, :, 0], convert) if is_grey else image
    return _converted(image[:, :, ::-1], convert)


def _converted(numbers: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(H, W, 3) BGR, converted in strips because the library copies its input."""
    found = np.empty((*numbers.shape[:2], 3), np.uint8)
    for top in range(0, len(numbers), ROWS_AT_ONCE):
        found[top : top + ROWS_AT_ONCE] = convert(numbers[top : top + ROWS_AT_ONCE])[:, :, ::-1]
    return found


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> tuple[str, Callable[[np.ndarray], np.ndarray] | None]:
    """Colour space of a profile, and its conversion to sRGB; None if it is unusable or would change nothing."""
    from PIL import Image, ImageCms

    modes = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = str(source.profile.xcolor_space).strip()
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags(NO_CACHE)
        made = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), modes[space], "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=flags,
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError, KeyError, ValueError, TypeError):
        return "", None

    def convert(numbers: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(np.ascontiguousarray(numbers), mode=modes[space])
        return np.asarray(ImageCms.applyTransform(picture, made))

    if space == "RGB":
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
        if np.abs(convert(grid).astype(int) - grid).max() <= SAME:
            return space, None
    return space, convert


def _may_have_profile(data: bytes) -> bool:
    """Quick check whether the file may contain a profile, before Pillow reads its header."""
    if data.startswith(b"\xff\xd8"):
        return data.find(b"ICC_PROFILE\0", 0, JPEG_HEAD) >= 0
    if data.startswith(PNG):
        return data.find(b"iCCP", 0, max(data.find(b"IDAT"), 0)) >= 0
    if data[8:16] == b"WEBPVP8X":
        return bool(data[20] & 0x20)
    return is_tiff(data)


def _opened(data: bytes) -> Any:
    """Open with Pillow's format classes, because `Image.open` warns about large pictures within our limit."""
    from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    file = io.BytesIO(data)
    if data.startswith(b"\xff\xd8"):
        return JpegImagePlugin.JpegImageFile(file)
    if data.startswith(PNG):
        return PngImagePlugin.PngImageFile(file)
    return (WebPImagePlugin.WebPImageFile if data[:4] == b"RIFF" else TiffImagePlugin.TiffImageFile)(file)


def _profile_of(data: bytes) -> bytes | None:
    try:
        found = _opened(data).info.get("icc_profile")
    except Exception:  # many types; OpenCV's pixels are then used without a profile
        return None
    return found if isinstance(found, bytes) and found else None


def _cmyk(data: bytes) -> np.ndarray | None:
    """(H, W, 4) inks of a CMYK picture, upright; None if it is not CMYK."""
    from PIL import ImageOps

    try:
        picture = _opened(data)
        if picture.mode != "CMYK":
            return None
        return np.asarray(ImageOps.exif_transpose(picture))
    except Exception:  # as in `_profile_of`
        return None


def _png_chunk(data: bytes, name: bytes, size: int) -> bytes | None:
    """Content of a PNG chunk before the pixels; None if it is absent or does not have `size` bytes."""
    offset = 8
    while offset + 8 <= len(data) and data[offset + 4 : offset + 8] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(data[offset : offset + 4], "big")
        if data[offset + 4 : offset + 8] == name:
            return data[offset + 8 : offset + 8 + size] if length == size <= len(data) - offset - 8 else None
        offset += 12 + length
    return None


def _png_colours(data: bytes) -> Colours | None:
    """Colours from the chunk cICP, which takes precedence over all others."""
    named = _png_chunk(data, b"cICP", 4)
    return None if named is None else Colours.by_number(named[1], named[0])


def _png_gamma(data: bytes) -> Colours | None:
    """Colours from the chunks gAMA and cHRM, unless sRGB or cICP overrides them."""
    if _png_chunk(data, b"sRGB", 1) is not None or _png_chunk(data, b"cICP", 4) is not None:
        return None
    gamma, corners = _png_chunk(data, b"gAMA", 4), _png_chunk(data, b"cHRM", 32)
    if gamma is None:
        return None
    exponent = 100_000 / max(int.from_bytes(gamma, "big"), 1)
    if not 0.1 < exponent < 10:
        return None
    if corners is None:
        return Colours.by_gamma(exponent, None)
    values = (np.frombuffer(corners, ">u4") / 100_000).tolist()
    white, *others = zip(values[::2], values[1::2], strict=True)
    return Colours.by_gamma(exponent, (*others, white))


def _heif_colours(data: bytes) -> Colours | None:
    """Colours from the `colr` box of a HEIC or AVIF."""
    if data[4:8] != b"ftyp":
        return None
    offset = data.find(b"colrnclx", 0, HEIF_HEAD) + 8
    if offset < 8 or offset + 4 > len(data):
        return None
    primaries, transfer = (int.from_bytes(data[at : at + 2], "big") for at in (offset, offset + 2))
    return Colours.by_number(transfer, primaries)
