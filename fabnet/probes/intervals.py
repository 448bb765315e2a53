"""Figures with intervals over people, as rows of a result."""

from __future__ import annotations

from typing import Any

import numpy as np

from fabnet.probes.benchmark import Benchmark
from fabnet.probes.evaluate import Scored
from fabnet.probes.metrics import bootstrap_weights, interval

__all__ = ["figure_rows"]


def figure_rows(scored: Scored, benchmark: Benchmark) -> list[dict[str, Any]]:
    """One row per figure, ready for JSON: task, metric, value, low, high, n, people, probe, headline."""
    whose = benchmark.owners[scored.places]
    weights = bootstrap_weights(whose)
    ones = np.ones((1, len(whose)), dtype=np.float32)
    rows = []
    for figure in scored.figures:
        counted = whose[scored.has_label if figure.counts is None else figure.counts]
        num_people = None if benchmark.people is None else len(np.unique(counted))
        low, high = interval(figure.of(weights))
        numbers = {"value": float(figure.of(ones)[0]), "low": low, "high": high}
        rows.append(
            {"task": scored.task, "metric": figure.metric}
            | {name: number if np.isfinite(number) else None for name, number in numbers.items()}
            | {"n": len(counted), "people": num_people, "probe": scored.probe, "headline": figure.is_headline}
        )
    return rows
