"""Training steps with everything that loading takes, against the plain step, in processor time of one thread.

Steps draw, load and train in turn, in one process, so that the figures hold beside other work; in a run, a worker loads
ahead. The images are decoded before (`--warm-steps`), as after the first minutes of a run.

Run: OMP_NUM_THREADS=1 python benchmarks/end_to_end.py STORE [--size 64 --batch-size 64] [--decoded-gb 0]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from measure import Timing, ratio
from reference import PlainTraining

from fabnet.store.track_store import open_store
from fabnet.training.config import preset
from fabnet.training.trainer import Trainer

OPTIONS = {
    "ssim": 0.85, "recolour": 0.3, "occlude": 0.3, "pair_gap": 0.6, "window_side": 0.5, "jitter_scale_min": 0.92,
    "jitter_scale_max": 1.08, "jitter_shift": 0.086, "flip": True,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--warm-steps", type=int, default=400)
    parser.add_argument("--decoded-gb", type=float, default=4.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    shape = {"size": options.size, "batch_size": options.batch_size, "decoded_gb": options.decoded_gb}
    config = preset("small").with_changes(OPTIONS | shape | {"max_steps": 10**6})
    with tempfile.TemporaryDirectory() as run:
        trainer = Trainer(open_store(options.store), Path(run), config, device=torch.device("cpu"))
        plain = PlainTraining(options.size, options.batch_size)
        with trainer.decoded_once():
            for step in range(options.warm_steps if options.decoded_gb else 1):
                frames = trainer.steps[step]
            work: dict[str, Callable[[], object]] = {
                "plain step": plain.step,
                "step": lambda: trainer.step(frames),
                "step, loading included": lambda: trainer.step(trainer.steps[trainer.state.step]),
            }
            timings = _interleaved(work, options.rounds)
    print("| what | pairs a second of a processor, range over rounds | against the plain step |")
    print("|---|---|---|")
    for name, timing in timings.items():
        print(f"| {name} | {timing.rate(options.batch_size)} | {ratio(timings['plain step'], timing)} |")


def _interleaved(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):  # the first one warms up
        for name, call in work.items():
            began = time.process_time()
            call()
            taken[name] += [time.process_time() - began] * (number > 0)
    return {name: Timing(tuple(seconds)) for name, seconds in taken.items()}


if __name__ == "__main__":
    main()
