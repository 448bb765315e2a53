"""Probes: what an embedding knows, by linear regression from frozen features."""

from __future__ import annotations

from fabnet.probes.landmarks import LandmarkScore, probe_landmarks

__all__ = ["LandmarkScore", "probe_landmarks"]
