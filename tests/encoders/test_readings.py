"""What the predictions of each kind of task show over time."""

from __future__ import annotations

import numpy as np

from fabnet.encoders.readings import MAX_UNITS, READINGS, softmax


def test_each_kind_shows_its_own_curves() -> None:
    made = np.array([[0.05, 0.9, 0.05], [0.02, 0.5, 0.48]])
    columns = ("a", "b", "c")
    panels = {kind: reading.panel("task", columns, made) for kind, reading in READINGS.items()}
    titles = {kind: None if panel is None else panel.title for kind, panel in panels.items()}
    assert titles == {
        "points": None, "angles": "task, degrees", "classes": "task, probabilities", "units": "task, probability",
        "values": "task, a, b, c",
    }  # fmt: skip
    for kind in ("angles", "units", "values"):
        panel = panels[kind]
        assert panel is not None
        assert not panel.are_shares
        np.testing.assert_array_equal(np.array(list(panel.curves.values())).T, made)


def test_unlikely_classes_are_shown_as_one() -> None:
    panel = READINGS["classes"].panel("mood", ("a", "b", "c"), np.array([[0.05, 0.9, 0.05], [0.02, 0.5, 0.48]]))
    assert panel is not None
    assert panel.are_shares
    assert list(panel.curves) == ["b", "c", "others"]
    np.testing.assert_allclose(panel.curves["others"], [0.05, 0.02])


def test_many_units_are_not_shown() -> None:
    many = tuple(f"AU{number}" for number in range(MAX_UNITS + 1))
    assert READINGS["units"].panel("units", many, np.zeros((2, len(many)))) is None


def test_softmax_gives_probabilities_for_logits_of_any_size_and_for_no_face() -> None:
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0]])
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [1.0, 0.0]], atol=1e-12)
    assert softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)
