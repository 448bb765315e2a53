"""Draws what was read off the faces of a video over it: points, the head's axes, the most likely class, the units.

What is out of range is drawn in grey, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from fabnet.encoders.face_reader import ReaderTask
from fabnet.encoders.saved_probe import SavedProbe
from fabnet.errors import InputError, VideoError
from fabnet.faces.pose import ANGLES, head_axes
from fabnet.files.output import written_whole
from fabnet.reading.columns import Row
from fabnet.reading.inputs import Input
from fabnet.reading.table import PRESENT
from fabnet.video.decode import Frame, read_frames, video_info
from fabnet.video.encode import VideoWriter

__all__ = ["Drawn", "draw_axes", "draw_face", "drawing", "overlay_writer"]

Drawn = SavedProbe | ReaderTask
"""What gives a row some of its columns."""

AXES = ((228, 87, 46), (27, 158, 119), (61, 120, 216))
"""RGB colours of the head's x, y and z axes: lighter versions of those in docs/figures/pose.png."""
POINTS, WORDS, SHADE, GREY = (255, 235, 120), (255, 255, 255), (0, 0, 0), (150, 150, 150)
UNIT_KINDS = ("units", "probabilities")
FONT = cv2.FONT_HERSHEY_SIMPLEX
SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""


def _place(point: np.ndarray) -> tuple[int, int]:
    """Convert a point in pixels, centres at integers + 0.5, to OpenCV's fixed-point pixels, centres at integers."""
    x, y = np.rint((np.clip(point, -1e4, 1e4) - 0.5) * 2**SHIFT).astype(int).tolist()
    return x, y


def draw_axes(
    image: np.ndarray,
    origin_px: np.ndarray,
    length_px: float,
    angles: np.ndarray,
    colours: Sequence[tuple[int, int, int]] = AXES,
) -> None:
    """Draw a head's axes by docs/conventions.md: for a frontal face, x to the image's right, y up, z to the camera.

    Args:
        image: (H, W, 3) uint8 RGB, drawn on in place.
        origin_px: (2,) origin of the axes, in its pixels.
        length_px: length of an axis in the image plane.
        angles: (3,) roll, pitch, yaw in radians.
        colours: RGB of x, y and z.
    """
    ends = length_px * head_axes(angles)
    width = max(1, round(length_px / 25))
    for axis in np.argsort(ends[:, 2]).tolist():  # axes that point away are drawn first
        start, end = _place(origin_px), _place(origin_px + ends[axis, :2])
        cv2.line(image, start, end, SHADE, width + 2, cv2.LINE_AA, SHIFT)
        cv2.line(image, start, end, colours[axis], width, cv2.LINE_AA, SHIFT)


def draw_face(image: np.ndarray, row: Row, drawn: Sequence[Drawn]) -> None:
    """Draw what was read off a face.

    Args:
        image: (H, W, 3) uint8 RGB, drawn on in place.
        row: row of a table of `embed` or `read`; nothing is drawn if it has no face. Without a box, the face is the
            image. A face that is out of range is drawn in grey, with the reason.
        drawn: what gave the row its columns. The points of the one with the most points are drawn, the axes of a head
            pose at their centre, the most likely class above the face, and the units that are present below it.
    """
    if row["reason"]:
        return
    why_not = row.get("out_of_range") or ""
    whole = (0, 0, image.shape[1], image.shape[0])
    box = np.asarray(whole if row["box_px"] is None else row["box_px"], np.float64)
    side = float(np.sqrt(np.prod(box[2:] - box[:2])))
    origin = (box[:2] + box[2:]) / 2
    pointed = max((each for each in drawn if each.kind == "points"), key=lambda each: len(each.columns), default=None)
    if pointed is not None:
        points = np.asarray(row[pointed.fields()[0].name], np.float64).reshape(-1, 2)
        origin = points.mean(axis=0)
        radius = max(1, round(side / 100 * 2**SHIFT))
        for point in points:
            cv2.circle(image, _place(point), radius, GREY if why_not else POINTS, -1, cv2.LINE_AA, SHIFT)
    for each in drawn:
        if (names := _angle_names(each)) is not None:
            angles = np.radians([row[name] for name in names])
            draw_axes(image, origin, side / 2, angles, [GREY] * 3 if why_not else AXES)
    above = [each for each in (_likely(row, each) for each in drawn) if each]
    colour = GREY if why_not else WORDS
    _write(image, box, side, [f"out of range: {why_not}"] if why_not else [", ".join(above)], colour)
    _write(image, box, side, _lines(_present(row, drawn), 1.4 * side, _scale(side)), colour, is_below=True)


