"""Converts a video's pictures to what a player shows: square pixels, upright, HDR and wide colours as sRGB."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Colorspace

from fabnet.errors import VideoError
from fabnet.faces.colour import Colours, to_srgb

__all__ = [
    "PLANAR",
    "Turn",
    "as_shown",
    "has_planes",
    "part_as_shown",
    "pixel_aspect",
    "plane",
    "shown_size",
    "shown_width",
    "stored_span",
    "turn_of",
]

PLANAR = ("yuv420p", "yuvj420p")
STEP_PX = 16
"""FFmpeg converts this many pixels of a row at once; parts begin and end between them, so that they come out alike."""

UNSPECIFIED, BT2020, BT2020_CONSTANT = 2, 9, 10
"""Numbers of colour matrices and primaries in H.273; 10 differs from 9 only in saturated colours."""
MAX_ASPECT = 4
"""Upper bound on a pixel's aspect ratio. Discs and tapes reach 2.9; a larger one is a mistake and is ignored."""


class Turn(NamedTuple):
    """How a stored picture is turned to be shown.

    Attributes:
        is_mirrored: whether it is first mirrored left to right.
        quarter_turns: counter-clockwise quarter turns after that, 0 to 3.
    """

    is_mirrored: bool
    quarter_turns: int


def pixel_aspect(stream: av.VideoStream) -> Fraction:
    """Width over height of a stream's pixels; 1 if the file does not say."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return aspect if Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT else Fraction(1)


def shown_width(width: int, aspect: Fraction) -> int:
    """Width of a picture after stretching to square pixels, before it is turned.

    A width that changes becomes even, as encoders require.
    """
    return width if aspect == 1 else 2 * max(1, round(width * aspect / 2))


def shown_size(picture: av.VideoFrame, aspect: Fraction, turn: Turn) -> tuple[int, int]:
    """Width and height of `as_shown`'s image."""
    width, height = shown_width(picture.width, aspect), picture.height
    return (height, width) if turn.quarter_turns % 2 else (width, height)


def as_shown(picture: av.VideoFrame, aspect: Fraction, turn: Turn) -> np.ndarray:
    """Convert a decoded picture to what a player shows.

    Args:
        picture: the decoded picture.
        aspect: aspect ratio of its pixels, from `pixel_aspect`.
        turn: how it is turned, from `turn_of`.

    Returns:
        (H, W, 3) uint8 sRGB, stretched to square pixels, then mirrored and turned by the file's display matrix.

    Raises:
        VideoError: FFmpeg cannot convert its colours.
    """
    width = shown_width(picture.width, aspect)
    colours = Colours.by_number(picture.color_trc, picture.color_primaries)
    is_unsaid = picture.colorspace == UNSPECIFIED and picture.color_primaries == BT2020
    matrix = Colorspace.BT2020 if is_unsaid or picture.colorspace == BT2020_CONSTANT else None
    pixels = "rgb24" if colours is None else "rgb48le"
    try:
        image = picture.to_ndarray(format=pixels, width=width, threads=1, src_colorspace=matrix)
    except av.FFmpegError:
        kind = f"{picture.format.name}, matrix {int(picture.colorspace)} of H.273"
        raise VideoError(f"its colours ({kind}) cannot be converted: re-encode it in a common format") from None
    if colours is not None:
        image = to_srgb(image, colours)
    if turn.is_mirrored:
        image = image[:, ::-1]
    return np.ascontiguousarray(np.rot90(image, turn.quarter_turns) if turn.quarter_turns else image)


def part_as_shown(
    picture: av.VideoFrame, aspect: Fraction, turn: Turn, box_px: np.ndarray
) -> tuple[int, int, np.ndarray]:
    """Convert a part of a decoded picture, if that gives the same numbers as the whole; otherwise the whole.

    Args:
        picture: the decoded picture.
        aspect: as in `as_shown`.
        turn: as in `as_shown`.
        box_px: (4,) x0, y0, x1, y1 in pixels of the shown picture, which the part covers as far as it has them.

    Returns:
        The part's left and top in the shown picture, and the part, (H, W, 3) uint8 sRGB, at least one pixel.

    Raises:
        VideoError: see `as_shown`.
    """
    if not has_planes(picture, aspect):
        return 0, 0, as_shown(picture, aspect, turn)
    (x0, x1), (y0, y1) = stored_span(box_px.tolist(), turn, picture.width, picture.height)
    left, right = _span(x0, x1, picture.width)
    top, bottom = _span(y0, y1, picture.height)
    part = av.VideoFrame(right - left, bottom - top, picture.format.name)
    for whole, mine, share in zip(picture.planes, part.planes, (1, 2, 2), strict=True):
        rows, columns = slice(top // share, -(-bottom // share)), slice(left // share, -(-right // share))
        np.copyto(plane(mine), plane(whole)[rows, columns])
    part.colorspace, part.color_range = picture.colorspace, picture.color_range
    part.color_trc, part.color_primaries = picture.color_trc, picture.color_primaries
    shown_left, shown_top = _shown((left, right), (top, bottom), turn, picture.width, picture.height)
    return shown_left, shown_top, as_shown(part, aspect, turn)


def has_planes(picture: av.VideoFrame, aspect: Fraction) -> bool:
    """Whether parts of a decoded picture can be converted alone: 8-bit, colours at half the size, square pixels."""
    return (
        picture.format.name in PLANAR and picture.height % 2 == 0 and not picture.interlaced_frame and aspect == 1
        and all(each.line_size > 0 for each in picture.planes)
    )  # fmt: skip


def stored_span(
    box: list[float], turn: Turn, width: int, height: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Columns and rows of a stored picture of this size that are shown in a box."""
    x0, y0, x1, y1 = box
    columns, rows = [
        ((x0, x1), (y0, y1)),
        ((width - y1, width - y0), (x0, x1)),
        ((width - x1, width - x0), (height - y1, height - y0)),
        ((y0, y1), (height - x1, height - x0)),
    ][turn.quarter_turns]
    return ((width - columns[1], width - columns[0]) if turn.is_mirrored else columns), rows


def _shown(columns: tuple[int, int], rows: tuple[int, int], turn: Turn, width: int, height: int) -> tuple[int, int]:
    """Left and top, as shown, of a part of a stored picture of this size."""
    first, last = (width - columns[1], width - columns[0]) if turn.is_mirrored else columns
    return [
        (first, rows[0]), (rows[0], width - last), (width - last, height - rows[1]), (height - rows[1], first)
    ][turn.quarter_turns]  # fmt: skip


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    """First and last pixel of a part of a row or column, between the steps of FFmpeg's conversion."""
    first = min(max(math.floor(low / STEP_PX), 0), (length - 1) // STEP_PX) * STEP_PX
    return first, min(max(math.ceil(high / STEP_PX) * STEP_PX, first + STEP_PX), length)


def plane(of: Any) -> np.ndarray:
    """A plane of a picture, (H, W) uint8, without the padding of its rows; not a copy."""
    return np.frombuffer(memoryview(of), np.uint8).reshape(-1, of.line_size)[: of.height, : of.width]


def turn_of(picture: av.VideoFrame) -> Turn:
    """How a picture is turned, by the display matrix of its file.

    A step to the right maps to the matrix's row (a, b), a step down to (c, d).
    """
    matrix: Any = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Turn(is_mirrored=False, quarter_turns=0)
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(float).tolist()
    is_mirrored = a * d < b * c
    angle = math.atan2(-b, -a) if is_mirrored else math.atan2(b, a)
    return Turn(is_mirrored, round(-angle / (math.pi / 2)) % 4)
