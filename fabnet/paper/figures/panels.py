"""Images on a figure, placed in inches from its upper left corner."""

from __future__ import annotations

from typing import Literal

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes

from fabnet.paper.figures.files import INK, WIDTH_IN

__all__ = ["panel", "say"]


def panel(
    figure: matplotlib.figure.Figure,
    left: float,
    top: float,
    side: float,
    image: np.ndarray,
    *,
    box_px: np.ndarray | None = None,
    frame: str | None = None,
) -> Axes:
    """Show an image in a square.

    Args:
        figure: the figure to draw on.
        left: left edge of the square, in inches from the figure's left edge.
        top: top edge of the square, in inches from the figure's upper edge.
        side: side of the square in inches.
        image: (H, W, 3) uint8 RGB.
        box_px: (4,) x0, y0, x1, y1 of the image's edges, in the coordinates of points drawn over it; None: its own
            pixels.
        frame: colour of a frame around it; None: none.

    Returns:
        Axes with x to the right and y down.
    """
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
    x0, y0, x1, y1 = (0, 0, image.shape[1], image.shape[0]) if box_px is None else box_px.tolist()
    axes.imshow(image, extent=(x0, x1, y1, y0), aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(frame is not None)
        spine.set(edgecolor=frame, linewidth=1.5)
    return axes


def say(
    figure: matplotlib.figure.Figure,
    left: float,
    top: float,
    text: str,
    *,
    size: float = 6.5,
    colour: str = INK,
    align: Literal["left", "center", "right"] = "center",
    rotation: float = 0,
) -> None:
    """Write a line of text whose middle lies `top` inches below the figure's upper edge."""
    figure.text(
        left / WIDTH_IN, 1 - top / figure.get_figheight(), text, fontsize=size, color=colour,
        horizontalalignment=align, verticalalignment="center_baseline" if not rotation else "center", rotation=rotation,
        parse_math=False,
    )  # fmt: skip
