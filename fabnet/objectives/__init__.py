"""Objectives: from a batch of frames to a loss per sample. The trainer knows none of them by name."""

from __future__ import annotations

from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet, Reconstruction, l1_per_sample
from fabnet.objectives.model_io import load_objective
from fabnet.objectives.options import ObjectiveOptions
from fabnet.objectives.registry import OBJECTIVES, Objective, build_objective, objective_named

__all__ = [
    "OBJECTIVES",
    "Batch",
    "FabNet",
    "Objective",
    "ObjectiveOptions",
    "Reconstruction",
    "build_objective",
    "l1_per_sample",
    "load_objective",
    "objective_named",
]
