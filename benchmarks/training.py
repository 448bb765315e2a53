"""Speed of training steps on frames in memory, without the loader: single source, several, curriculum.

Run: python benchmarks/training.py STORE [--size 64] [--batch-size 64] [--device auto]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reference import reference_s

from fabnet.tracks import open_store
from fabnet.training import preset
from fabnet.training.device import choose_device
from fabnet.training.trainer import Trainer

VARIANTS: dict[str, dict[str, Any]] = {
    "single source": {},
    "3 sources": {"sources": 3},
    "curriculum, one forward": {"curriculum": True},
    "curriculum, a second forward of the chosen": {"curriculum": True, "curriculum_forward": "twice"},
}


def seconds_a_step(trainer: Trainer, *, steps: int) -> float:
    config = trainer.config
    shape = (config.batch_size, config.sources + 1, config.size, config.size, 3)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    for _ in range(3):
        trainer.step(frames)
    began = time.perf_counter()
    for _ in range(steps):
        trainer.step(frames)
    return (time.perf_counter() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="any track store; only its splits are looked at")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    store, device, unit = open_store(options.store), choose_device(options.device), reference_s()
    for name, changes in VARIANTS.items():
        config = preset("small").with_changes({"size": options.size, "batch_size": options.batch_size} | changes)
        trainer = Trainer(store, Path(), config, device=device)
        taken = seconds_a_step(trainer, steps=options.steps)
        targets = options.batch_size / taken
        pairs = targets * config.sources
        print(f"{name}: {targets:.0f} targets/s, {pairs:.0f} pairs/s, a step takes {taken / unit:.2f} x the reference")


if __name__ == "__main__":
    main()
