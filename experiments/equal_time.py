"""What speed buys: validation loss over time at the plain loop's speed and at fabnet's, on the same frames.

Each arm takes as many steps as it would in the given minutes on an idle machine; the steps per second, loading
included, are arguments. So the arms may run one after the other, stop and resume, on a busy machine. The plain loop's
steps use fabnet's own kernels in float32: the same mathematics, only faster (tests/objectives/test_plain.py checks that
it is the same).

Run: python experiments/equal_time.py STORE --runs RUNS --minutes 20 --steps-per-s plain=1.7 small=5.5 both=4.3
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import fabnet
from fabnet.training.config import preset

ARMS: dict[str, dict[str, Any]] = {"plain": {"precision": "float32"}, "small": {}, "both": {"both_ways": True}}
EVERY = 50
NUM_VAL_PAIRS = 512

Curve = list[tuple[int, float]]


def curve_of(store: Path, run: Path, changes: dict[str, Any]) -> Curve:
    """Steps and validation losses of a run, which is started or resumed first."""
    fabnet.train(store, run, resume=(run / "checkpoints").is_dir(), **changes)
    table = np.genfromtxt(run / "metrics.csv", delimiter=",", names=True)
    known = np.isfinite(table["val_loss"])
    return [(int(step), float(loss)) for step, loss in zip(table["step"][known], table["val_loss"][known], strict=True)]


def rows(curves: dict[str, dict[int, Curve]], rates: dict[str, float]) -> list[str]:
    """The table: pairs seen, final losses, and the time at which the plain loop's mean loss was reached."""
    goal = np.mean([curve[-1][1] for curve in curves.get("plain", {}).values()] or [np.nan])
    lines = ["| arm | pairs | validation loss, by seed | mean | spread | minutes until the plain loop's mean |"]
    lines.append("|---|---|---|---|---|---|")
    for name, of_seed in curves.items():
        last = [curve[-1][1] for curve in of_seed.values()]
        reached = [next((step for step, loss in curve if loss <= goal), np.nan) for curve in of_seed.values()]
        minutes = ", ".join(f"{step / rates[name] / 60:.1f}" for step in reached)
        pairs = preset("small").with_changes(ARMS[name]).pairs_a_step * next(iter(of_seed.values()))[-1][0]
        spread = f"{np.std(last, ddof=1):.4f}" if len(last) > 1 else "-"
        losses = ", ".join(f"{each:.4f}" for each in last)
        lines.append(f"| {name} | {pairs:,} | {losses} | {np.mean(last):.4f} | {spread} | {minutes} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--steps-per-s", nargs="+", required=True, metavar="ARM=RATE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    rates = {name: float(rate) for name, rate in (each.split("=") for each in options.steps_per_s)}
    curves: dict[str, dict[int, Curve]] = {name: {} for name in rates}
    for seed, name in product(options.seeds, rates):
        changes = ARMS[name] | {
            "seed": seed, "max_steps": round(60 * options.minutes * rates[name]), "validate_every": EVERY,
            "num_val_pairs": NUM_VAL_PAIRS, "keep_checkpoints": 1,
        }  # fmt: skip
        curves[name][seed] = curve_of(options.store, options.runs / f"{name}-{seed}", changes)
        (options.runs / "curves.json").write_text(json.dumps(curves))
    print("\n".join(rows(curves, rates)))


if __name__ == "__main__":
    main()