def _angle_names(drawn: Drawn) -> list[str] | None:
    """The columns of roll, pitch and yaw, in degrees; None: it gives no head pose."""
    names = [f"{'pose' if isinstance(drawn, ReaderTask) else drawn.task}_{name}_deg" for name in ANGLES]
    return names if drawn.kind in ("angles", "values") and set(names) <= _columns(drawn) else None


def _columns(drawn: Drawn) -> set[str]:
    return {field.name for field in drawn.fields()}


def _likely(row: Row, drawn: Drawn) -> str:
    """The most likely class and its probability, in words; empty if it gives no classes."""
    if drawn.kind != "classes":
        return ""
    task = drawn.name if isinstance(drawn, ReaderTask) else drawn.task
    name = row[task]
    return f"{name}{_mark(drawn)} {row[f'{task}_{name}']:.0%}"


def _present(row: Row, drawn: Sequence[Drawn]) -> list[str]:
    """The action units that are present, each with its probability."""
    units = {name: _mark(each) for each in drawn if each.kind in UNIT_KINDS for name in sorted(_columns(each))}
    return [
        f"{name.removeprefix('units_')}{mark} {row[name]:.0%}" for name, mark in units.items() if row[name] >= PRESENT
    ]


def _mark(drawn: Drawn) -> str:
    """A question mark for what is experimental."""
    return "?" if isinstance(drawn, ReaderTask) and drawn.is_experimental else ""


def _scale(side: float) -> float:
    return max(side / 250, 0.35)


def _lines(words: Sequence[str], width: float, scale: float) -> list[str]:
    """Words in as few lines as fit a width in pixels; each line has one word or more."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]}  {word}" if lines else word
        if lines and cv2.getTextSize(longer, FONT, scale, max(1, round(2 * scale)))[0][0] < width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _write(
    image: np.ndarray,
    box: np.ndarray,
    side: float,
    lines: Sequence[str],
    colour: tuple[int, int, int],
    *,
    is_below: bool = False,
) -> None:
    """Write lines above or below a face, within the image, on dark bars."""
    scale = _scale(side)
    thickness = max(1, round(2 * scale))
    sizes = [cv2.getTextSize(text, FONT, scale, thickness) for text in lines]
    step = max((height + below + 4 for (_, height), below in sizes), default=0)
    top = round(box[3]) + 2 if is_below else round(box[1]) - step * len(lines)
    top = max(min(top, image.shape[0] - step * len(lines)), 0)
    for place, (text, ((width, height), below)) in enumerate(zip(lines, sizes, strict=True)):
        if not text:
            continue
        x = max(min(round((box[0] + box[2] - width) / 2), image.shape[1] - width - 2), 2)
        y = top + place * step + height + 2
        cv2.rectangle(image, (x - 3, y - height - 3), (x + width + 3, y + below), SHADE, -1)
        cv2.putText(image, text, (x, y), FONT, scale, colour, thickness, cv2.LINE_AA)


def drawing(
    found: Sequence[Input], overlay: Path | None, drawn: Sequence[Drawn]
) -> AbstractContextManager[Callable[[Row], None]]:
    """A function that draws each row on the overlay, if there is one, within a `with` block.

    Args:
        found: the inputs.
        overlay: the file to write; None: nothing is drawn.
        drawn: what gives the rows their columns.

    Raises:
        InputError: the input is not one video, or see `overlay_writer`.
    """
    if overlay is None:
        return nullcontext(lambda row: None)
    if len(found) != 1:
        raise InputError(f"an overlay is drawn on one video; got {len(found)} inputs")
    if found[0].kind != "video":
        raise InputError(f"an overlay is drawn on a video; {found[0].name} is not one")
    return overlay_writer(found[0].path, overlay, drawn)


@contextmanager
def overlay_writer(video: Path, out: Path, drawn: Sequence[Drawn]) -> Iterator[Callable[[Row], None]]:
    """Write a copy of a video with its faces drawn on; it appears completely or not at all.

    Every frame is written at its displayed size and time, without sound. Frames without rows show the latest ones.

    Args:
        video: the file.
        out: the file to write, an MP4.
        drawn: what gives the rows their columns.

    Yields:
        A function that takes the rows of the video, one by one, in the order of frames.

    Raises:
        InputError: `out` is the video itself, does not end in .mp4, or there is nothing to draw.
        OutputError: the disk is full, or writing there is not allowed.
    """
    if out.suffix.lower() != ".mp4" or out.resolve() == video.resolve():
        raise InputError(f"an overlay is an .mp4 file beside the video that it is drawn on; got {out}")
    if not any(each.kind in ("points", "angles", "classes", *UNIT_KINDS) for each in drawn):
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
                    draw_face(image, row, drawn)
                writer.write(replace(frame, image=image))
                frame = next(frames, None)

        def take(row: Row) -> None:
            if row["frame"] is None:  # the row of an input that cannot be read
                return
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
