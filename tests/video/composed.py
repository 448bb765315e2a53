"""Composes videos of real clips with the position of every person in every frame, to test linking."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from fabnet.video.decode import read_frames
from fabnet.video.track_video import TrackedFace

FPS = 25


@dataclass
class Composed:
    """A video under construction.

    Attributes:
        frames: (H, W, 3) uint8 RGB, all of one size.
        who: a frame's people, topmost first: a name and the part of the frame, x0, y0, x1, y1, that is theirs; None:
            two people blended.
    """

    frames: list[np.ndarray] = field(default_factory=list)
    who: list[list[tuple[str, tuple[float, float, float, float]]] | None] = field(default_factory=list)

    def add(self, frame: np.ndarray, who: list[tuple[str, tuple[float, float, float, float]]] | None) -> None:
        self.frames.append(frame)
        self.who.append(who)

    def write(self, path: Path, **options: object) -> Path:
        return write_video(path, self.frames, **options)  # type: ignore[arg-type]


def load_clip(path: Path, size: int = 256, start: int = 0, count: int = 10_000) -> list[np.ndarray]:
    """A clip's frames, (size, size, 3), its middle square."""
    frames = []
    for frame in read_frames(path):
        if frame.index >= start + count:
            break
        if frame.index >= start:
            height, width = frame.image.shape[:2]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            square = frame.image[top : top + side, left : left + side]
            frames.append(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
    return frames


def two_of(frames: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """One man as two people, the second one mirrored, larger and in colder light."""
    others = []
    for frame in frames:
        large = cv2.resize(frame[16:240, 16:240], (256, 256), interpolation=cv2.INTER_LINEAR)[:, ::-1]
        others.append(np.clip(large * np.array([0.8, 0.95, 1.2]) + 15, 0, 255).astype(np.uint8))
    return {"he": frames, "other": others}


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    fps: int = FPS,
    times_s: Sequence[float] | None = None,
    crf: int = 23,
    faststart: bool = False,
    key_every: int = 250,
    pixel_aspect: Fraction = Fraction(1),
    codec: str = "libx264",
) -> Path:
    """Encode frames, evenly or with the given time stamps; `faststart` puts the index before the pictures."""
    is_raw = path.suffix in (".h264", ".264", ".m2v", ".m4v")
    with av.open(str(path), "w", options={"movflags": "faststart"} if faststart else {}) as container:
        options = {"crf": str(crf), "preset": "ultrafast", "bf": "0"} if codec == "libx264" else {"b": "2000000"}
        stream = container.add_stream(codec, rate=fps, options=options | {"g": str(key_every)})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.codec_context.thread_count = 1
        base = Fraction(1, 12_800) if codec == "libx264" and not is_raw else Fraction(1, fps)
        stream.time_base = stream.codec_context.time_base = base
        for number, image in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            time_s = number / fps if times_s is None else times_s[number]
            picture.pts, picture.time_base = round(time_s / base), base
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The same file with a, b, c, d of its track's display matrix replaced."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65_536 for value in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    place = path.with_name("turned.mp4")
    place.write_bytes(content)
    return place


def trimmed(path: Path, start_s: float, length_s: float) -> Path:
    """The same file with an edit list that shows a part of it, as programs write it that trim without re-encoding."""
    content = bytearray(path.read_bytes())
    (clock,) = struct.unpack_from(">I", content, content.index(b"mdhd") + 16)
    length = round(length_s * 1000)  # in the film's clock, FFmpeg's milliseconds
    struct.pack_into(">Ii", content, content.index(b"elst") + 12, length, round(start_s * clock))
    place = path.with_name("trimmed.mp4")
    place.write_bytes(content)
    return place


def whole(frame: np.ndarray) -> tuple[float, float, float, float]:
    return (0.0, 0.0, float(frame.shape[1]), float(frame.shape[0]))


def alone(name: str, frames: Sequence[np.ndarray]) -> Composed:
    video = Composed()
    for frame in frames:
        video.add(frame, [(name, whole(frame))])
    return video


def side_by_side(people: Mapping[str, Sequence[np.ndarray]], count: int) -> Composed:
    video = Composed()
    for number in range(count):
        parts = [frames[number % len(frames)] for frames in people.values()]
        width = parts[0].shape[1]
        frame = np.hstack(parts)
        who = [(name, (place * width, 0.0, (place + 1.0) * width, 256.0)) for place, name in enumerate(people)]
        video.add(frame, who)
    return video


def hard_cut(people: Mapping[str, Sequence[np.ndarray]], each: int) -> Composed:
    video = Composed()
    for name, frames in people.items():
        for frame in frames[:each]:
            video.add(frame, [(name, whole(frame))])
    return video


def blended(
    first: tuple[str, Sequence[np.ndarray]],
    second: tuple[str, Sequence[np.ndarray]],
    *,
    each: int,
    count: int,
    through: int | None = None,
) -> Composed:
    """One person, `count` frames of cross-dissolve (or a fade through the grey level `through`), the other person."""
    video = Composed()
    a, b = first[1], second[1]
    for frame in a[:each]:
        video.add(frame, [(first[0], whole(frame))])
    for step in range(count):
        share = (step + 1) / (count + 1)
        old, new = a[(each + step) % len(a)].astype(np.float32), b[step % len(b)].astype(np.float32)
        if through is None:
            frame, who = (1 - share) * old + share * new, None
        elif share < 0.5:
            frame, who = (1 - 2 * share) * old + 2 * share * through, [(first[0], whole(old))]
        else:
            frame, who = (2 * share - 1) * new + 2 * (1 - share) * through, [(second[0], whole(new))]
        video.add(np.rint(frame).astype(np.uint8), who)
    for step in range(each):
        frame = b[(count + step) % len(b)]
        video.add(frame, [(second[0], whole(frame))])
    return video


def passing(
    back: tuple[str, Sequence[np.ndarray]],
    front: tuple[str, Sequence[np.ndarray]],
    *,
    count: int,
    is_turning: bool = False,
) -> Composed:
    """One person stands in the middle; the other crosses before them, or steps in front of them and back.

    The picture is three times as wide as the clips.
    """
    video = Composed()
    for number in range(count):
        behind, over = back[1][number % len(back[1])], front[1][number % len(front[1])]
        size = behind.shape[0]
        canvas = np.repeat(behind[:, :1], 3 * size, axis=1)
        canvas[:, size : 2 * size] = behind
        walked = number / (count - 1)
        left = round(size * (1 - abs(2 * walked - 1)) if is_turning else 2 * size * walked)
        mask = oval_mask(size)[..., None]
        patch = canvas[:, left : left + size]
        patch[:] = np.rint(mask * over + (1 - mask) * patch).astype(np.uint8)
        in_front = (left + 0.22 * size, 0.0, left + 0.78 * size, float(size))
        video.add(canvas, [(front[0], in_front), (back[0], whole(canvas))])
    return video


def oval_mask(size: int) -> np.ndarray:
    """(size, size) float in 0..1: a head's oval in the middle, with soft edges."""
    mask = np.zeros((size, size), np.float32)
    cv2.ellipse(mask, (size // 2, size // 2), (round(0.36 * size), round(0.47 * size)), 0, 0, 360, (1.0,), -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), size / 64))


def leaving(person: tuple[str, Sequence[np.ndarray]], *, seen: int, away: int) -> Composed:
    """A person, the empty scene, the person again."""
    video = Composed()
    name, frames = person
    empty = cv2.GaussianBlur(frames[0], (0, 0), frames[0].shape[0] / 6)
    for frame in frames[:seen]:
        video.add(frame, [(name, whole(frame))])
    for _ in range(away):
        video.add(empty, [])
    for frame in frames[seen : 2 * seen]:
        video.add(frame, [(name, whole(frame))])
    return video


@dataclass
class Verdict:
    """Tracks of a composed video, compared with its people.

    Attributes:
        people_of: people of each track, without blended frames.
        num_blended: faces kept on blended frames.
        tracks_of: of each person, how many tracks.
        share: of the frames on which a person is there alone or beside others, those with a face of theirs.
    """

    people_of: dict[int, set[str]]
    num_blended: int
    tracks_of: dict[str, int]
    share: dict[str, float]

    @property
    def num_mixed(self) -> int:
        """Tracks with two people: wrong joins and swaps."""
        return sum(len(people) > 1 for people in self.people_of.values())


def judge(video: Composed, faces: Sequence[TrackedFace], every: int = 5) -> Verdict:
    people_of: dict[int, set[str]] = {}
    found: dict[str, set[int]] = {}
    num_blended = 0
    for face in faces:
        people_of.setdefault(face.track, set())
        there = video.who[face.frame]
        if there is None:
            num_blended += 1
            continue
        # By the majority of points, because the box of a half-hidden face overlaps the face in front.
        x, y = face.landmarks5_px.T
        for name, (x0, y0, x1, y1) in there:
            if ((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)).sum() > 2:
                people_of[face.track].add(name)
                found.setdefault(name, set()).add(face.frame)
                break
    names = {name for who in video.who if who for name, _ in who}
    there_on = {
        name: [n for n, who in enumerate(video.who) if n % every == 0 and who and name in [each for each, _ in who]]
        for name in names
    }
    tracks_of = {name: sum(name in people for people in people_of.values()) for name in names}
    share = {name: len(found.get(name, set()) & set(there_on[name])) / len(there_on[name]) for name in names}
    return Verdict(people_of, num_blended, tracks_of, share)
