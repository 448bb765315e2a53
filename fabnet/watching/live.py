"""`fabnet live`: the faces of a camera or stream, read as they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from fabnet.errors import VideoError
from fabnet.files.output import output_errors, unlink, written_whole
from fabnet.files.places import as_place
from fabnet.options import takes
from fabnet.reading.read import check_out, write
from fabnet.runtime.interrupts import stop_requests
from fabnet.runtime.threads import batched
from fabnet.video.camera import camera_named, captured
from fabnet.watching.newest import Newest
from fabnet.watching.options import LiveOptions
from fabnet.watching.page import LivePage
from fabnet.watching.reader import LiveFrame, LiveReader, Now
from fabnet.watching.terminal import showing
from fabnet.watching.unfinished import kept_until_finished, telling_where_rows_are, unfinished_file

__all__ = ["LiveResult", "live"]

FRAMES_AT_ONCE = 64
"""Frames whose rows are written together."""
RATE_S = 2.0
"""Time over which the rate and the delay are averaged."""


@dataclass
class LiveResult:
    """What was read."""

    source: str
    """Name of the camera, stream or file."""
    out: Path | None = None
    """The file with the rows; None: none."""
    seconds: float = 0.0
    """Time from the first frame to the last."""
    captured: int = 0
    """Number of frames that came."""
    frames: int = 0
    """Number of these that were read."""
    dropped: int = 0
    """Number of these that were not, because a newer one had come."""
    rows: int = 0
    """Number of rows: one per face and frame, or per frame without a face."""
    faces: int = 0
    """Number of rows with a face."""
    frames_per_s: float = 0.0
    """Frames read per second."""
    delay_ms: list[float] = field(default_factory=list)
    """Median and 95th percentile of the time from a frame's coming to its reading."""
    warning: str | None = None
    """Error with which the stream ended after at least one frame."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"out": None if self.out is None else str(self.out)}


@takes(LiveOptions)
def live(
    source: str | int | Path,
    options: LiveOptions | None = None,
    *,
    on_frame: Callable[[Now], None] | None = None,
    **changes: Any,
) -> LiveResult:
    """Read the faces of a camera, a stream or a file at its own pace, as they come, until it ends or Ctrl-C.

    A frame that is late, because the one before is still being read, is dropped and counted; none is queued.

    Args:
        source: number of a camera from 0, its name or device file; the address of a stream (rtsp://, rtmp://, udp://,
            tcp://, http://, https://); or with `as_camera` a video file.
        options: all options as one object; or give them by name.
        on_frame: called after each frame that was read.

    Returns:
        Counts, rate and delay.

    Raises:
        InputError: there is no such camera, an option is impossible, or the file of a former session's rows is still
            beside `out`.
        VideoError: the camera or stream cannot be opened, or ends before its first frame.
        MissingDependencyError: the page needs a package that is not installed.
        OutputError: the rows cannot be written; those before are in `NAME.unfinished.csv` beside `out`.
    """
    options = LiveOptions.of(options, changes)
    camera = camera_named(str(source), as_camera=options.as_camera)
    out = None if options.out is None else as_place(options.out)
    if out is not None:
        check_out(out)
    reader = LiveReader(camera.name, options)
    result = LiveResult(camera.name, out)
    with ExitStack() as stack:
        shown = [] if on_frame is None else [on_frame]
        if options.page:
            shown.append(stack.enter_context(LivePage(options.port, reader.eyes.reader.tasks)).show)
        partial, keep = None, None
        if out is not None:
            stack.enter_context(telling_where_rows_are(out))
            partial = stack.enter_context(written_whole(out))
            keep = stack.enter_context(kept_until_finished(out, reader.schema))
        shown.append(stack.enter_context(showing()))
        newest = stack.enter_context(Newest(lambda: captured(camera)))
        stop = stack.enter_context(stop_requests())
        until_s = None if options.seconds is None else time.monotonic() + options.seconds
        batches = _batches(reader.read(newest.frames(stop, until_s=until_s)), newest, result, shown, keep)
        if out is None or partial is None:
            for _ in batches:
                pass
        else:
            with output_errors(out):
                write(map(_joined, batched(batches, FRAMES_AT_ONCE)), reader.schema, partial, out.suffix)
    if out is not None:
        unlink(unfinished_file(out))
    return result


def _batches(
    frames: Iterator[LiveFrame],
    newest: Newest,
    result: LiveResult,
    shown: list[Callable[[Now], None]],
    keep: Callable[[pa.RecordBatch], None] | None,
) -> Iterator[pa.RecordBatch]:
    """The rows of each frame, which is also kept, shown and counted."""
    delays: list[float] = []
    lately: deque[tuple[float, float]] = deque()
    began_s: float | None = None
    try:
        for frame in frames:
            if keep is not None:
                keep(frame.batch)
            now_s = time.monotonic()
            began_s = frame.captured.came_s if began_s is None else began_s
            lately.append((now_s, frame.delay_s))
            while now_s - lately[0][0] > RATE_S:
                lately.popleft()
            delays.append(frame.delay_s)
            if len(delays) > 100_000:  # a day would be millions
                del delays[::2]
            result.frames += 1
            result.rows += len(frame.batch)
            result.faces += len(frame.batch) - frame.batch.column("in_range").null_count
            result.seconds = round(now_s - began_s, 3)
            result.captured, result.dropped = newest.captured, newest.dropped
            span = max(now_s - lately[0][0], 1e-3)
            rate = (len(lately) - 1) / span if len(lately) > 1 else 0.0
            delay_ms = 1000 * sum(delay for _, delay in lately) / len(lately)
            now = Now(result.source, frame, rate, delay_ms, result.frames, result.dropped)
            for show in shown:
                show(now)
            yield frame.batch
    except VideoError as error:
        if not result.frames:
            raise
        result.warning = str(error)
    result.captured, result.dropped = newest.captured, newest.captured - result.frames
    result.frames_per_s = round(result.frames / max(result.seconds, 1e-3), 1)
    if delays:
        delays.sort()
        result.delay_ms = [round(1000 * delays[int(share * (len(delays) - 1))], 1) for share in (0.5, 0.95)]


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
