"""Streams the face-tracks of a video as crops.

A frame waits `LOOK_AHEAD_S` until its shot is known, then its faces wait for the smoothing's look-ahead. Pixels are
kept only for faces on kept frames, and only for the part of the frame that the crop may need.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fabnet.errors import VideoError
from fabnet.faces.crop import EDGE_PX, CropSpec, cut, window_of
from fabnet.faces.detect.detection import Detection, Detector
from fabnet.video.appearance import describe
from fabnet.video.decode import DecodedFrame, Ticks, decode_frames
from fabnet.video.link import Linker
from fabnet.video.rate import check_fps
from fabnet.video.search import FaceSearch
from fabnet.video.shots import ShotDetector
from fabnet.video.smooth import BoxSmoother, allowed_box

__all__ = ["TrackedFace", "VideoStats", "track_video"]

MIN_LONE_SCORE = 0.95
"""Score below which a track of a single detection is dropped as a false detection."""
MAX_WAITING_BYTES = 192 * 2**20
"""Memory beyond which faces stop waiting for the smoothing's look-ahead, oldest first."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """One face of a track on one kept frame."""

    track: int
    """Index of the track in its video, from 0, in the order in which tracks are first yielded."""
    frame: int
    """Index of the frame in the video, from 0."""
    time_s: float
    """Time of the frame in seconds."""
    box_px: np.ndarray
    """(4,) float32, the detector's box in pixels of the upright frame."""
    landmarks5_px: np.ndarray
    """(5, 2) float32, x and y in pixels of the upright frame."""
    score: float
    """The detector's confidence, 0 to 1."""
    crop_box_px: np.ndarray
    """(4,) float32, the square that was cut out, smoothed along the track."""
    image: np.ndarray
    """(size, size, 3) uint8 RGB, the crop: `cut(frame, crop_box_px, size)`, bit for bit."""


@dataclass(slots=True, kw_only=True)
class VideoStats:
    """Counts of `track_video`, updated while it runs."""

    frames_decoded: int = 0
    """Number of frames decoded."""
    frames_detected_on: int = 0
    """Number of frames on which faces were looked for."""
    frames_searched: int = 0
    """Number of those frames that were searched whole, not only around the former faces."""
    frames_kept: int = 0
    """Number of frames kept, by `fps`."""
    frames_with_face: int = 0
    """Number of kept frames with at least one yielded face."""
    duration_s: float = 0.0
    """Time of the last decoded frame."""
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("decode", "detect", "link", "crop"), 0.0))
    """Wall time spent in "decode", "detect", "link" and "crop"."""
    warning: str | None = None
    """Error that ended decoding after at least one frame; None if there was none."""
    notes: list[str] = field(default_factory=list)
    """Notes for the user on an intact file, such as which stream was read."""


@dataclass(slots=True, eq=False)
class _Looked:
    """A frame on which faces were looked for."""

    index: int
    time_s: float
    detections: list[Detection]
    descriptors: list[np.ndarray]
    parts: list[_Part] | None


@dataclass(slots=True, eq=False)
class _Part:
    """The part of a kept frame that a face's crop may need."""

    pixels: np.ndarray
    left: int
    top: int


@dataclass(slots=True, eq=False)
class _Waiting:
    frame: _Looked
    detection: Detection
    part: _Part


@dataclass(slots=True, eq=False)
class _Track:
    smoother: BoxSmoother[_Waiting]
    num_detections: int = 0
    best_score: float = 0.0
    number: int | None = None


def track_video(
    path: Path,
    detector: Detector,
    *,
    spec: CropSpec | None = None,
    fps: float | None = 1.0,
    link_fps: float = 5.0,
    stats: VideoStats | None = None,
    on_progress: Callable[[float], None] | None = None,
    on_kept: Callable[[int, float], None] | None = None,
) -> Iterator[TrackedFace]:
    """Find the faces of a video, follow each over time, and cut out their crops.

    Memory does not grow with the video's length. A truncated or corrupt file gives the tracks up to the error, and
    `stats.warning` is set.

    Args:
        path: the video.
        detector: from `load_detector`.
        spec: the crop; None: the default crop.
        fps: frames kept per second of video; None: all.
        link_fps: frames per second on which faces are looked for to link them; more if `fps` keeps more.
        stats: counts, updated while running.
        on_progress: called at every decoded frame with the time reached in the video, in seconds.
        on_kept: called with the index and time of every kept frame, with or without a face, before its faces are
            yielded.

    Yields:
        Faces of the kept frames, in order of time within each track. Tracks interleave: a face comes at most
        3 `spec.smoothing_s` and one linking step after a later face of another track.

    Raises:
        InputError: `fps` or `link_fps` is not positive.
        VideoError: the file does not exist, has no video, or no frame can be decoded.
    """
    check_fps(fps)
    check_fps(link_fps, "link_fps")
    spec, stats = spec or CropSpec(), stats if stats is not None else VideoStats()
    search, shots, tracks = FaceSearch(detector), ShotDetector(), _Tracks(spec, stats)
    kept_ticks, link_ticks = Ticks(fps), Ticks(link_fps)
    looked: deque[_Looked] = deque()
    has_jumped = False
    for frame in _timed_frames(Path(path), stats):
        stats.frames_decoded, stats.duration_s = frame.index + 1, frame.time_s
        with _timed(stats, "link"):
            decided = shots.push(frame.index, frame.time_s, frame.thumbnail(), frame.size)
        has_jumped |= shots.has_jumped
        is_kept, is_linked = kept_ticks.meets(frame.time_s), link_ticks.meets(frame.time_s)
        if is_kept or is_linked:
            looked.append(_look(frame, search, spec, stats, is_kept=is_kept, has_jumped=has_jumped))
            has_jumped = False
        if is_kept and on_kept is not None:
            on_kept(frame.index, frame.time_s)
        yield from tracks.push(looked, decided)
        if on_progress is not None:
            on_progress(frame.time_s)
    yield from tracks.push(looked, shots.finish())
    yield from tracks.finish()


