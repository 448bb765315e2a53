"""`fabnet report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import tyro

from fabnet.paper.figures.architecture import architecture_figure
from fabnet.paper.figures.confidence import confidence_figure
from fabnet.paper.figures.files import FigureResult
from fabnet.paper.figures.landmarks import landmarks_figure
from fabnet.paper.figures.retrieval import retrieval_figure
from fabnet.reporting.report import ReportResult, report
from fabnet.runtime.terminal import say

__all__ = ["command_for", "show"]


def command_for(args: Sequence[str]) -> Callable[..., Any]:
    """The command: the page, or the figure that the arguments name, which has flags of its own."""
    named = [after for before, after in pairwise(args) if before == "--figure"]
    named += [arg.partition("=")[2] for arg in args if arg.startswith("--figure=")]
    drawn: dict[str, Callable[..., Any]] = {
        "architecture": architecture,
        "landmarks": landmarks,
        "confidence": confidence,
        "retrieval": retrieval,
    }
    return drawn.get(named[-1] if named else "", page)


def page(
    run: tyro.conf.Positional[Path],
    out: Path | None = None,
    video: Path | None = None,
    probe: tuple[Path, ...] = (),
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
        run: a run folder; for some figures also a model.
        out: folder to write index.html to; report in the run if left out.
        video: a video to follow over time.
        probe: files that fabnet probe --save wrote for this run; what they predict of the video is drawn over time.
        figure: see above; each has flags of its own: fabnet report --figure NAME --help.
    """
    return report(run, out=out, video=video, probes=probe)


def architecture(
    run: tyro.conf.Positional[Path], figure: Literal["architecture"], out: Path | None = None
) -> FigureResult:
    """Draw the network of a run with the sizes that it truly has: encoder, embeddings, decoders, sampler, loss.

    Examples:
      fabnet report run --figure architecture
      fabnet report small --figure architecture --out figures

    Args:
        run: a run, a shipped name, or a model.
        figure: this one.
        out: folder to write to; report/figures in the run if left out.
    """
    return architecture_figure(str(run), out=out)


def landmarks(
    run: tyro.conf.Positional[Path],
    figure: Literal["landmarks"],
    data: Path,
    protocol: str = "youtube-faces",
    split: Literal["val", "test"] = "val",
    probe: Literal["paper", "ridge"] = "paper",
    cache: Path | None = None,
    num_workers: int | None = None,
    device: str = "auto",
    out: Path | None = None,
) -> FigureResult:
    """Draw landmarks that a linear probe on frozen features predicts, beside the labels.

    Faces at fixed percentiles of the error, and the worst, which is said; none is chosen by eye.

    Examples:
      fabnet report run --figure landmarks --data youtube_faces
      fabnet report run --figure landmarks --protocol mafl --data mafl --split test

    Args:
        run: a run, a shipped name, or a model.
        figure: this one.
        data: the protocol's folder, laid out as its release unpacks.
        protocol: one that labels points (see fabnet probe --help).
        split: whose faces are scored and shown.
        probe: paper: batch-norm and a linear layer by Adam; ridge: closed form.
        cache: folder for boxes and features; by default the user's cache folder.
        num_workers: processes that detect faces; by default one a core.
        device: auto, cpu, cuda or cuda:N.
        out: folder to write to; report/figures in the run if left out.
    """
    return landmarks_figure(
        str(run), data, protocol=protocol, split=split, probe=probe, cache=cache, num_workers=num_workers,
        device=device, out=out,
    )  # fmt: skip


def confidence(run: tyro.conf.Positional[Path], figure: Literal["confidence"], out: Path | None = None) -> FigureResult:
    """Draw which of several sources a run takes each pixel of a target from, for validation people.

    Examples:
      fabnet report run3 --figure confidence

    Args:
        run: a run that was trained with --sources 2 or more.
        figure: this one.
        out: folder to write to; report/figures in the run if left out.
    """
    return confidence_figure(run, out=out)


def retrieval(
    run: tyro.conf.Positional[Path],
    figure: Literal["retrieval"],
    embeddings: Path,
    split: Literal["train", "val", "test", "all"] = "val",
    sample: int = 10_000,
    same_identity: tyro.conf.FlagCreatePairsOff[bool] = False,
    query: tuple[str, ...] = (),
    seed: int = 0,
    out: Path | None = None,
) -> FigureResult:
    """Draw faces and their nearest ones in an embeddings dataset, by the cosine.

    Queries and gallery are a random sample. The paper's protocol is --split test --same-identity: 10,000 test images,
    each query against all the others, whoever they are of.

    Examples:
      fabnet report run --figure retrieval --embeddings faces.lance
      fabnet report run --figure retrieval --embeddings faces.lance --split test --same-identity
      fabnet report small --figure retrieval --embeddings faces.lance --split all --query talk.mp4/0/125 --out figures

    Args:
        run: a run, or with --split all the model that made the embeddings.
        figure: this one.
        embeddings: a Lance dataset that fabnet embed wrote with this model.
        split: only faces of tracks that the run's store has in this split; all: every face of the dataset.
        sample: faces drawn at random; all, where there are no more.
        same_identity: rank the query's own person too; else other people alone.
        query: ids of rows to ask for; by default some of the sample, drawn at random, each of another person.
        seed: of the draws.
        out: folder to write to; report/figures in the run if left out.
    """
    return retrieval_figure(
        str(run), embeddings, split=split, sample=sample, same_identity=same_identity, query=query, seed=seed, out=out
    )


def show(result: ReportResult | FigureResult) -> None:
    """Print where the page or the figure is."""
    if isinstance(result, ReportResult):
        say(f"open {result.page.resolve()}")
        return
    for line in result.caption.splitlines():
        say(line)
    for file in result.files:
        say(f"wrote {file}")
