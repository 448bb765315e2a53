"""The paper's figures from this project's runs, one command each: SVG, PDF and PNG, with a caption."""

from __future__ import annotations

from fabnet.reporting.figures.architecture import architecture_figure
from fabnet.reporting.figures.confidence import confidence_figure
from fabnet.reporting.figures.files import FigureResult
from fabnet.reporting.figures.landmarks import landmarks_figure
from fabnet.reporting.figures.retrieval import retrieval_figure

__all__ = ["FigureResult", "architecture_figure", "confidence_figure", "landmarks_figure", "retrieval_figure"]
