"""A video over time: thumbnails of its faces, detection score, movement of the embedding, attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.face_reader import FaceReader
from fabnet.encoders.load_encoder import load
from fabnet.encoders.readings import READINGS, Panel
from fabnet.encoders.saved_probe import SavedProbe, probes_for
from fabnet.faces.detect.load import load_detector
from fabnet.reading.attributes import eyes_of
from fabnet.reading.canonical import Eyes
from fabnet.reading.columns import check_attributes
from fabnet.reporting.charts import Chart, panels_chart, time_chart
from fabnet.reporting.pictures import data_uri, square
from fabnet.runtime.progress import progress
from fabnet.video.decode import video_info
from fabnet.video.track_video import TrackedFace, VideoStats, track_video

__all__ = ["TrackTimeline", "VideoTimeline", "video_timeline"]

THUMBNAILS = 10
THUMBNAIL_PX = 96
FACES_AT_ONCE = 64
SMALLEST_TRACK = 3
MAX_TRACKS = 12
MAX_FPS = 10.0
MAX_FRAMES = 3000


@dataclass(frozen=True)
class TrackTimeline:
    """A track of a video.

    Attributes:
        name: name of the track.
        seconds: (first, last) of the track.
        faces: number of faces in the track.
        thumbnails: (time in seconds, data URI) nearest the middle of each of equal parts of the track's time; None
            for a part without a face.
        chart: detection score, step of the embedding, its first three principal components.
        attributes: attributes and predictions of probes; None if there are none to draw.
    """

    name: str
    seconds: tuple[float, float]
    faces: int
    thumbnails: list[tuple[float, str] | None]
    chart: Chart
    attributes: Chart | None


@dataclass(frozen=True)
class VideoTimeline:
    """The tracks of a video.

    Attributes:
        fps: frames examined per second.
        tracks: the longest tracks, in order of appearance.
        num_tracks: number of all tracks.
        num_short: number of tracks with fewer than three faces.
        warning: the part of the video that could not be decoded; None if all was.
    """

    fps: float
    tracks: list[TrackTimeline]
    num_tracks: int
    num_short: int
    warning: str | None


class _Track:
    """The data kept of a track while its video runs: a kilobyte per face, and some thumbnails."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.scores: list[float] = []
        self.embeddings: list[np.ndarray] = []
        self.attributes: list[dict[str, np.ndarray]] = []
        self.waiting: list[TrackedFace] = []
        self.thumbnails: list[tuple[float, np.ndarray]] = []
        self.every = 1

    def add(self, face: TrackedFace, encoder: Embedder, eyes: Eyes) -> None:
        if len(self.times) % self.every == 0:
            self.thumbnails.append((face.time_s, square(face.image, THUMBNAIL_PX)))
            if len(self.thumbnails) > 8 * THUMBNAILS:
                self.thumbnails, self.every = self.thumbnails[::2], 2 * self.every
        self.times.append(face.time_s)
        self.scores.append(face.score)
        self.waiting.append(face)
        if len(self.waiting) == FACES_AT_ONCE:
            self.embed(encoder, eyes)

    def embed(self, encoder: Embedder, eyes: Eyes) -> None:
        if self.waiting:
            crops = [face.image for face in self.waiting]
            boxes = np.array([face.crop_box_px for face in self.waiting], np.float32)
            self.embeddings.append(encoder.embed(crops))
            self.attributes.append(eyes.reader.columns(eyes.in_crops(crops, boxes)))
            self.waiting = []


