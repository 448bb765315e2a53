"""Numbers of pages and cards that are copied from the results of experiments."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import fabnet

ROOT = Path(fabnet.__file__).parent.parent


def results(name: str) -> dict[str, Any]:
    found = json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_tables_are_those_of_the_results() -> None:
    """`python experiments/pages.py` writes them anew."""
    made = runpy.run_path(str(ROOT / "experiments" / "pages.py"))["pages"]()
    assert len(made) == 6
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, path


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
