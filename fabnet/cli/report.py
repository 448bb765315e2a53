"""`fabnet report`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.reporting import ReportResult, report

__all__ = ["run", "show"]


def run(
    run: tyro.conf.Positional[Path],
    out: Path | None = None,
    video: Path | None = None,
    probe: tuple[Path, ...] = (),
) -> ReportResult:
    """Show a run as one self-contained page.

    Sample tracks, the training curve, reconstructions of unseen people with their flow, and, for a video, its faces
    over time.

    Examples:
      fabnet report run
      fabnet report run --video talk.mp4 --out page
      fabnet report run --video talk.mp4 --probe pose.safetensors

    Args:
        run: a run folder.
        out: folder to write index.html to; report in the run if left out.
        video: a video to follow over time.
        probe: files that fabnet probe --save wrote for this run; what they predict of the video is drawn over time.
    """
    return report(run, out=out, video=video, probes=probe)


def show(result: ReportResult) -> None:
    """Print where the page is."""
    print(f"open {result.page.resolve()}")
