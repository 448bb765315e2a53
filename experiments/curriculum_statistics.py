"""The effect of the skipped half of a curriculum's batch on batch-norm: statistics with and without it.

A trained network sees training batches whole (`--curriculum-forward once`), and the chosen half of each alone
(`twice`). For every batch-norm layer: how far the mean and the standard deviation of the half lie from those of the
whole batch, in standard deviations; also for a random half, which shows the effect of the batch size alone. Also the
loss of the half's samples in the whole batch and alone.

Run: python experiments/curriculum_statistics.py RUN STORE
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fabnet.faces.window import Window
from fabnet.models.find_model import latest_checkpoint
from fabnet.objectives.batch import Batch
from fabnet.objectives.model_io import load_objective
from fabnet.sampling.loader import TrainingSteps
from fabnet.sampling.pairs import Jitter
from fabnet.store.track_store import open_store
from fabnet.training.curriculum import LossPercentileCurriculum
from fabnet.training.initial import still_statistics
from fabnet.training.train import read_run


class Watch:
    """Records the mean and variance of the input of each batch-norm layer."""

    def __init__(self, network: nn.Module) -> None:
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.register_forward_pre_hook(self._take)

    def _take(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].double()
        self.seen.append((values.mean(dim=(0, 2, 3)), values.var(dim=(0, 2, 3))))

    def of(self, network: nn.Module, batch: Batch) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
        """The losses of a batch, and the statistics recorded on the way."""
        self.seen = []
        losses: torch.Tensor = network(batch)
        return losses, self.seen


def apart(half: list[tuple[torch.Tensor, torch.Tensor]], whole: list[tuple[torch.Tensor, torch.Tensor]]) -> list[float]:
    """Mean over channels and layers: |mean - mean| in standard deviations, and the ratio of deviations minus 1."""
    means, ratios = [], []
    for (mean, variance), (mean_of_whole, variance_of_whole) in zip(half, whole, strict=True):
        scale = variance_of_whole.sqrt().clamp_min(1e-6)
        means.append(float(((mean - mean_of_whole).abs() / scale).mean()))
        ratios.append(float((variance.sqrt() / scale - 1).mean()))
    return [float(np.mean(means)), float(np.mean(ratios))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    config, _ = read_run(options.run)
    objective, card = load_objective(latest_checkpoint(options.run))
    objective.train()
    store = open_store(options.store)
    index = store.index("train", config.sources + 1)
    steps = TrainingSteps(
        store, index.starts, index.lengths, size=config.size, window=Window(*card.window),
        jitter=Jitter((config.jitter_scale_min, config.jitter_scale_max), config.jitter_shift, config.flip),
        batch_size=config.batch_size, num_sources=config.sources, seed=1,
    )  # fmt: skip
    watch, curriculum = Watch(objective), LossPercentileCurriculum(1)
    generator = np.random.default_rng(0)
    print("window | chosen half: means, deviations; loss in the batch, alone | the same of a random half")
    with torch.no_grad(), still_statistics(objective):
        for shifts in range(5):
            curriculum.shifts = shifts
            rows = []
            for step in range(options.steps):
                batch = Batch.from_frames(steps[step], torch.device("cpu"))
                losses, whole = watch.of(objective, batch)
                chosen = curriculum.select(losses)
                alone, half = watch.of(objective, batch.at(chosen))
                drawn = torch.from_numpy(np.sort(generator.permutation(len(losses))[: len(chosen)]))
                alone_by_chance, by_chance = watch.of(objective, batch.at(drawn))
                once, twice = float(losses[chosen].mean()), float(alone.mean())
                drawn_once, drawn_twice = float(losses[drawn].mean()), float(alone_by_chance.mean())
                rows.append([*apart(half, whole), *apart(by_chance, whole), once, twice, drawn_once, drawn_twice])
            mean = np.mean(rows, axis=0)
            low, high = curriculum.window
            print(
                f"{low:.0%} to {high:.0%} | {mean[0]:.3f}, {mean[1]:+.3f}; {mean[4]:.4f}, {mean[5]:.4f} | "
                f"{mean[2]:.3f}, {mean[3]:+.3f}; {mean[6]:.4f}, {mean[7]:.4f}"
            )


if __name__ == "__main__":
    main()
