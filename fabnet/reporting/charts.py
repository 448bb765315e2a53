"""Charts for a page, as inline SVG in two widths: for a screen and for a phone."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise

import matplotlib
import matplotlib.figure
import matplotlib.style
import matplotlib.ticker
import numpy as np

from fabnet.encoders.readings import Panel
from fabnet.plotting.canvas import GREY, breaks

__all__ = [
    "AXIS_IN",
    "EDGE_IN",
    "NARROW_IN",
    "WIDE_IN",
    "Chart",
    "panels_chart",
    "time_chart",
    "training_chart",
]

BLUE, RED = "#3b82f6", "#ef4444"
COMPONENT_COLOURS = ("#10b981", "#f59e0b", "#a855f7")
MANY_COLOURS = (GREY, "#f59e0b", "#a855f7", BLUE, RED, "#10b981", "#ec4899", "#0ea5e9", "#84cc16", "#78716c")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fabnet",
    "font.size": 10,
    "text.parse_math": False,  # users' names may contain dollar signs
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.titlecolor": GREY,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.labelcolor": GREY,
}
NARROW_IN, WIDE_IN = 4.2, 9.0
AXIS_IN, EDGE_IN = 0.62, 0.12
"""Margins left and right of the axes, in inches; the page aligns images with the axes by them."""


@dataclass(frozen=True)
class Chart:
    """A chart in two widths.

    Attributes:
        wide: inline SVG for a screen.
        narrow: inline SVG for a phone.
    """

    wide: str
    narrow: str


def _chart(draw: Callable[[matplotlib.figure.Figure], None], *, height: float) -> Chart:
    drawn = []
    with matplotlib.style.context(["default", STYLE]):  # ignores a matplotlibrc in the working folder
        for width in (WIDE_IN, NARROW_IN):
            figure = matplotlib.figure.Figure(figsize=(width, height))
            draw(figure)
            figure.subplots_adjust(
                left=AXIS_IN / width, right=1 - EDGE_IN / width, bottom=0.5 / height, top=1 - 0.3 / height
            )
            stream = io.StringIO()
            figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
            text = stream.getvalue()
            drawn.append(text[text.index("<svg") :])
    return Chart(*drawn)


def training_chart(metrics: list[dict[str, float]]) -> Chart:
    """Training and validation loss over the pairs seen, with the curriculum's moves if there was one.

    Args:
        metrics: rows of a run's `metrics.csv`; unmeasured values are absent.
    """
    moves = [
        (after["pairs_seen"], f"{after['curriculum_from']:.0%} to {after['curriculum_to']:.0%}")
        for before, after in pairwise(row for row in metrics if "curriculum_from" in row)
        if after["curriculum_from"] != before["curriculum_from"]
    ]
    is_l1 = any("val_loss_unwarped" in row for row in metrics)
    curves = []
    for name, colour, label in (
        ("train_loss", GREY, "training"),
        ("val_loss", BLUE, "validation"),
        ("val_loss_unwarped", RED, "validation, unwarped source"),
    ):
        points = [(row["pairs_seen"], row[name]) for row in metrics if name in row and np.isfinite(row[name])]
        curves.append((np.array(points, dtype=float).reshape(-1, 2), colour, label))

    def draw(figure: matplotlib.figure.Figure) -> None:
        axes = figure.subplots()
        for points, colour, label in curves:
            if len(points):
                is_dashed = colour == RED and len(points) > 1
                marker = "" if len(points) > 40 or is_dashed else "."
                axes.plot(*points.T, color=colour, label=label, marker=marker, linestyle="--" if is_dashed else "-")
        for pairs, window in moves:
            axes.axvline(pairs, color=GREY, linewidth=0.8, linestyle=":")
            axes.annotate(
                window, (pairs, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=8, color=GREY,
                horizontalalignment="right",
            )  # fmt: skip
        axes.set_xlim(left=0)
        axes.set_xlabel("pairs seen")
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:,.0f}")
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4, integer=True))
        axes.set_title("L1: mean absolute difference to the target" if is_l1 else "the objective's loss")
        axes.grid(visible=True)
        if any(len(points) for points, _, _ in curves):
            axes.legend(loc="upper right")

    return _chart(draw, height=3.4)


def time_chart(
    times_s: np.ndarray, scores: np.ndarray, steps: np.ndarray, components: np.ndarray, shares: np.ndarray
) -> Chart:
    """A face over time: the detector's score, the embedding's steps, and its principal components.

    Args:
        times_s: (N,) rising seconds.
        scores: (N,) in [0, 1].
        steps: (N - 1,) distances from each face to the next.
        components: (N, K) up to three principal components, in order of strength.
        shares: (K,) share of the variance of each.
    """
    at = breaks(times_s)

    def broken(values: np.ndarray) -> np.ndarray:
        return np.insert(values.astype(float), at, np.nan)

    times = broken(times_s)

    def draw(figure: matplotlib.figure.Figure) -> None:
        score_axes, step_axes, component_axes = figure.subplots(
            3, 1, sharex=True, height_ratios=[0.7, 1, 1.8], gridspec_kw={"hspace": 0.55}
        )
        score_axes.plot(times, broken(scores), color=BLUE, linewidth=1.3)
        score_axes.set_ylim(0, 1.08)
        score_axes.set_title("detector score (1: certain)")
        within = np.append(np.nan, steps)
        within[at] = np.nan
        step_axes.plot(times, broken(within), color=RED, linewidth=1.3)
        step_axes.set_ylim(bottom=0)
        step_axes.set_title("step between faces")
        for number, (colour, share) in enumerate(zip(COMPONENT_COLOURS, shares.tolist(), strict=False)):
            label = f"{number + 1}: {share:.0%}"
            component_axes.plot(times, broken(components[:, number]), color=colour, linewidth=1.3, label=label)
        component_axes.set_title("strongest directions and their shares")
        low, high = component_axes.get_ylim()
        component_axes.set_ylim(low, high + 0.25 * (high - low))
        component_axes.legend(loc="upper right", ncols=3, handlelength=1.2)
        component_axes.set_xlabel("time in the video, s")
        for axes in (score_axes, step_axes, component_axes):
            axes.grid(visible=True)
            axes.set_xlim(times_s[0], times_s[-1])

    return _chart(draw, height=5.0)


def panels_chart(times_s: np.ndarray, panels: Sequence[Panel]) -> Chart:
    """Panels over a common time axis, one below the other.

    Args:
        times_s: (N,) rising seconds.
        panels: one or more panels.
    """
    at = breaks(times_s)
    times = np.insert(times_s.astype(float), at, np.nan)

    def draw(figure: matplotlib.figure.Figure) -> None:
        all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"hspace": 0.5})[:, 0]
        for axes, panel in zip(all_axes, panels, strict=True):
            curves = {name: np.insert(values.astype(float), at, np.nan) for name, values in panel.curves.items()}
            if panel.are_shares:
                axes.stackplot(times, *curves.values(), labels=curves, colors=MANY_COLOURS, alpha=0.75)
                axes.set_ylim(0, 1)
            else:
                colours = COMPONENT_COLOURS if len(curves) <= len(COMPONENT_COLOURS) else MANY_COLOURS
                for (name, values), colour in zip(curves.items(), cycle(colours)):
                    axes.plot(times, values, color=colour, linewidth=1.3, label=name)
            if len(curves) > 1:
                low, high = axes.get_ylim()
                axes.set_ylim(low, high + (0.7 if panel.are_shares else 0.35) * (high - low))
                axes.legend(loc="upper right", ncols=4, handlelength=1.0, columnspacing=1.0, fontsize=8)
            axes.set_title(panel.title)
            axes.grid(visible=True)
            axes.set_xlim(times_s[0], times_s[-1])
        all_axes[-1].set_xlabel("time in the video, s")

    return _chart(draw, height=0.8 + 1.5 * len(panels))
