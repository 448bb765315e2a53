"""`fabnet report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import tyro

from fabnet.cli.flags import Flags
from fabnet.paper.figures.architecture import architecture_figure
from fabnet.paper.figures.confidence import confidence_figure
from fabnet.paper.figures.files import FigureResult
from fabnet.paper.figures.landmarks import LandmarksOptions, landmarks_figure
from fabnet.paper.figures.retrieval import RetrievalOptions, retrieval_figure
from fabnet.reporting.report import ReportOptions, ReportResult, report
from fabnet.runtime.terminal import say

__all__ = ["command_for", "show"]


def command_for(args: Sequence[str], values: Mapping[str, Any]) -> Callable[..., Any]:
    """The command: the page, or the figure that the arguments or the file name, which has flags of its own."""
    named = [after for before, after in pairwise(args) if before == "--figure"]
    named += [arg.partition("=")[2] for arg in args if arg.startswith("--figure=")]
    drawn: dict[str, Callable[..., Any]] = {
        "architecture": architecture,
        "landmarks": landmarks,
        "confidence": confidence,
        "retrieval": retrieval,
    }
    return drawn.get(named[-1] if named else str(values.get("figure")), page)


def page(
    run: tyro.conf.Positional[Path],
    options: Flags[ReportOptions],
    figure: Literal["architecture", "landmarks", "confidence", "retrieval"] | None = None,
) -> ReportResult:
    """Show a run as one self-contained page, or as one of the paper's figures.

    The page: sample tracks, the training curve, reconstructions of unseen people with their flow, and, for a video, its
    faces over time. A figure, in place of the page, as SVG, PDF and PNG, with its caption: the architecture with the
    run's true sizes (the paper's 1), landmarks beside the labels (2 and 3), confidences over several sources (4), faces
    and their nearest ones (5).

    Examples:
      fabnet report run
      fabnet report run --video talk.mp4 --out page
      fabnet report run --video talk.mp4 --probe pose.safetensors
      fabnet report run --figure architecture
      fabnet report run --figure landmarks --data youtube_faces
      fabnet report run3 --figure confidence
      fabnet report run --figure retrieval --embeddings faces.lance

    Args:
        run: A run folder; for some figures also a model.
        options: How.
        figure: A figure in place of the page. Each has options of its own: fabnet report --figure NAME --help.
    """
    return report(run, options)


def architecture(
    run: tyro.conf.Positional[Path], figure: Literal["architecture"], out: Path | None = None
) -> FigureResult:
    """Draw the network of a run with the sizes that it truly has: encoder, embeddings, decoders, sampler, loss.

    Examples:
      fabnet report run --figure architecture
      fabnet report small --figure architecture --out figures

    Args:
        run: A run, a shipped name, or a model.
        figure: This one.
        out: Folder to write to; by default report/figures in the run.
    """
    return architecture_figure(str(run), out=out)


def landmarks(
    run: tyro.conf.Positional[Path], figure: Literal["landmarks"], data: Path, options: Flags[LandmarksOptions]
) -> FigureResult:
    """Draw landmarks that a linear probe on frozen features predicts, beside the labels.

    Faces at fixed percentiles of the error, and the worst, which is said; none is chosen by eye.

    Examples:
      fabnet report run --figure landmarks --data youtube_faces
      fabnet report run --figure landmarks --protocol mafl --data mafl --split test

    Args:
        run: A run, a shipped name, or a model.
        figure: This one.
        data: The protocol's folder, laid out as its release unpacks.
        options: How.
    """
    return landmarks_figure(str(run), data, options)


def confidence(run: tyro.conf.Positional[Path], figure: Literal["confidence"], out: Path | None = None) -> FigureResult:
    """Draw which of several sources a run takes each pixel of a target from, for validation people.

    Examples:
      fabnet report run3 --figure confidence

    Args:
        run: A run that was trained with --sources 2 or more.
        figure: This one.
        out: Folder to write to; by default report/figures in the run.
    """
    return confidence_figure(run, out=out)


def retrieval(
    run: tyro.conf.Positional[Path],
    figure: Literal["retrieval"],
    embeddings: Path,
    options: tyro.conf.FlagCreatePairsOff[Flags[RetrievalOptions]],
) -> FigureResult:
    """Draw faces and their nearest ones in an embeddings dataset, by the cosine.

    Queries and gallery are a random sample. The paper's protocol is --split test --same-identity: 10,000 test images,
    each query against all the others, whoever they are of.

    Examples:
      fabnet report run --figure retrieval --embeddings faces.lance
      fabnet report run --figure retrieval --embeddings faces.lance --split test --same-identity
      fabnet report small --figure retrieval --embeddings faces.lance --split all --query talk.mp4/0/125 --out figures

    Args:
        run: A run, or with --split all the model that made the embeddings.
        figure: This one.
        embeddings: A Lance dataset that fabnet embed wrote with this model.
        options: How.
    """
    return retrieval_figure(str(run), embeddings, options)


def show(result: ReportResult | FigureResult) -> None:
    """Print where the page or the figure is."""
    if isinstance(result, ReportResult):
        say(f"open {result.page.resolve()}")
        return
    for line in result.caption.splitlines():
        say(line)
    for file in result.files:
        say(f"wrote {file}")
