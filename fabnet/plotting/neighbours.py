"""What a search found, as a sheet of faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fabnet.plotting.canvas import axes_for, without_ticks
from fabnet.retrieval.search import SearchResult
from fabnet.retrieval.sheet import COLUMNS, labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_neighbours"]

STEP_X, STEP_Y, APART = 1.08, 1.36, 0.16
"""From one face to the next, in sides of a face; and between queries and neighbours."""
FRAME = "#2e6ebe"
SHOWN_LETTERS = 18


def plot_neighbours(result: SearchResult, *, ax: Axes | None = None) -> Axes:
    """Plot a sheet of what a search found: the queries framed on the left, their neighbours by rank in rows of five.

    Under each neighbour stand its rank, the cosine, when it was seen, and who it is. A face that the dataset has no
    thumbnail of is grey.

    Args:
        result: of `search`.
        ax: the axes to draw on; None: those of a new figure.

    Returns:
        The axes.

    Raises:
        StoreError: the dataset is gone, or was written anew.
        InputError: a neighbour is not in the dataset any more.
        MissingDependencyError: Matplotlib is not installed.
    """
    asked, found = result.asked, result.faces()
    num_rows = max(len(asked), -(-len(found) // COLUMNS), 1)
    num_columns = 1 + min(len(found), COLUMNS)
    width, height = num_columns * STEP_X + APART, num_rows * STEP_Y
    ax = axes_for(ax, size_in=(1.25 * width, 1.25 * height))
    for number, (face, name) in enumerate(asked):
        title = f"query {number + 1}" if len(asked) > 1 else "query"
        _tile(ax, 0, number, face, [title, name], frame=FRAME)
    for number, (face, row) in enumerate(found):
        _tile(ax, APART + (1 + number % COLUMNS) * STEP_X, number // COLUMNS, face, [text for text, _ in labels(row)])
    ax.set_xlim(-0.04, width)
    ax.set_ylim(height, -0.04)
    ax.set_aspect("equal")
    ax.set_facecolor("none")
    without_ticks(ax)
    return ax


def _tile(
    ax: Axes, left: float, row: int, face: np.ndarray | None, lines: list[str], *, frame: str | None = None
) -> None:
    from matplotlib.patches import Rectangle

    top = row * STEP_Y
    shown = np.full((1, 1, 3), 128, np.uint8) if face is None else face
    ax.imshow(shown, extent=(left, left + 1, top + 1, top), interpolation="antialiased")
    if frame is not None:
        ax.add_patch(Rectangle((left, top), 1, 1, fill=False, edgecolor=frame, linewidth=2.5))
    for number, text in enumerate(lines):
        short = (
            text if len(text) <= SHOWN_LETTERS else f"{text[: SHOWN_LETTERS // 2]}…{text[-SHOWN_LETTERS // 2 + 1 :]}"
        )
        ax.text(
            left, top + 1.04 + 0.13 * number, short, verticalalignment="top", fontsize=6.5, parse_math=False,
            alpha=0.7 if number else 1,
        )  # fmt: skip
