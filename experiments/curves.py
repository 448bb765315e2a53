"""Curves of figures per model: as a table, as JSON, as an image."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["arguments", "draw_curves", "named", "table", "write_rows"]

Rows = Sequence[dict[str, Any]]
TITLES = {
    "landmarks68": "68 points, YouTube Faces", "pose": "head pose, YouTube Faces", "landmarks5": "5 points, MTFL",
    "smile": "smile, MTFL", "expression": "six expressions, FER+",
}  # fmt: skip


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The command line shared by experiments on several models."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", required=True, help="NAME=MODEL, or a model by its own name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--results", type=Path)
    return parser


def named(models: Sequence[str]) -> dict[str, str]:
    """Models by name, from NAME=MODEL or a model's own name."""
    return {name: model or name for name, _, model in (each.partition("=") for each in models)}


def panels(rows: Rows) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Rows by protocol, task and metric, in their order."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["protocol"], row["task"], row["metric"]), []).append(row)
    return found


def table(rows: Rows, along: str) -> str:
    """Markdown tables: one per task, models by the curve's variable."""
    lines = []
    for (protocol, task, metric), own in panels(rows).items():
        places = list(dict.fromkeys(row[along] for row in own))
        lines += [f"\n{protocol}, {task}: {metric}\n", f"| {along} | " + " | ".join(map(str, places)) + " |"]
        lines.append("|---" * (len(places) + 1) + "|")
        for model in dict.fromkeys(row["model"] for row in own):
            cells = {
                row[along]: "{value:.2f} [{low:.2f}, {high:.2f}]".format(**row) for row in own if row["model"] == model
            }
            lines.append(f"| {model} | " + " | ".join(cells.get(place, "-") for place in places) + " |")
    return "\n".join(lines)


def write_rows(rows: Rows, file: Path | None) -> None:
    """Write the rows as JSON, if a file is given."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(rows, indent=1) + "\n")


def draw_curves(rows: Rows, along: str, file: Path | None, *, log: bool = False, columns: int = 3) -> None:
    """Draw a panel per task and a line per model with its 95 % interval as a band, if a file is given.

    Tasks "... under KIND, UNIT" are drawn next to each other, kind by kind, over "KIND, UNIT".
    """
    if file is None:
        return
    from matplotlib.figure import Figure

    found = panels(rows)
    kinds = {panel: panel[1].partition(" under ")[2] for panel in found}
    order = list(dict.fromkeys(kinds.values()))
    found = {panel: found[panel] for panel in sorted(found, key=lambda panel: order.index(kinds[panel]))}
    columns = min(columns, len(found))
    figure = Figure(figsize=(4.2 * columns, 3.4 * -(-len(found) // columns)), layout="constrained")
    axes = figure.subplots(-(-len(found) // columns), columns, squeeze=False).ravel()
    for axis, (panel, own) in zip(axes, found.items(), strict=False):
        _, task, metric = panel
        for model in dict.fromkeys(row["model"] for row in own):
            line = [row for row in own if row["model"] == model]
            places = [row[along] for row in line]
            (drawn,) = axis.plot(places, [row["value"] for row in line], marker="o", markersize=3, label=model)
            axis.fill_between(
                places,
                [row["low"] for row in line],
                [row["high"] for row in line],
                alpha=0.15,
                color=drawn.get_color(),
                lw=0,
            )
        axis.set(xlabel=kinds[panel] or along, ylabel=metric, xscale="log" if log else "linear")
        axis.set_title(TITLES[task.partition(" under ")[0]], fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes[len(found) :]:
        axis.set_axis_off()
    axes[0].legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=80)
