"""The report: a run as one page, and the paper's tables and figures next to this project's results."""

from __future__ import annotations

from fabnet.reporting.report import ReportResult, report
from fabnet.reporting.table import TableResult, table

__all__ = ["ReportResult", "TableResult", "report", "table"]
