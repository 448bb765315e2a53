"""Charts of a page."""

from __future__ import annotations

import numpy as np

from fabnet.encoders.readings import Panel
from fabnet.encoders.saved_probe import SavedProbe
from fabnet.reporting.charts import panels_chart, time_chart, training_chart

METRICS = [
    {"step": 1.0, "pairs_seen": 8.0, "train_loss": 0.3},
    {"step": 2.0, "pairs_seen": 16.0, "train_loss": float("nan"), "val_loss": 0.2, "val_loss_unwarped": 0.25},
]


def test_a_training_chart_is_drawn_for_both_widths_and_names_its_curves() -> None:
    chart = training_chart(METRICS)
    for drawn in (chart.wide, chart.narrow):
        assert drawn.startswith("<svg")
        for label in ("training", "validation", "validation, unwarped source", "pairs seen"):
            assert f">{label}</text>" in drawn
    assert chart.wide != chart.narrow


def test_a_run_without_metrics_still_has_axes() -> None:
    assert "pairs seen" in training_chart([]).wide


def test_the_same_metrics_give_the_same_drawing() -> None:
    assert training_chart(METRICS) == training_chart(METRICS)


def test_a_gap_in_time_breaks_the_lines() -> None:
    """Ten faces, a gap, then ten more: the line has two strokes and does not cross the gap."""

    def strokes(times_s: np.ndarray) -> int:
        chart = time_chart(times_s, np.ones(20), np.ones(19), np.zeros((20, 1)), np.array([1.0]))
        line = chart.wide[: chart.wide.index("stroke: #3b82f6")].rsplit('<path d="', 1)[1]
        return line.count("M ")

    assert strokes(np.arange(20.0)) == 1
    assert strokes(np.append(np.arange(10.0), np.arange(10.0) + 30)) == 2


def test_panels_and_their_curves_are_named() -> None:
    angles = {name: np.linspace(0, 30, 20) for name in ("roll", "pitch", "yaw")}
    shares = {"happy": np.full(20, 0.3), "neutral": np.full(20, 0.7)}
    panels = [Panel("pose, degrees", angles), Panel("expression, probabilities", shares, are_shares=True)]
    chart = panels_chart(np.arange(20.0), panels)
    for drawn in (chart.wide, chart.narrow):
        for label in ("pose, degrees", "yaw", "expression, probabilities", "neutral", "time in the video, s"):
            assert f">{label}</text>" in drawn


def test_dollars_in_names_are_kept() -> None:
    curves = {name: np.arange(5.0) for name in (r"a$\b$", "c")}
    chart = panels_chart(np.arange(5.0), [Panel(r"cost $\foo$", curves)])
    for label in (r"cost $\foo$", r"a$\b$"):
        assert f">{label}</text>" in chart.wide


def test_many_unlikely_classes_are_drawn_as_one() -> None:
    nothing, names = np.zeros(12, np.float32), tuple(f"c{number}" for number in range(12))
    probe = SavedProbe("who", "classes", names, nothing, nothing, np.zeros((4, 12)), nothing, "given", "")
    panel = probe.panel(np.ones((7, 4), np.float32))
    assert panel is not None
    assert list(panel.curves) == ["others"]
    assert panel.curves["others"].tolist() == [1] * 7
    assert "who, probabilities" in panels_chart(np.array([0, 1, 2, 3, 20, 21, 22.0]), [panel]).wide
