"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fabnet.errors import InputError
from fabnet.plotting.canvas import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion"]

MAX_CLASSES = 40


def plot_confusion(
    labels: Any, predictions: Any, *, classes: Sequence[Any] | None = None, ax: Axes | None = None
) -> Axes:
    """Plot a confusion matrix: a row per true class, with the share of it that was taken for each class, and counts.

    Args:
        labels: (N,) true classes: a list, an array, or a column of a table.
        predictions: (N,) predicted classes, such as the column expression of `read`. Pairs of which one is None or NaN
            are left out, and counted in the title.
        classes: the classes to show, in order; None: all that occur, sorted.
        ax: the axes to draw on; None: those of a new figure.

    Returns:
        The axes.

    Raises:
        InputError: the two differ in length, are empty, or have more than 40 classes or some that are not in `classes`.
        MissingDependencyError: Matplotlib is not installed.
    """
    true, made = _listed(labels), _listed(predictions)
    if len(true) != len(made):
        raise InputError(f"there are {len(true)} labels and {len(made)} predictions; expected as many")
    pairs = [
        (one, other) for one, other in zip(true, made, strict=True) if not (_is_missing(one) or _is_missing(other))
    ]
    if not pairs:
        raise InputError("there is no pair of a label and a prediction to plot")
    found = {each for pair in pairs for each in pair}
    names = list(classes) if classes is not None else sorted(found, key=lambda each: (str(type(each)), each))
    unknown = sorted(map(str, found - set(names)))
    if unknown:
        raise InputError(f"{unknown[0]!r} is none of the classes {', '.join(map(str, names))}")
    if len(names) > MAX_CLASSES:
        raise InputError(f"there are {len(names)} classes, and a plot shows {MAX_CLASSES}")
    indices = {name: index for index, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for one, other in pairs:
        counts[indices[one], indices[other]] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.6 * len(names)
    ax = axes_for(ax, size_in=(side, side - 0.5))
    drawn = ax.imshow(shares, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        red, green, blue, _ = drawn.cmap(shares[row, column])
        is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
        text = f"{shares[row, column]:.0%}\n{count:,}" if count else ""
        ax.text(
            column, row, text, horizontalalignment="center", verticalalignment="center", fontsize="x-small",
            color="#000000" if is_light else "#ffffff",
        )  # fmt: skip
    texts = [str(name) for name in names]
    ax.set_xticks(range(len(names)), texts, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(range(len(names)), texts, parse_math=False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    left_out = len(true) - len(pairs)
    right = np.trace(counts) / len(pairs)
    ax.set_title(f"{right:.0%} of {len(pairs):,} right" + (f"; {left_out:,} left out" if left_out else ""))
    return ax


def _listed(values: Any) -> list[Any]:
    """Plain values of a list, an array or a column."""
    if hasattr(values, "to_pylist"):
        return list(values.to_pylist())
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # NaN
