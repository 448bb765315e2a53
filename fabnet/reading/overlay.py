"""Draws the predictions of probes over the faces of a video: points, the head's axes, the most likely class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from fabnet.encoders.saved_probe import SavedProbe
from fabnet.errors import InputError, VideoError
from fabnet.faces.pose import ANGLES, rotation_matrix
from fabnet.files.output import written_whole
from fabnet.reading.rows import Row
from fabnet.video.decode import Frame, read_frames, video_info
from fabnet.video.encode import VideoWriter

__all__ = ["draw_axes", "draw_face", "overlay_writer"]

AXES = ((228, 87, 46), (27, 158, 119), (61, 120, 216))
"""RGB colours of the head's x, y and z axes: lighter versions of those in docs/figures/pose.png."""
POINTS, WORDS, SHADE = (255, 235, 120), (255, 255, 255), (0, 0, 0)
SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""


def _place(point: np.ndarray) -> tuple[int, int]:
    """Convert a point in pixels, centres at integers + 0.5, to OpenCV's fixed-point pixels, centres at integers."""
    x, y = np.rint((np.clip(point, -1e4, 1e4) - 0.5) * 2**SHIFT).astype(int).tolist()
    return x, y


def draw_axes(image: np.ndarray, origin_px: np.ndarray, length_px: float, angles: np.ndarray) -> None:
    """Draw a head's axes by docs/conventions.md: for a frontal face, x to the image's right, y up, z to the camera.

    Args:
        image: (H, W, 3) uint8 RGB, drawn on in place.
        origin_px: (2,) origin of the axes, in its pixels.
        length_px: length of an axis in the image plane.
        angles: (3,) roll, pitch, yaw in radians.
    """
    ends = length_px * rotation_matrix(angles).T * (1, -1, 1)  # rows: where x, y and z point, y down
    width = max(1, round(length_px / 25))
    for axis in np.argsort(ends[:, 2]).tolist():  # axes that point away are drawn first
        start, end = _place(origin_px), _place(origin_px + ends[axis, :2])
        cv2.line(image, start, end, SHADE, width + 2, cv2.LINE_AA, SHIFT)
        cv2.line(image, start, end, AXES[axis], width, cv2.LINE_AA, SHIFT)


def draw_face(image: np.ndarray, row: Row, probes: Sequence[SavedProbe]) -> None:
    """Draw the predictions of probes for a face.

    Args:
        image: (H, W, 3) uint8 RGB, drawn on in place.
        row: row of the embeddings dataset; nothing is drawn if it has no face. Without a box, the face is the image.
        probes: probes of the row's predictions. The points of the probe with the most points are drawn, the axes of a
            head pose at their centre, and the most likely class above the face.
    """
    if row["embedding"] is None:
        return
    whole = (0, 0, image.shape[1], image.shape[0])
    box = np.asarray(whole if row["box_px"] is None else row["box_px"], np.float64)
    side = float(np.sqrt(np.prod(box[2:] - box[:2])))
    origin = (box[:2] + box[2:]) / 2
    pointed = max(
        (probe for probe in probes if probe.kind == "points"), key=lambda probe: len(probe.columns), default=None
    )
    if pointed is not None:
        points = np.asarray(row[pointed.fields()[0].name], np.float64).reshape(-1, 2)
        origin = points.mean(axis=0)
        radius = max(1, round(side / 100 * 2**SHIFT))
        for point in points:
            cv2.circle(image, _place(point), radius, POINTS, -1, cv2.LINE_AA, SHIFT)
    for probe in probes:
        if probe.kind == "angles" and set(probe.columns) == set(ANGLES):
            angles = np.radians([row[f"{probe.task}_{name}_deg"] for name in ANGLES])
            draw_axes(image, origin, side / 2, angles)
    said = [
        f"{row[probe.task]} {row[f'{probe.task}_{row[probe.task]}']:.0%}" for probe in probes if probe.kind == "classes"
    ]
    _write(image, box, side, ", ".join(said))


def _write(image: np.ndarray, box: np.ndarray, side: float, text: str) -> None:
    """Write words above a face, within the image, on a dark bar."""
    if not text:
        return
    scale, font = max(side / 250, 0.35), cv2.FONT_HERSHEY_SIMPLEX
    thickness = max(1, round(2 * scale))
    (width, height), below = cv2.getTextSize(text, font, scale, thickness)
    x = max(min(round((box[0] + box[2] - width) / 2), image.shape[1] - width - 2), 2)
    y = max(round(box[1]) - below - 2, height + 2)
    cv2.rectangle(image, (x - 3, y - height - 3), (x + width + 3, y + below), SHADE, -1)
    cv2.putText(image, text, (x, y), font, scale, WORDS, thickness, cv2.LINE_AA)


@contextmanager
def overlay_writer(video: Path, out: Path, probes: Sequence[SavedProbe]) -> Iterator[Callable[[Row], None]]:
    """Write a copy of a video with its faces drawn on; it appears completely or not at all.

    Every frame is written at its displayed size and time, without sound. Frames without rows show the latest ones.

    Args:
        video: the file.
        out: the file to write, an MP4.
        probes: probes of the rows' predictions.

    Yields:
        A function that takes the rows of the video, one by one, in the order of frames.

    Raises:
        InputError: `out` is the video itself, does not end in .mp4, or there is nothing to draw.
        OutputError: the disk is full, or writing there is not allowed.
    """
    if out.suffix.lower() != ".mp4" or out.resolve() == video.resolve():
        raise InputError(f"an overlay is an .mp4 file beside the video that it is drawn on; got {out}")
    if not any(probe.kind in ("points", "angles", "classes") for probe in probes):
        raise InputError(
            "there is nothing to draw on an overlay: give --attributes, or a --probe of points or head pose"
        )
    frames, waiting = _readable(video), list[Row]()
    frame = next(frames, None)
    with written_whole(out) as partial, VideoWriter(partial, fps=video_info(video).fps or 25) as writer:

        def draw_until(index: float) -> None:
            nonlocal frame
            while frame is not None and frame.index < index:
                image = frame.image.copy()
                for row in waiting:
                    draw_face(image, row, probes)
                writer.write(replace(frame, image=image))
                frame = next(frames, None)

        def take(row: Row) -> None:
            draw_until(row["frame"])
            if waiting and waiting[0]["frame"] != row["frame"]:
                waiting.clear()
            waiting.append(row)

        yield take
        draw_until(math.inf)


def _readable(video: Path) -> Iterator[Frame]:
    """Read a video's frames up to the first error, which is reported where its faces are read."""
    try:
        yield from read_frames(video)
    except VideoError:
        return
