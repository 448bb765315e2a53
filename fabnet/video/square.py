"""Cuts small squares out of decoded pictures: shrinks brightness and colours first, and converts few pixels to RGB."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np

from fabnet.faces.colour import Colours
from fabnet.faces.crop import shrunk_square
from fabnet.video.display import Turn, as_shown, stored_span

__all__ = ["square_as_shown"]

PROBE_PX = 64
"""Side of the picture of random colours from which a conversion is found."""


def square_as_shown(
    picture: av.VideoFrame, planes: list[np.ndarray], turn: Turn, square: tuple[int, int, int], size: int
) -> np.ndarray | None:  # fmt: skip
    """Cut a square on whole pixels out of a decoded picture and shrink it.

    The numbers are those of `shrunk_square` on the converted picture, but for rounding and half a pixel in the colours.

    Args:
        picture: the decoded picture.
        planes: its brightness and its two colour differences, of a picture that `has_planes`.
        turn: as in `as_shown`.
        square: left, top and side in pixels of the shown picture; it may extend beyond it.
        size: side of the result in pixels, at most half of the square's.

    Returns:
        (size, size, 3) uint8 sRGB; None: the picture's colours are not plain ones.
    """
    if Colours.by_number(picture.color_trc, picture.color_primaries) is not None:
        return None
    left, top, side = square
    columns, rows = stored_span([left, top, left + side, top + side], turn, picture.width, picture.height)
    left, top = int(columns[0]), int(rows[0])
    brightness = shrunk_square(planes[0], left, top, side, size)
    half = left // 2, top // 2, (side + 1) // 2
    colours = [shrunk_square(each, *half, size, smoothly=False) for each in planes[1:]]
    matrix = _conversion(picture.format.name, int(picture.colorspace), int(picture.color_range))
    image = cv2.transform(cv2.merge([brightness, *colours]), matrix)
    if turn.is_mirrored:
        image = image[:, ::-1]
    return np.rot90(image, turn.quarter_turns) if turn.quarter_turns else np.asarray(image)


@cache
def _conversion(pixels: str, matrix: int, levels: int) -> np.ndarray:
    """(3, 4) from brightness, colour differences and 1 to RGB, as FFmpeg converts them, its rounding included.

    It is fitted to colours that FFmpeg converts, so that it need not be known which matrix it takes for which number.
    """
    probe = av.VideoFrame(2 * PROBE_PX, 2 * PROBE_PX, pixels)
    probe.colorspace, probe.color_range = matrix, levels
    values = np.random.default_rng(0).integers(0, 256, (3, PROBE_PX, PROBE_PX), np.uint8)
    for each, plane in zip(values, probe.planes, strict=True):
        wide = np.zeros((plane.height, plane.line_size), np.uint8)
        share = plane.height // PROBE_PX
        wide[:, : plane.width] = np.kron(each, np.ones((share, share), np.uint8))
        plane.update(wide.tobytes())
    rgb = as_shown(probe, Fraction(1), Turn(is_mirrored=False, quarter_turns=0))[::2, ::2].reshape(-1, 3)
    yuv = np.concatenate([values.reshape(3, -1).T, np.ones((PROBE_PX**2, 1))], axis=1).astype(np.float64)
    is_whole = (rgb > 0) & (rgb < 255)  # others are cut off
    rows = [
        np.linalg.lstsq(yuv[mask], rgb[mask, i].astype(np.float64), rcond=None)[0] for i, mask in enumerate(is_whole.T)
    ]
    return np.stack(rows)