def video_timeline(
    video: Path, model: str | Path, *, fps: float | None = None, probes: Sequence[Path] = ()
) -> VideoTimeline:
    """Follow the faces of a video and their embeddings.

    Args:
        video: the video file.
        model: a model as in `fabnet.load`.
        fps: frames examined per second; None: 10, and fewer for a video longer than five minutes, so that about
            3,000 frames are examined.
        probes: files of probes fitted on the model, whose predictions are drawn beside the attributes.

    Returns:
        The twelve longest tracks of three faces or more.

    Raises:
        InputError: a probe belongs to another model.
        ModelError: the model does not exist.
        VideoError: the video cannot be read.
    """
    encoder = load(model)
    own, eyes = probes_for(probes, model_digest(model)), eyes_of(encoder)
    check_attributes([field for probe in own for field in probe.fields()])
    duration_s = video_info(video).duration_s
    if fps is None:
        fps = min(MAX_FPS, MAX_FRAMES / duration_s) if duration_s else MAX_FPS
    tracks: dict[int, _Track] = {}
    stats = VideoStats()
    with progress("timeline", total=duration_s or None, unit="s of video") as bar:
        faces = track_video(
            video, load_detector(), spec=encoder.crop_spec, fps=fps, stats=stats,
            on_progress=lambda time_s: bar.update(completed=time_s),
        )  # fmt: skip
        for face in faces:
            tracks.setdefault(face.track, _Track()).add(face, encoder, eyes)
    for track in tracks.values():
        track.embed(encoder, eyes)
    long = {number: track for number, track in tracks.items() if len(track.times) >= SMALLEST_TRACK}
    shown = sorted(sorted(long, key=lambda number: -len(long[number].times))[:MAX_TRACKS])
    return VideoTimeline(
        fps=fps,
        tracks=[_timeline(str(number), long[number], eyes.reader, own) for number in shown],
        num_tracks=len(tracks),
        num_short=len(tracks) - len(long),
        warning=stats.warning and stats.warning.replace(str(video), video.name),
    )


def _timeline(name: str, track: _Track, reader: FaceReader, probes: Sequence[SavedProbe]) -> TrackTimeline:
    embeddings = np.concatenate(track.embeddings)
    components, shares, spread = _principal(embeddings)
    steps = np.linalg.norm(np.diff(embeddings, axis=0), axis=1) / spread
    times = np.array(track.times)
    own = [panel for probe in probes if (panel := probe.panel(embeddings)) is not None]
    panels = [*_panels(reader, track.attributes), *(each._replace(title=f"your probe: {each.title}") for each in own)]
    return TrackTimeline(
        name=name,
        seconds=(track.times[0], track.times[-1]),
        faces=len(track.times),
        thumbnails=_spaced(track.thumbnails, track.times[0], track.times[-1]),
        chart=time_chart(times, np.array(track.scores), steps, components / spread, shares),
        attributes=panels_chart(times, panels) if panels else None,
    )


def _panels(reader: FaceReader, read: Sequence[dict[str, np.ndarray]]) -> Iterator[Panel]:
    """The attributes of a face over time as curves, without points, experimental ones and tasks of many units."""
    for task in reader.tasks:
        if task.kind == "points" or task.is_experimental:
            continue
        values = np.stack([np.concatenate([part[name] for part in read]) for name in task.columns], axis=1)
        names = [name.removeprefix(f"{task.name}_").removesuffix("_deg") for name in task.columns]
        is_in_degrees = all(name.endswith("_deg") for name in task.columns)
        kind = "angles" if is_in_degrees else {"probabilities": "units"}.get(task.kind, task.kind)
        panel = READINGS[kind].panel(task.name, names, values)
        if panel is not None:
            yield panel


def _principal(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(N, D) embeddings to (N, 3) principal components, (3,) their shares of the variance, and the mean distance
    from the mean."""
    centred = embeddings - embeddings.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    shares = values**2 / max(float((values**2).sum()), 1e-12)
    return centred @ directions[:3].T, shares[:3], max(float(np.linalg.norm(centred, axis=1).mean()), 1e-9)


def _spaced(
    thumbnails: list[tuple[float, np.ndarray]], first_s: float, last_s: float
) -> list[tuple[float, str] | None]:
    """For each of equal parts of the time, the thumbnail nearest its middle; None without one."""
    times = np.array([time_s for time_s, _ in thumbnails])
    part_s = (last_s - first_s) / THUMBNAILS
    found: list[tuple[float, str] | None] = []
    for number in range(THUMBNAILS):
        middle_s = first_s + (number + 0.5) * part_s
        nearest = int(np.abs(times - middle_s).argmin())
        is_near = abs(times[nearest] - middle_s) <= max(part_s, 1e-6)
        found.append((float(times[nearest]), data_uri(thumbnails[nearest][1])) if is_near else None)
    return found
