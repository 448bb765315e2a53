"""The inner window: from a loose stored crop to the network's input.

A stored crop is loose, like VoxCeleb's; the network sees a window of it, which moves in training and is fixed in
testing. Convention: positions are fractions of the crop's side, from (0, 0) at its upper left corner to (1, 1) at its
lower right corner.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from fabnet.faces.picture import decode_bgr, jpeg_size

__all__ = ["Window", "decode_jpeg", "shrink_of", "view"]

REDUCED = {
    1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8,
}  # fmt: skip


class Window(NamedTuple):
    """The square part of a stored crop that the network sees, in fractions of the crop's side."""

    centre_x: float = 0.5
    """Horizontal centre of the window; 0.5 is the crop's centre."""
    centre_y: float = 0.5
    """Vertical centre of the window; 0.5 is the crop's centre."""
    side: float = 190 / 256
    """Side of the window; 190 / 256 in the authors' code."""

    def inside(self, boxes_px: np.ndarray) -> np.ndarray:
        """Boxes of the windows in the images that the crops were cut from.

        Args:
            boxes_px: (N, 4) x0, y0, x1, y1 of the crops.

        Returns:
            (N, 4) float64 x0, y0, x1, y1 of the windows.
        """
        sides = boxes_px[:, 2:].astype(np.float64) - boxes_px[:, :2]
        first = boxes_px[:, :2] + sides * (np.array([self.centre_x, self.centre_y]) - self.side / 2)
        return np.concatenate([first, first + sides * self.side], axis=1)

    def moved(self, shift_x: float, shift_y: float, scale: float) -> Window:
        """The window shifted by fractions of its side, then scaled about its centre."""
        return Window(self.centre_x + shift_x * self.side, self.centre_y + shift_y * self.side, self.side * scale)


def decode_jpeg(data: bytes, *, min_side: float = 0.0) -> np.ndarray:
    """Decode an image at the smallest JPEG scale (1, 1/2, 1/4 or 1/8) that is large enough.

    Args:
        data: a JPEG (or any other format that `decode_picture` reads).
        min_side: minimum of the decoded image's shorter side in pixels. Formats other than JPEG are decoded at full
            size.

    Returns:
        (H, W, 3) uint8 BGR, because converting only the view that is used to RGB is cheaper.

    Raises:
        InputError: the data is not an image, or the image has more than `MAX_PIXELS`.
    """
    side = min(jpeg_size(data) or (0, 0)) if min_side else 0
    return decode_bgr(data, REDUCED[shrink_of(side, min_side)])


def shrink_of(side: int, min_side: float) -> int:
    """By how much `decode_jpeg` shrinks a JPEG whose shorter side this is: 1, 2, 4 or 8."""
    return next((shrink for shrink in (8, 4, 2) if side and side / shrink >= min_side), 1)


def view(image: np.ndarray, window: Window, size: int, *, flip: bool = False) -> np.ndarray:
    """Cut a window out of a crop and resize it to the network's input.

    Shrinking by more than two averages whole pixels, to avoid aliasing; outside the crop its border is repeated.

    Args:
        image: (H, W, 3) uint8 square crop, RGB or BGR.
        window: the window to cut.
        size: side of the result in pixels.
        flip: whether to mirror the result.

    Returns:
        (size, size, 3) uint8, colours in the same order.
    """
    height, width = image.shape[:2]
    times = max(1, int(np.ceil(window.side * min(height, width) / size / 2 - 1e-6)))
    inner = size * times
    step_x, step_y = window.side * width / inner, window.side * height / inner
    # Pixel centres lie at half-integers; warpAffine counts them from 0.
    left = (window.centre_x - window.side / 2) * width + 0.5 * step_x - 0.5
    top = (window.centre_y - window.side / 2) * height + 0.5 * step_y - 0.5
    matrix = np.array([[step_x, 0, left], [0, step_y, top]], dtype=np.float64)
    if flip:
        matrix[0] = [-step_x, 0, left + step_x * (inner - 1)]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, matrix, (inner, inner), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if times > 1:
        cut = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cut)
