"""The paper's three steps, each to its own end: single source; with the curriculum; then three sources from that one.

Each arm ends as `paper` does, on a plateau of the validation loss, but with the preset `small`, which gets there on a
CPU. The third arm starts from the second one's best checkpoint: the flow decoder is frozen, and the window of losses
goes on from where it was. A fourth arm is a single source for as many pairs *learned from* as the second and third arm
together: its rate stays at the peak until the plateaus of the first arm, moved to the end of its time, would drop it.
The curriculum learns from half of the pairs that it sees.

A run that was stopped goes on where it was; one that is done is not repeated. What each arm saw, learned from and
reached is printed as it ends. Score the runs by `second_table.py single-0=RUNS/single-0 ...`.

Run: python experiments/three_steps.py STORE --runs RUNS --seeds 0 1 2 [--size 32 --width 16]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import fabnet
from fabnet.training.run_log import read_metrics
from fabnet.training.train import read_run

ARMS = ("single", "curriculum", "three", "long")
BATCH = 64
LEARNED_SHARE = 0.5
"""Share of the pairs that are learned from with the curriculum."""
PLATEAU: dict[str, Any] = {
    "schedule": "plateau",
    "plateau_patience": 6,
    "plateau_drops": 1,
    "curriculum_patience": 2,
    "min_gain": 1e-3,
    "max_steps": None,
    "validate_every": 250,
    "num_val_pairs": 1024,
    "keep_checkpoints": 1,
    "batch_size": BATCH,
}


class Course(NamedTuple):
    """What a run did."""

    steps: int
    """Steps to its end."""
    first_drop: int
    """Steps before the rate dropped."""
    learned: float
    """Pairs learned from."""
    best: float
    """Lowest validation loss."""


def course(run: Path) -> Course:
    """What a run did, from its metrics."""
    (config, _), rows = read_run(run), read_metrics(run)
    share = LEARNED_SHARE if config.curriculum else 1.0
    rates = {int(row["step"]): row["learning_rate"] for row in rows if "learning_rate" in row}
    steps, peak = max(rates), max(rates.values())
    return Course(
        steps,
        max(step for step, rate in rates.items() if rate > peak / 2),
        steps * config.pairs_a_step * share,
        min(row["val_loss"] for row in rows if "val_loss" in row),
    )


def train(arm: str, store: Path, runs: Path, changes: dict[str, Any]) -> None:
    """Train an arm to its end; arms before it are done."""
    common, seed = PLATEAU | changes, changes["seed"]
    first, second, third = (runs / f"{name}-{seed}" for name in ARMS[:3])
    if arm == "single":
        trained(store, first, common)
    elif arm == "curriculum":
        trained(store, second, common | {"curriculum": True})
    elif arm == "three":
        trained(store, third, common | {"curriculum": True, "sources": 3, "init": str(second)})
    else:
        done = course(first)
        steps = round((course(second).learned + course(third).learned) / BATCH)
        at_peak = max(steps - (done.steps - done.first_drop), done.first_drop)
        start = runs / f"long-start-{seed}"
        trained(store, start, common | {"plateau_patience": 10**6, "max_steps": at_peak})
        tail = {"init": str(start), "warmup_steps": 0, "learning_rate": 1e-4, "plateau_drops": 0}
        trained(store, runs / f"long-{seed}", common | tail)


def trained(store: Path, run: Path, changes: dict[str, Any]) -> None:
    """Train a run to its end, unless it is done."""
    if (run / "done").is_file():
        return
    fabnet.train(store, run, resume=(run / "checkpoints").is_dir(), **changes)
    (run / "done").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    options = parser.parse_args()
    for seed in options.seeds:
        for arm in options.arms:
            changes = {"seed": seed, "size": options.size, "width": options.width}
            train(arm, options.store, options.runs, changes)
            found = course(options.runs / f"{arm}-{seed}")
            print(f"{arm}, seed {seed}: {found.steps:,} steps, {found.learned:,.0f} pairs learned from", end=", ")
            print(f"first drop of the rate after {found.first_drop:,}, best L1 {found.best:.4f}", flush=True)


if __name__ == "__main__":
    main()
