"""Probes: measure what an embedding encodes, by linear maps from frozen features, on the field's benchmarks."""

from __future__ import annotations

from fabnet.probes.probe import ProbeReport, probe

__all__ = ["ProbeReport", "probe"]
