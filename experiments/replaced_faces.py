"""How many frames go on under the wrong track when a face is replaced, covered or crossed by another.

    python experiments/replaced_faces.py DATA

Pairs of the talking clips are composed to scenes (`tests/video/composed.py`). A face is wrong where its track began
with somebody else. In "at one place", the face changes inside a wide picture that stays the same, which is not a cut.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

import fabnet
from fabnet.faces.detect.load import load_detector
from fabnet.reading.canonical import Eyes
from fabnet.reading.read_video import ReadFrame, VideoFaces, read_video

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.video.composed import Composed, blended, load_clip, passing, whole

PAIRS = (("d10", "d18"), ("d3", "d9"), ("d13", "d14"), ("d19", "d20"), ("d12", "d6"))
Person = tuple[str, list[np.ndarray]]


def at_one_place(first: Person, second: Person, *, count: int, each: int = 43, size: int = 160) -> Composed:
    """A face, `count` frames of cross-fade, and the other's face."""
    video = Composed()
    wide = cv2.resize(cv2.GaussianBlur(first[1][0], (0, 0), 40), (640, 480))
    for number in range(2 * each + count):
        share = float(np.clip((number - each + 1) / (count + 1), 0, 1))
        old, new = (frames[number % len(frames)].astype(np.float32) for _, frames in (first, second))
        face = np.rint((1 - share) * old + share * new).astype(np.uint8)
        frame = wide.copy()
        frame[180 : 180 + size, 240 : 240 + size] = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)
        video.add(frame, [((first if share < 0.5 else second)[0], whole(frame))])
    return video


def covered(first: Person, second: Person, *, count: int = 75) -> Composed:
    """A plain board passes before the first person."""
    video = Composed()
    for number in range(count):
        frame = first[1][number % len(first[1])].copy()
        size = len(frame)
        left = round(size * (1.2 - 2.4 * number / (count - 1)))
        frame[:, max(left, 0) : max(left + round(0.8 * size), 0)] = (150, 120, 100)
        is_hidden = left < 0.28 * size and left + 0.8 * size > 0.72 * size
        video.add(frame, [] if is_hidden else [(first[0], whole(frame))])
    return video


def read(video: Composed, eyes: Eyes) -> list[ReadFrame]:
    with tempfile.TemporaryDirectory() as folder:
        return list(
            read_video(
                video.write(Path(folder) / "scene.mp4"), eyes, partial(load_detector, "yunet"), fps=None,
                search_every_s=1.0, counts=VideoFaces(), num_threads=2,
            )
        )  # fmt: skip


def wrong_frames(video: Composed, frames: list[ReadFrame], eyes: Eyes) -> tuple[int, int]:
    """Faces, and those of them under somebody else's track or where nobody is."""
    owner: dict[int, str] = {}
    faces = wrong = 0
    for frame in frames:
        there = video.who[frame.number]
        if there is None:
            continue
        seen = frame.faces.seen
        points = eyes.reader.points5(eyes.reader.outputs(seen.embeddings), seen)
        for track, five in zip(frame.tracks, points, strict=True):
            x, y = five.T
            inside = [name for name, (x0, y0, x1, y1) in there
                      if ((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)).sum() > 2]  # fmt: skip
            if inside or not there:  # otherwise the face leaves the picture
                faces += 1
                wrong += not inside or owner.setdefault(track, inside[0]) != inside[0]
    return faces, wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    encoder = fabnet.load("base")
    eyes = Eyes(encoder, encoder.required_reader())
    names = sorted({name for pair in PAIRS for name in pair})
    clips = {name: load_clip(data / "talking_clips" / f"{name}.mp4", count=120) for name in names}
    scenes: dict[str, Callable[[Person, Person], Composed]] = {
        **{f"at one place, fade of {count} frames": partial(at_one_place, count=count) for count in (0, 4, 12, 25, 50)},
        "dissolve of 25 frames": partial(blended, each=40, count=25),
        "passing": partial(passing, count=75),
        "passing fast": partial(passing, count=35),
        "stepping in front": partial(passing, count=75, is_turning=True),
        "covered by a board": covered,
    }
    for scene, make in scenes.items():
        found = []
        for one, other in PAIRS:
            video = make((one, clips[one]), (other, clips[other]))
            found.append(wrong_frames(video, read(video, eyes), eyes))
        print(f"{scene}: wrong {[wrong for _, wrong in found]} of {[faces for faces, _ in found]}", flush=True)


if __name__ == "__main__":
    main()
