"""The kind of a file: a picture, a video or something else, by its first bytes, else by its suffix."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = [
    "AVIF_BRANDS",
    "HEIC_BRANDS",
    "IMAGE_SUFFIXES",
    "MOTION_JPEG",
    "PNG",
    "VIDEO_SUFFIXES",
    "Kind",
    "kind_by_content",
    "kind_by_suffix",
    "read_head",
]

Kind = Literal["image", "video"]

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".heic", ".heif", ".hif",
    ".avif", ".ppm", ".pgm", ".pnm",
)  # fmt: skip
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".divx", ".mpg", ".mpeg", ".m1v", ".m2v", ".vob", ".ts",
    ".mts", ".m2ts", ".m2t", ".mxf", ".flv", ".f4v", ".wmv", ".asf", ".3gp", ".3g2", ".ogv", ".ogm", ".rm", ".rmvb",
    ".dv", ".gif", ".mjpg", ".mjpeg", ".y4m", ".ivf", ".h264", ".264", ".avc", ".hevc", ".h265", ".265",
)  # fmt: skip
RAW_SUFFIXES = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".pef", ".srw", ".nrw", ".raw")
"""Raw photos of cameras: they begin like TIFF or MP4, but their first picture is a thumbnail."""
MOTION_JPEG = (".mjpg", ".mjpeg")
"""Videos that begin like a JPEG."""
SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"})
HEAD_BYTES = 1024
PNG = b"\x89PNG\r\n\x1a\n"
"""First bytes of every PNG."""
STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "image"),
    (PNG, "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"II+\0", "image"),
    (b"MM\0+", "image"),
    (b"GIF87a", "video"),
    (b"GIF89a", "video"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"FLV\x01", "video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video"),
    (b".RMF\0\0\0", "video"),
    (b"\x00\x00\x01\xba", "video"),
    (b"\x00\x00\x01\xb3", "video"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "video"),
    (b"YUV4MPEG2 ", "video"),
    (b"DKIF\0\0", "video"),
)
BOXES = (b"moov", b"mdat", b"wide", b"skip", b"pnot")
"""First boxes of old QuickTime files."""


def kind_by_suffix(name: str | Path) -> Kind | None:
    """The kind that a file's suffix names, in upper or lower case; None: an unknown suffix."""
    suffix = Path(name).suffix.lower()
    return "image" if suffix in IMAGE_SUFFIXES else "video" if suffix in VIDEO_SUFFIXES else None


def kind_by_content(name: str | Path, head: bytes) -> Kind | None:
    """The kind that a file's first bytes show; None: another kind, or ambiguous.

    Args:
        name: name of the file, whose suffix distinguishes raw photos from TIFF files.
        head: first bytes, from `read_head`.
    """
    if Path(name).suffix.lower() in RAW_SUFFIXES:
        return None
    for start, kind in STARTS:
        if head.startswith(start):
            return "video" if Path(name).suffix.lower() in MOTION_JPEG else kind
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return None if brand in SOUND_BRANDS else "image" if brand in AVIF_BRANDS | HEIC_BRANDS else "video"
    if head[4:8] in BOXES and head[:3] in (b"\0\0\0", b"\0\0\1"):
        return "video"
    if head[:4] == b"RIFF":
        return "image" if head[8:12] == b"WEBP" else "video" if head[8:12] in (b"AVI ", b"CDXA") else None
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and head[14:18] in (b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"):
        return "image"
    if head[:2] in (b"P5", b"P6") and head[2:3].isspace():
        return "image"
    for first, step in ((0, 188), (4, 192)):  # MPEG transport streams; cameras put a time stamp before each packet
        if len(head) > first + 3 * step and all(head[first + step * packet] == 0x47 for packet in range(4)):
            return "video"
    if head[:4] == b"OggS":
        return "video" if any(codec in head for codec in (b"theora", b"OVP80", b"BBCD")) else None
    return None


def read_head(path: Path) -> bytes:
    """The first bytes of a regular file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