def _timed_frames(path: Path, stats: VideoStats) -> Iterator[DecodedFrame]:
    frames = decode_frames(path, notes=stats.notes)
    while True:
        try:
            with _timed(stats, "decode"):
                frame = next(frames, None)
        except VideoError as error:
            if stats.frames_decoded == 0:
                raise
            stats.warning = str(error)
            return
        if frame is None:
            return
        yield frame


def _look(
    frame: DecodedFrame, search: FaceSearch, spec: CropSpec, stats: VideoStats, *, is_kept: bool, has_jumped: bool
) -> _Looked:
    with _timed(stats, "decode"):
        image = frame.image()
    with _timed(stats, "detect"):
        detections = search.push(image, frame.time_s, is_whole=is_kept or has_jumped)
    with _timed(stats, "link"):
        descriptors = [describe(image, face.landmarks5_px) for face in detections]
    with _timed(stats, "crop"):
        parts = [_part(image, allowed_box(face.box_px, spec)) for face in detections] if is_kept else None
    stats.frames_detected_on += 1
    stats.frames_searched = search.num_searched
    stats.frames_kept += is_kept
    return _Looked(frame.index, frame.time_s, detections, descriptors, parts)


def _part(image: np.ndarray, box_px: np.ndarray) -> _Part:
    edge = EDGE_PX + 1
    left, top, pixels = window_of(image, box_px + np.array([-edge, -edge, edge, edge]))
    return _Part(pixels.copy(), left, top)


class _Tracks:
    """Turns searched frames whose shot is known into finished faces."""

    def __init__(self, spec: CropSpec, stats: VideoStats) -> None:
        self._spec, self._stats = spec, stats
        self._linker = Linker()
        self._open: dict[int, _Track] = {}
        self._num_tracks = 0
        self._waiting_bytes = 0
        self._frames_counted: dict[int, None] = {}

    def push(self, looked: deque[_Looked], decided: list[tuple[int, int | None]]) -> Iterator[TrackedFace]:
        for index, shot in decided:
            if looked and looked[0].index == index:
                with _timed(self._stats, "link"):
                    self._link(looked[0], shot)
                yield from self._finished(looked.popleft().time_s)

    def finish(self) -> Iterator[TrackedFace]:
        for track in self._open.values():
            yield from self._faces(track, np.inf, is_over=True)
        self._open.clear()

    def _link(self, frame: _Looked, shot: int | None) -> None:
        numbers = self._linker.push(frame.time_s, shot, frame.detections, frame.descriptors)
        for index, (number, detection) in enumerate(zip(numbers, frame.detections, strict=True)):
            if number is None:
                continue
            track = self._open.setdefault(number, _Track(BoxSmoother(self._spec)))
            track.num_detections += 1
            track.best_score = max(track.best_score, detection.score)
            item = None
            if frame.parts is not None:
                item = _Waiting(frame, detection, frame.parts[index])
                self._waiting_bytes += item.part.pixels.nbytes
            track.smoother.push(frame.time_s, detection.box_px, item)
        frame.descriptors, frame.parts = [], None

    def _finished(self, now_s: float) -> Iterator[TrackedFace]:
        still_open = self._linker.open_tracks
        for number in [number for number in self._open if number not in still_open]:
            yield from self._faces(self._open.pop(number), now_s, is_over=True)
        for track in self._open.values():
            yield from self._faces(track, now_s, is_over=self._waiting_bytes > MAX_WAITING_BYTES)

    def _faces(self, track: _Track, now_s: float, *, is_over: bool) -> Iterator[TrackedFace]:
        is_lone = track.num_detections == 1 and track.best_score < MIN_LONE_SCORE
        if is_lone and not is_over:
            return
        for item, box_px in track.smoother.pop(now_s, is_over=is_over):
            self._waiting_bytes -= item.part.pixels.nbytes
            if is_lone:
                continue
            if track.number is None:
                track.number, self._num_tracks = self._num_tracks, self._num_tracks + 1
            with _timed(self._stats, "crop"):
                offset = np.array([item.part.left, item.part.top] * 2)
                image = cut(item.part.pixels, box_px.astype(np.float64) - offset, self._spec.size)
            self._count(item.frame.index)
            yield TrackedFace(
                track=track.number,
                frame=item.frame.index,
                time_s=item.frame.time_s,
                box_px=item.detection.box_px,
                landmarks5_px=item.detection.landmarks5_px,
                score=item.detection.score,
                crop_box_px=box_px,
                image=image,
            )

    def _count(self, index: int) -> None:
        """Count a kept frame at its first yielded face; the others follow within a bounded number of frames."""
        if index not in self._frames_counted:
            self._frames_counted[index] = None
            self._stats.frames_with_face += 1
            while len(self._frames_counted) > 1024:
                del self._frames_counted[next(iter(self._frames_counted))]


@contextmanager
def _timed(stats: VideoStats, part: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        stats.seconds[part] += time.perf_counter() - start
