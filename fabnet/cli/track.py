"""`fabnet track`."""

from __future__ import annotations

from typing import Literal

import tyro

from fabnet.cli.import_ import print_store
from fabnet.cli.places import Place
from fabnet.ingest.track import TrackReport, track

__all__ = ["run", "show"]


def run(
    videos: tyro.conf.Positional[tuple[Place, ...]],
    out: Place,
    fps: str = "1",
    size: int = 256,
    detector: str = "mtcnn",
    min_face: float | None = None,
    identities: str = "video",
    splits: str = "hash",
    link_fps: float = 5.0,
    num_workers: int | None = None,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
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
        videos: files, or folders of videos.
        out: the store; made if it does not exist.
        fps: frames kept per second, or all.
        size: side of the stored crops in pixels.
        detector: what finds faces: mtcnn, uniface or yunet:FILE.onnx.
        min_face: side of the smallest face looked for, in pixels; by default 1/16 of a frame's longer side, at least
            20. Smaller takes longer.
        identities: who is who. video: each track is a person of its own, so somebody in two videos may be trained on
            and tested on; folder: the folder a video lies in is the person; or a CSV file with the header
            video,identity.
        splits: hash (75/15/10 by identity, stable), moments (validates on other moments of each track, not on other
            people), or a CSV file with the header identity,split.
        link_fps: frames per second that are searched to follow a face.
        num_workers: processes, one video each; by default one per core.
        engine: local processes, or ray: a Ray cluster (docs/cluster.md).
        ray_address: HOST:PORT of a running cluster; by default $RAY_ADDRESS, else a Ray of this machine's own.
    """
    from fabnet.errors import InputError

    try:
        rate = None if fps == "all" else float(fps)
    except ValueError:
        raise InputError(f"--fps takes a number or all; got {fps!r}") from None
    return track(
        list(videos), out, fps=rate, size=size, detector=detector, min_face=min_face, identities=identities,
        splits=splits, link_fps=link_fps, num_workers=num_workers, engine=engine, ray_address=ray_address,
    )  # fmt: skip


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
