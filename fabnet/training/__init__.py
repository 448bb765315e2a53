"""Training: the loop, its schedule, its checkpoints and its presets."""

from __future__ import annotations

from fabnet.training.config import PRESETS, TrainConfig, preset
from fabnet.training.train import TrainResult, read_run, store_of, train

__all__ = ["PRESETS", "TrainConfig", "TrainResult", "preset", "read_run", "store_of", "train"]
