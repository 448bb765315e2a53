"""Numbers of pages and cards that are copied from the results of experiments."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import fabnet

ROOT = Path(fabnet.__file__).parent.parent


def results(name: str) -> dict[str, Any]:
    found = json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("model", "name"), [("base", "reader"), ("small", "reader-small")])
def test_a_card_has_the_errors_of_its_face_reader_by_group(model: str, name: str) -> None:
    card = (ROOT / "fabnet" / "weights" / model / "README.md").read_text(encoding="utf-8")
    groups = results(name)["errors by group"]
    assert len(groups) == 9
    for group, errors in groups.items():
        title = group.replace("128 to 4000 px", "128 px and more")
        yaw, pitch = ("{:.2f} [{:.2f}, {:.2f}]".format(*errors[each]) for each in ("yaw_deg", "pitch_deg"))
        assert f"| {title} | {errors['faces']:,} | {yaw} | {pitch} |" in card


def test_the_page_on_reading_says_how_common_units_are_taken_to_be() -> None:
    page = " ".join((ROOT / "docs" / "reading.md").read_text(encoding="utf-8").split())
    shares = {
        int(found[1]): values[-1]
        for key, values in results("reader").items()
        if (found := re.match(r"unit (\d+), training folds: .* as common as$", key))
    }
    assert len(shares) == 11
    rarest, commonest = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    said = [f"AU{unit:02d} {shares[unit]:.0%}".replace("%", " %") for unit in (rarest, commonest)]
    assert f"({', '.join(said)}, the others in between)" in page


@pytest.mark.parametrize(
    ("title", "task"),
    [
        ("68 points, error % of the outer-eye distance", "landmarks68"),
        ("head pose, degrees", "pose"),
        ("5 points (MTFL), error % of the eye distance", "landmarks5"),
        ("pose (MTFL), AUC", "pose5"),
        ("smile (MTFL), AUC", "smile"),
        ("glasses (MTFL), AUC", "glasses"),
        ("six expressions (FER+), AUC", "expression"),
        ("11 action units (CK+), AUC", "units"),
    ],
)
def test_the_page_of_results_has_the_figures_of_base_on_test_people(title: str, task: str) -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "docs" / "results" / "base-test.json").read_text(encoding="utf-8"))
    closed = {row["method"]: row for row in rows if row["task"] == task and row["probe"] in ("ridge", "logistic")}
    low, high = closed["base"]["interval"]
    cells = [title, f"{closed['base']['value']:.1f} [{low:.1f}, {high:.1f}]"]
    for other in ("small", "untrained"):
        row = closed[other]
        less, (low, high) = row["base_minus_this"], row["base_minus_this_interval"]
        cells.append(f"{row['value']:.1f} ({less:+.1f} [{low:+.1f}, {high:+.1f}])")
    assert f"| {' | '.join(cells)} |" in page
