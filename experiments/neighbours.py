"""Retrieval across people and identity leakage of FAb-Net, its baselines and the floors, over seeds.

Run: python experiments/neighbours.py --runs RUNS --data DATA [--split test] --results docs/results/neighbours.json
RUNS holds the runs of experiments/baselines.py; DATA holds youtube_faces and ferplus.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from baselines import FLOORS, FOLDERS, METHODS, model_of

import fabnet

COLUMNS = {
    "pose, degrees": ("retrieval", "pose", "degrees, top 10"),
    "pose, way": ("retrieval", "pose", "degrees, % of the way from chance to best, top 10"),
    "shape, way": ("retrieval", "landmarks68", "shape distance, %, % of the way from chance to best, top 10"),
    "same person in the top 10": ("retrieval", "identity", "same person, another clip, %, top 10"),
    "verification AUC": ("retrieval", "identity", "verification AUC, %"),
    "linear identity": ("retrieval", "identity", "linear probe, accuracy, %"),
}
"""Columns of the table: protocol, task and metric of each."""


def figures(model: str, split: str, data: Path, cache: Path | None) -> list[dict[str, Any]]:
    """All figures of a model from the protocols; for dlib, at 0.1 s per face, only those with named people."""
    found = []
    for protocol in ("retrieval",) if model == "dlib-identity" else ("retrieval", "retrieval:ferplus"):
        folder = data / FOLDERS[protocol.partition(":")[2] or "youtube-faces"]
        report = fabnet.probe(model, protocol, folder, split=split, seeds=1, cache=cache)
        found += [row | {"protocol": protocol} for row in report.rows]
    return found


def over_seeds(by_seed: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The mean of each figure over the seeds; its interval is the mean of their intervals, over people only."""
    rows = []
    for same in zip(*by_seed, strict=True):
        (name,) = {(row["protocol"], row["task"], row["metric"]) for row in same}
        values = [row["value"] for row in same]
        row = dict(zip(("protocol", "task", "metric"), name, strict=True)) | {"people": same[0]["people"]}
        row |= {"n": same[0]["n"], "value": float(np.mean(values)), "by_seed": values}
        row["interval"] = [float(np.mean([each[end] for each in same])) for end in ("low", "high")]
        rows.append(row)
    return rows


def cell(row: dict[str, Any]) -> str:
    spread = f" +- {np.std(row['by_seed'], ddof=1):.1f}" if len(row["by_seed"]) > 1 else ""
    return "{:.1f}{} [{:.1f}, {:.1f}]".format(row["value"], spread, *row["interval"])


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table as Markdown, and the figures of chance and of the best possible ranking."""
    cells = {(row["method"], row["protocol"], row["task"], row["metric"]): row for row in rows}
    print("| method | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for method in dict.fromkeys(row["method"] for row in rows):
        print(f"| {method} | " + " | ".join(cell(cells[method, *place]) for place in COLUMNS.values()) + " |")
    ends = ("chance", "best possible top 10")
    for row in rows:
        if row["method"] == rows[0]["method"] and row["metric"].endswith(ends):
            print(f"{row['protocol']}, {row['task']}, {row['metric']}: {cell(row)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=[*METHODS, *(name for name in FLOORS if name != "mean")])
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--results", type=Path, help="JSON file for all rows")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for method in options.methods:
        models = [model_of(method, seed, options.runs) for seed in options.seeds]
        by_seed = [figures(each, options.split, options.data, options.cache) for each in models if each is not None]
        rows += [{"method": method, "split": options.split} | row for row in over_seeds(by_seed)]
    show(rows)
    if options.results is not None:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
