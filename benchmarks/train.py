"""Speed of training steps on frames in memory, without the loader, against the plain step.

Run: python benchmarks/train.py STORE [--size 256 --batch-size 8]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import interleaved, ratio
from reference import PlainTraining, matrix_ceiling
from torch.utils.flop_counter import FlopCounterMode

from fabnet.store.track_store import open_store
from fabnet.training.config import preset
from fabnet.training.device import choose_device
from fabnet.training.trainer import Trainer

VARIANTS: dict[str, dict[str, Any]] = {
    "one source": {},
    "one source, float32": {"precision": "float32"},
    "both ways": {"both_ways": True},
    "3 sources": {"sources": 3},
    "curriculum": {"curriculum": True},
    "curriculum, a second forward": {"curriculum": True, "curriculum_forward": "twice"},
}


def executed_gflop(step: Callable[[], object]) -> float:
    """The floating-point operations of the matrix products and convolutions that a step really executes."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops()) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="any track store; only its splits are looked at")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    store, device = open_store(options.store), choose_device(options.device)
    plain = PlainTraining(options.size, options.batch_size)
    work: dict[str, Callable[[], object]] = {"plain": plain.step}
    warps: dict[str, int] = {"plain": options.batch_size}
    generator = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as run:
        for name in options.variants:
            shape = {"size": options.size, "batch_size": options.batch_size, "near_zero_start": False}
            config = preset("small").with_changes(shape | VARIANTS[name])
            trainer = Trainer(store, Path(run), config, device=device)
            frames = (options.batch_size, config.sources + 1, options.size, options.size, 3)
            images = torch.randint(0, 256, frames, dtype=torch.uint8, generator=generator)
            work[name] = lambda trainer=trainer, images=images: trainer.step(images)  # type: ignore[misc]
            warps[name] = config.pairs_a_step * (2 if config.to_json().get("both_ways") else 1)
        timings = interleaved(work, rounds=options.rounds)
        ceilings = {torch.float32: matrix_ceiling() / 1e9, torch.bfloat16: matrix_ceiling(torch.bfloat16) / 1e9}
        print("| step | losses a second, range over rounds | against the plain one | GFLOP a loss | of the ceiling |")
        print("|---|---|---|---|---|")
        for name, timing in timings.items():
            is_plain = name == "plain" or VARIANTS[name].get("precision") == "float32"
            gflop = executed_gflop(work[name])
            share = gflop / timing.median / ceilings[torch.float32 if is_plain else torch.bfloat16]
            gain = ratio(timings["plain"], timing, per=warps[name] / warps["plain"])
            print(f"| {name} | {timing.rate(warps[name])} | {gain} | {gflop / warps[name]:.2f} | {share:.2f} |")


if __name__ == "__main__":
    main()
