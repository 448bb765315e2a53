"""The axes that a plot is drawn on, and gaps in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fabnet.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GREY", "axes_for", "breaks", "without_ticks"]

GREY = "#808080"
"""For what is out of range; legible on light and on dark paper."""


def axes_for(ax: Axes | None, *, size_in: tuple[float, float] | None = None) -> Axes:
    """The axes to draw on.

    Args:
        ax: the caller's; None: those of a new figure of pyplot, which a notebook shows.
        size_in: width and height of a new figure in inches; None: Matplotlib's.

    Raises:
        MissingDependencyError: Matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise MissingDependencyError("plots need Matplotlib: pip install 'fabnet[train]'") from None
    made: Axes = pyplot.subplots(figsize=size_in, layout="constrained")[1]
    return made


def without_ticks(ax: Axes) -> None:
    """Remove the ticks and the frame of axes that show a picture."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def breaks(times_s: np.ndarray) -> np.ndarray:
    """Indices before which (N,) rising times have a gap, where curves are broken."""
    gaps = np.diff(times_s)
    return np.asarray(np.flatnonzero(gaps > 3 * np.median(gaps)) + 1) if len(gaps) else np.array([], np.int64)
