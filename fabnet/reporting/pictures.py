"""Images for a page: crops, flow colours, flow arrows and shares, side by side or as data URIs."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fabnet.faces.picture import jpeg_bytes
from fabnet.runtime import notebook

__all__ = ["data_uri", "flow_arrows", "flow_colours", "flow_legend", "share_map", "side_by_side", "square", "to_image"]


def data_uri(image: np.ndarray, *, quality: int = 88) -> str:
    """An (H, W, 3) uint8 RGB image as the data URI of a JPEG."""
    return notebook.data_uri(jpeg_bytes(image, quality), "jpeg")


def square(image: np.ndarray, side: int) -> np.ndarray:
    """Resize a square (H, H, 3) uint8 image to (side, side, 3) uint8, antialiased when it shrinks."""
    shrinks = image.shape[0] > side
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def to_image(pixels: np.ndarray) -> np.ndarray:
    """(3, H, W) float RGB in [0, 1], a network's input or output, to (H, W, 3) uint8; values beyond are clipped."""
    return np.ascontiguousarray((pixels.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))


def flow_colours(flow: np.ndarray, *, largest: float) -> np.ndarray:
    """A flow as colours: hue is direction, saturation is length.

    Args:
        flow: (2, H, W) float offsets, x then y, in any unit.
        largest: length in full colour, in the same unit; longer ones look the same.

    Returns:
        (H, W, 3) uint8 RGB; white is zero flow.
    """
    length, angle = np.hypot(flow[0], flow[1]), np.arctan2(flow[1], flow[0])
    hsv = np.empty((*length.shape, 3), dtype=np.uint8)
    hsv[..., 0] = ((angle + np.pi) / (2 * np.pi) * 179).astype(np.uint8)
    hsv[..., 1] = (255 * np.minimum(length / max(largest, 1e-9), 1)).astype(np.uint8)
    hsv[..., 2] = 255
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def flow_legend(size: int = 96) -> np.ndarray:
    """The colour wheel of `flow_colours`: (size, size, 3) uint8 RGB; a pixel's offset from the centre is its flow."""
    axis = np.linspace(-1, 1, size)
    x, y = np.meshgrid(axis, axis)
    wheel = flow_colours(np.stack([x, y]), largest=1.0)
    wheel[np.hypot(x, y) > 1] = 255
    return wheel


def flow_arrows(image: np.ndarray, flow: np.ndarray, *, side: int, num_arrows: int = 9) -> np.ndarray:
    """Draw on a source where its parts move: each arrow starts at a point of the source and ends where it lands.

    Args:
        image: (H, H, 3) uint8 RGB, the source.
        flow: (2, H, H) float offsets from target to source in half-widths, x then y.
        side: side of the result in pixels.
        num_arrows: arrows per row and per column.

    Returns:
        (side, side, 3) uint8 RGB, the source dimmed under the arrows.
    """
    canvas = (square(image, 2 * side) * 0.55).astype(np.uint8)
    half = (2 * side - 1) / 2
    indices = ((np.arange(num_arrows) + 0.5) / num_arrows * flow.shape[1]).astype(int)
    for y in indices.tolist():
        for x in indices.tolist():
            end = np.array([x, y]) / (flow.shape[1] - 1) * 2 - 1
            begin = np.clip(end + flow[:, y, x], -1, 1)
            start, stop = (tuple(np.rint((point + 1) * half).astype(int).tolist()) for point in (begin, end))
            if np.hypot(start[0] - stop[0], start[1] - stop[1]) < 3:
                cv2.circle(canvas, stop, 2, (255, 235, 120), -1, cv2.LINE_AA)
            else:
                cv2.arrowedLine(canvas, start, stop, (255, 235, 120), 2, cv2.LINE_AA, tipLength=0.35)
    return square(canvas, side)


def share_map(share: np.ndarray) -> np.ndarray:
    """A source's share of each pixel as brightness.

    Args:
        share: (H, W) float in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB: black is 0, white is 1.
    """
    return np.repeat((255 * share.clip(0, 1)).round().astype(np.uint8)[:, :, None], 3, axis=2)


def side_by_side(images: Sequence[np.ndarray], *, gap: int = 4) -> np.ndarray:
    """Images of equal height in a row, with white gaps.

    Args:
        images: (H, W, 3) uint8 RGB each.
        gap: width of the gaps in pixels.

    Returns:
        (H, total width, 3) uint8 RGB.
    """
    between = np.full((images[0].shape[0], gap, 3), 255, dtype=np.uint8)
    row = [part for image in images for part in (between, image)]
    return np.concatenate(row[1:], axis=1)
