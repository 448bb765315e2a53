"""Speed of the loader alone against what the training step consumes.

Run: python benchmarks/loader.py STORE [--size 64 --batch-size 64] [--num-workers 0 1 2]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from measure import interleaved, ratio
from reference import PlainTraining

from fabnet.sampling.loader import step_loader
from fabnet.store.track_store import open_store
from fabnet.training.config import preset
from fabnet.training.device import choose_device
from fabnet.training.trainer import Trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    config = preset("small").with_changes({"size": options.size, "batch_size": options.batch_size})
    with tempfile.TemporaryDirectory() as run, ExitStack() as loaders:
        trainer = Trainer(open_store(options.store), Path(run), config, device=choose_device(options.device))
        frames = trainer.steps[0]
        plain = PlainTraining(options.size, options.batch_size)
        work: dict[str, Callable[[], object]] = {
            "plain step": lambda: plain.step(frames),
            "step": lambda: trainer.step(frames),
        }
        for count in options.num_workers:
            # Rounds longer than what lies ready when one begins.
            loader = loaders.enter_context(step_loader(trainer.steps, first_step=0, num_workers=count))
            work[f"loader, {count} workers"] = lambda loader=loader: [next(loader) for _ in range(25)]  # type: ignore[misc]
        timings = interleaved(work, rounds=options.rounds)
    print(f"{options.size} px, batch {options.batch_size}, {torch.get_num_threads()} threads")
    print("| what | pairs a second, range over rounds | against the step | against the plain step |")
    print("|---|---|---|---|")
    for name, timing in timings.items():
        steps = 25 if name.startswith("loader") else 1
        against = [ratio(timings[other], timing, per=steps) for other in ("step", "plain step")]
        print(f"| {name} | {timing.rate(options.batch_size * steps)} | {against[0]} | {against[1]} |")


if __name__ == "__main__":
    main()
