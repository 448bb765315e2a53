"""What speed buys: validation loss over time, of the plain loop and of fabnet's, on the same frames in the same order.

Each arm takes as many steps as it would in the minutes given on a machine that does nothing else; the steps a second
come from benchmarks/train.py and are told here. So arms may run one after the other, be stopped and gone on with, on a
machine that does other things too.

Run: python experiments/equal_time.py STORE --runs RUNS --minutes 20 --steps-per-s plain=1.6 small=5.6 both=4.3
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from reference import PlainTraining

import fabnet
from fabnet.objectives import build_objective
from fabnet.progress import progress
from fabnet.sampling.loader import step_loader
from fabnet.tracks import open_store
from fabnet.training.config import TrainConfig, preset
from fabnet.training.initial import architecture_of
from fabnet.training.trainer import Trainer
from fabnet.training.validate import validate

ARMS: dict[str, dict[str, Any]] = {"plain": {}, "small": {}, "both": {"both_ways": True}}
EVERY = 100
NUM_VAL_PAIRS = 512


def plain_curve(store: Path, run: Path, config: TrainConfig, steps: int) -> list[tuple[int, float]]:
    """Steps and validation losses of the plain loop: the frames of `config`'s sampler, a constant learning rate."""
    run.mkdir(parents=True, exist_ok=True)
    sampler = Trainer(open_store(store), run, config, device=torch.device("cpu"))
    torch.manual_seed(config.seed)
    training = PlainTraining(config.size, config.batch_size, learning_rate=config.learning_rate)
    judge = build_objective("fabnet", **architecture_of(config))
    parts: dict[str, Any] = {"encoder": training.encoder, "decoder": training.decoder, "optimizer": training.optimizer}
    curve: list[tuple[int, float]] = []
    kept = run / "plain.pt"
    if kept.is_file():
        content = torch.load(kept, weights_only=True)
        curve = content.pop("curve")
        for name, state in content.items():
            parts[name].load_state_dict(state)
    first = curve[-1][0] if curve else 0
    frames = step_loader(sampler.steps, first_step=first, num_workers=1)
    with progress(f"plain, seed {config.seed}", total=steps, unit="steps") as bar:
        for step in range(first + 1, steps + 1):
            training.step(next(frames))
            bar.update(completed=step)
            if step % EVERY == 0 or step == steps:
                weights = {f"encoder.layers.{name}": value for name, value in training.encoder.state_dict().items()}
                flow = training.decoder.state_dict()
                weights |= {f"flow_decoder.layers.{name}": value for name, value in flow.items()}
                judge.load_state_dict(weights)
                found = validate(
                    judge, sampler.val_pairs, sampler.store,
                    window=sampler.window, size=config.size, device=torch.device("cpu"), dtype=torch.float32,
                )  # fmt: skip
                curve.append((step, found.loss))
                torch.save({name: part.state_dict() for name, part in parts.items()} | {"curve": curve}, kept)
    return curve


def our_curve(store: Path, run: Path, changes: dict[str, Any]) -> list[tuple[int, float]]:
    """Steps and validation losses of a run of fabnet's."""
    fabnet.train(store, run, resume=(run / "checkpoints").is_dir(), **changes)
    table = np.genfromtxt(run / "metrics.csv", delimiter=",", names=True)
    known = np.isfinite(table["val_loss"])
    return [(int(step), float(loss)) for step, loss in zip(table["step"][known], table["val_loss"][known], strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--steps-per-s", nargs="+", required=True, metavar="ARM=RATE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    rates = {name: float(rate) for name, rate in (each.split("=") for each in options.steps_per_s)}
    curves: dict[str, dict[int, list[tuple[int, float]]]] = {name: {} for name in rates}
    for seed, name in product(options.seeds, rates):
        run = options.runs / f"{name}-{seed}"
        steps = round(60 * options.minutes * rates[name])
        changes = ARMS[name] | {
            "seed": seed, "max_steps": steps, "validate_every": EVERY, "num_val_pairs": NUM_VAL_PAIRS,
            "keep_checkpoints": 1,
        }  # fmt: skip
        if name == "plain":
            curves[name][seed] = plain_curve(options.store, run, preset("small").with_changes(changes), steps)
        else:
            curves[name][seed] = our_curve(options.store, run, changes)
        (options.runs / "curves.json").write_text(json.dumps(curves))
    print(
        "| arm | pairs | validation loss, by seed | mean | minutes until the plain loop's mean |\n|---|---|---|---|---|"
    )
    goal = np.mean([curve[-1][1] for curve in curves.get("plain", {}).values()] or [np.nan])
    for name, of_seed in curves.items():
        last = [curve[-1][1] for curve in of_seed.values()]
        reached = [next((step for step, loss in curve if loss <= goal), np.nan) for curve in of_seed.values()]
        minutes = ", ".join(f"{step / rates[name] / 60:.1f}" for step in reached)
        pairs = preset("small").with_changes(ARMS[name]).pairs_a_step * of_seed[options.seeds[0]][-1][0]
        print(f"| {name} | {pairs:,} | {', '.join(f'{x:.4f}' for x in last)} | {np.mean(last):.4f} | {minutes} |")


if __name__ == "__main__":
    main()
