"""The report: a run as one page to look at."""

from __future__ import annotations

from fabnet.reporting.report import ReportResult, report

__all__ = ["ReportResult", "report"]
