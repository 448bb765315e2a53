"""Upkeep of stores and embeddings datasets: checking, compacting, removing people."""

from __future__ import annotations

from fabnet.upkeep.compact import CompactReport, compact
from fabnet.upkeep.remove import RemoveReport, remove
from fabnet.upkeep.verify import Check, VerifyReport, verify

__all__ = ["Check", "CompactReport", "RemoveReport", "VerifyReport", "compact", "remove", "verify"]
