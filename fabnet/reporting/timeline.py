"""A video over time: thumbnails of its faces, how sure the detector is, and how the embedding moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib.figure
import numpy as np

from fabnet.embedding import Embedder, load
from fabnet.progress import progress
from fabnet.reporting.pictures import beside, data_uri, svg
from fabnet.video import CropSpec, load_detector, track_video, video_info

__all__ = ["TrackTimeline", "video_timeline"]

THUMBNAILS = 10
THUMBNAIL_PX = 72
FACES_AT_ONCE = 64


@dataclass(frozen=True)
class TrackTimeline:
    """A track of a video.

    Attributes:
        name: of the track.
        seconds: (first, last) of the track.
        faces: in the track.
        thumbnails: data URI of a row of faces, evenly over time.
        curves: inline SVG: detection score, step of the embedding, its first three principal components.
    """

    name: str
    seconds: tuple[float, float]
    faces: int
    thumbnails: str
    curves: str


class _Track:
    """What is kept of a track while its video runs: no more than a few hundred bytes a face, and some thumbnails."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.scores: list[float] = []
        self.embeddings: list[np.ndarray] = []
        self.waiting: list[np.ndarray] = []
        self.thumbnails: list[np.ndarray] = []
        self.every = 1

    def add(self, image: np.ndarray, time_s: float, score: float, encoder: Embedder) -> None:
        if len(self.times) % self.every == 0:
            self.thumbnails.append(beside([image], side=THUMBNAIL_PX))
            if len(self.thumbnails) > 4 * THUMBNAILS:
                self.thumbnails, self.every = self.thumbnails[::2], 2 * self.every
        self.times.append(time_s)
        self.scores.append(score)
        self.waiting.append(image)
        if len(self.waiting) == FACES_AT_ONCE:
            self.embed(encoder)

    def embed(self, encoder: Embedder) -> None:
        if self.waiting:
            self.embeddings.append(encoder.embed(self.waiting))
            self.waiting = []


def video_timeline(video: Path, model: str | Path, *, fps: float | None = 10.0) -> list[TrackTimeline]:
    """Follow the faces of a video and what an encoder makes of them.

    Args:
        video: the file.
        model: as `fabnet.load` takes it.
        fps: frames a second looked at; None: all.

    Returns:
        One entry a track of three faces or more, in order of appearance.
    """
    encoder = load(model)
    spec = CropSpec.from_json(encoder.card.crop) if encoder.card.crop else CropSpec()
    tracks: dict[int, _Track] = {}
    with progress("timeline", total=video_info(video).duration_s or None, unit="s of video") as bar:
        faces = track_video(
            video, load_detector(), spec=spec, fps=fps, on_progress=lambda time_s: bar.update(completed=time_s)
        )
        for face in faces:
            tracks.setdefault(face.track, _Track()).add(face.image, face.time_s, face.score, encoder)
    for track in tracks.values():
        track.embed(encoder)
    return [_timeline(str(name), track) for name, track in sorted(tracks.items()) if len(track.times) >= 3]


def _timeline(name: str, track: _Track) -> TrackTimeline:
    chosen = np.linspace(0, len(track.thumbnails) - 1, min(THUMBNAILS, len(track.thumbnails))).round().astype(int)
    thumbnails = beside([track.thumbnails[i] for i in chosen], side=THUMBNAIL_PX)
    return TrackTimeline(
        name=name,
        seconds=(track.times[0], track.times[-1]),
        faces=len(track.times),
        thumbnails=data_uri(thumbnails),
        curves=svg(_curves(np.array(track.times), np.array(track.scores), np.concatenate(track.embeddings))),
    )


def _curves(times: np.ndarray, scores: np.ndarray, embeddings: np.ndarray) -> matplotlib.figure.Figure:
    centred = embeddings - embeddings.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    components = centred @ directions[:3].T
    steps = np.linalg.norm(np.diff(embeddings, axis=0), axis=1) / max(
        float(np.linalg.norm(centred, axis=1).mean()), 1e-9
    )
    figure = matplotlib.figure.Figure(figsize=(8, 4.2))
    score_axes, step_axes, component_axes = figure.subplots(3, 1, sharex=True, height_ratios=[1, 1, 2])
    score_axes.plot(times, scores, color="#3b82f6", linewidth=1.2)
    score_axes.set_ylim(0, 1.05)
    score_axes.set_ylabel("score")
    step_axes.plot(times[1:], steps, color="#ef4444", linewidth=1.2)
    step_axes.set_ylabel("step")
    for number, colour in enumerate(("#10b981", "#f59e0b", "#8b5cf6")[: components.shape[1]]):
        component_axes.plot(times, components[:, number], color=colour, linewidth=1.2)
    component_axes.set_ylabel("components")
    component_axes.set_xlabel("time, s")
    return figure
