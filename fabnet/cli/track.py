"""`fabnet track`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.cli.flags import Flags
from fabnet.cli.import_ import print_store
from fabnet.ingest.options import TrackOptions
from fabnet.ingest.track import TrackReport, track

__all__ = ["run", "show"]


def run(
    videos: tyro.conf.Positional[tuple[Path, ...]],
    out: Path,
    options: Flags[TrackOptions],
) -> TrackReport:
    """Find the faces of raw videos, follow each through its shot, and put the crops into a store.

    A repeated command skips the videos that are finished. A video that cannot be read is listed at the end and does
    not stop the rest; the exit code is 0 if anything was kept. All else that lies in a folder is counted by reason.

    Examples:
      fabnet track videos/ --out tracks.lance
      fabnet track a.mp4 b.mov --out tracks.lance --fps 5
      fabnet track people/ --out tracks.lance --identities folder
      fabnet track me.mp4 --out me.lance --fps 10 --splits moments
      fabnet track /shared/videos --out tracks.lance --engine ray --ray-address head:6379

    Args:
        videos: Files, or folders of videos.
        out: The store; made if it does not exist.
        options: How.
    """
    return track(videos, out, options)


def show(result: TrackReport) -> None:
    """Print what was tracked for people."""
    values = result.to_json()
    rows = [("videos", f"{result.num_videos:,}, of which {result.num_skipped:,} were finished before")]
    if result.frames_decoded:
        face = result.frames_with_face / max(result.frames_kept, 1)
        shares = ", ".join(f"{step} {share:.0%}" for step, share in values["shares"].items())
        rows += [
            ("frames", f"{result.frames_decoded:,} decoded, {result.frames_kept:,} kept, {face:.1%} with a face"),
            ("speed", f"{values['frames_decoded_per_s']:,} frames/s, {values['times_real_time']} x real time"),
            ("time", shares),
        ]
    listed = [("failed", video, reason) for video, reason in result.failed]
    listed += [("partial", video, reason) for video, reason in result.partial]
    listed += [("no face", video, "") for video in result.no_face]
    print_store("tracked", result.store, rows, listed, result.notes, result.left_out)
