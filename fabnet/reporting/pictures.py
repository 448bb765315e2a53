"""Pictures for a page: crops, strips and flow colours as data URIs, curves as inline SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import cv2
import matplotlib.figure
import numpy as np

__all__ = ["beside", "data_uri", "flow_colours", "flow_legend", "svg"]


def data_uri(image: np.ndarray, *, quality: int = 88) -> str:
    """An (H, W, 3) uint8 RGB image as the data URI of a JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def flow_colours(flow: np.ndarray, *, largest: float) -> np.ndarray:
    """A flow as colours: the hue is the direction, the saturation the length.

    Args:
        flow: (2, H, W) float offsets, x then y.
        largest: the length shown in full colour; longer ones look the same.

    Returns:
        (H, W, 3) uint8 RGB; white is no flow.
    """
    length, angle = np.hypot(flow[0], flow[1]), np.arctan2(flow[1], flow[0])
    hsv = np.empty((*length.shape, 3), dtype=np.uint8)
    hsv[..., 0] = ((angle + np.pi) / (2 * np.pi) * 179).astype(np.uint8)
    hsv[..., 1] = (255 * np.minimum(length / max(largest, 1e-9), 1)).astype(np.uint8)
    hsv[..., 2] = 255
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def flow_legend(size: int = 96) -> np.ndarray:
    """The colour wheel of `flow_colours`: (size, size, 3) uint8 RGB; a pixel's place is the flow it stands for."""
    axis = np.linspace(-1, 1, size)
    x, y = np.meshgrid(axis, axis)
    wheel = flow_colours(np.stack([x, y]), largest=1.0)
    wheel[np.hypot(x, y) > 1] = 255
    return wheel


def beside(images: Sequence[np.ndarray], *, side: int, gap: int = 4) -> np.ndarray:
    """Square images side by side with white gaps: (side, n * (side + gap) - gap, 3) uint8 RGB."""
    row = np.full((side, len(images) * (side + gap) - gap, 3), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        shrinks = image.shape[0] > side
        resized = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        row[:, number * (side + gap) : number * (side + gap) + side] = resized
    return row


def svg(figure: matplotlib.figure.Figure) -> str:
    """A figure as inline SVG, on no background and with text in the page's colour."""
    for axes in figure.axes:
        axes.set_facecolor("none")
        axes.tick_params(colors="#777777")
        for spine in axes.spines.values():
            spine.set_color("#999999")
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            text.set_color("#777777")
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    drawing = stream.getvalue()
    return drawing[drawing.index("<svg") :]
