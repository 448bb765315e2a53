"""The report: a run as one page to look at; and the paper's tables beside what was run here."""

from __future__ import annotations

from fabnet.reporting.report import ReportResult, report
from fabnet.reporting.table import TableResult, table

__all__ = ["ReportResult", "TableResult", "report", "table"]
