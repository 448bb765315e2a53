"""Upkeep of stores and embeddings datasets: checking, compacting."""

from __future__ import annotations

from fabnet.upkeep.compact import CompactReport, compact
from fabnet.upkeep.verify import Check, VerifyReport, verify


__all__ = ["Check", "CompactReport", "VerifyReport", "compact", "verify"]
