"""Scoring where labels are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fabnet.probes.benchmark import Benchmark
from fabnet.probes.evaluate import ProbeName, score_features
from fabnet.probes.intervals import figure_rows
from fabnet.probes.tasks.points import Points, box_side


@pytest.mark.parametrize("probe", ["ridge", "paper"])
def test_a_face_with_a_missing_point_counts_with_its_other_points(probe: ProbeName) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(40, 2)).astype(np.float32)
    points = 50 + generator.normal(size=(1, 5, 2)) * 20 + 5 * features[:, None]
    points[::2, 0] = points[1::2, 1] = np.nan  # no face has all points
    points[-1] = points[-2, 1:] = np.nan  # the error of these two is undefined
    points[-2, 0] = 1
    task = Points(name="points", targets=points.reshape(40, 10), normalisers=(box_side(),))
    people = [f"p{n}" for n in range(40)]
    faces = Benchmark(
        name="x", images=[Path("a")] * 40, names=people, split=np.repeat(["train", "val"], [28, 12]),
        tasks=(task,), people=np.array(people),
    )  # fmt: skip
    (scored,) = score_features(features, faces, np.tile([0.0, 0, 100, 100], (40, 1)), split="val", probe=probe, seeds=1)
    (row,) = figure_rows(scored, faces)
    assert (row["n"], row["people"]) == (10, 10)
    assert row["value"] < (1 if probe == "ridge" else 100)
