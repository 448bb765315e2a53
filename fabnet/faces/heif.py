"""Reads HEIC and AVIF pictures, as phones write them: the size from the header, and the pixels.

Pillow, whose wheels contain libavif, reads AVIF; pi-heif, whose wheels contain only a decoder, reads HEIC.
"""

from __future__ import annotations

import io
from typing import Any, Literal, Protocol

import numpy as np

from fabnet.errors import InputError, first_line
from fabnet.files.kinds import AVIF_BRANDS, HEIC_BRANDS

__all__ = ["heif_kind", "heif_size", "open_heif"]

TURNED = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image),
}
"""Functions that turn a picture upright, per EXIF orientation."""
ORIENTATION = 0x0112


class OpenPicture(Protocol):
    """A picture whose header has been read."""

    width: int
    """Width as shown, in pixels."""
    height: int
    """Height as shown, in pixels."""
    icc_profile: bytes | None
    """ICC profile; None if the picture has none."""

    def rgb(self) -> np.ndarray:
        """Decode the picture to (H, W, 3) uint8 RGB, upright."""


def heif_kind(data: bytes) -> Literal["avif", "heic"] | None:
    """Format of a file by its first bytes; None if it is neither."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    brands = {data[8:12], *(data[offset : offset + 4] for offset in range(16, end - 3, 4))}
    if data[8:12] not in AVIF_BRANDS | HEIC_BRANDS:
        return None
    return "avif" if brands & AVIF_BRANDS else "heic"


def heif_size(data: bytes) -> tuple[int, int]:
    """Width and height of a HEIC or AVIF as shown, in pixels, without decoding it.

    Raises:
        InputError: see `open_heif`.
    """
    opened = open_heif(data)
    return opened.width, opened.height


def open_heif(data: bytes) -> OpenPicture:
    """Read the header of a HEIC or AVIF.

    Args:
        data: the whole file.

    Raises:
        InputError: the file is truncated or corrupt, or the package that reads it is not installed.
    """
    try:
        return _Avif(data) if heif_kind(data) == "avif" else _Heic(data)
    except InputError:
        raise
    except Exception as error:  # many types: ValueError, SyntaxError, RuntimeError, EOFError
        raise InputError(f"the {heif_kind(data) or 'file'} is truncated or corrupt ({first_line(error)})") from None


class _Avif:
    def __init__(self, data: bytes) -> None:
        try:
            from PIL.AvifImagePlugin import AvifImageFile
        except ImportError:
            raise InputError("AVIF needs pip install 'pillow>=11.3'") from None
        self._image: Any = AvifImageFile(io.BytesIO(data))  # Image.open warns about large pictures within our limit
        self._orientation = self._image.getexif().get(ORIENTATION, 1)  # Pillow derives it from `irot` and `imir`
        self.width, self.height = self._image.size[::-1] if self._orientation in (5, 6, 7, 8) else self._image.size
        self.icc_profile: bytes | None = self._image.info.get("icc_profile")

    def rgb(self) -> np.ndarray:
        image = np.asarray(self._image.convert("RGB"))
        return np.ascontiguousarray(TURNED.get(self._orientation, lambda same: same)(image))


class _Heic:
    def __init__(self, data: bytes) -> None:
        try:
            import pi_heif
        except ImportError:
            raise InputError("HEIC needs pip install 'fabnet[heic]'") from None
        self._image: Any = pi_heif.open_heif(data, convert_hdr_to_8bit=True)
        self.width, self.height = self._image.size  # libheif applies `irot`; EXIF's orientation only repeats it
        self.icc_profile: bytes | None = self._image.info.get("icc_profile")

    def rgb(self) -> np.ndarray:
        image = np.asarray(self._image)
        if image.ndim == 2:
            image = image[:, :, None]
        return np.ascontiguousarray(image[:, :, :3] if image.shape[2] >= 3 else image[:, :, :1].repeat(3, axis=2))
