"""The pictures that detectors are measured on: faces of people held out, pictures without a face, clips."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from detector_candidates import detectors
from tables import read_table

from fabnet.faces.detect.detection import SmallestFace
from fabnet.faces.detect.photos import PHOTO_SHARE
from fabnet.probes.faces import read_image
from fabnet.video.decode import read_frames

SEED = 0
NONE = np.empty((0, 2))
CLIPS = ("talking_clips", "more_clips")


@dataclass(frozen=True)
class Picture:
    """An image, and where the faces in it are that are known: the middle of their labelled points."""

    image: np.ndarray
    middles: np.ndarray


class Bench:
    """What is measured, set by set; images are seen once by every detector."""

    def __init__(self, data: Path, scale: float) -> None:
        self._data, self._scale = data, scale
        self._random = np.random.default_rng(SEED)
        stills, frames = SmallestFace(share=PHOTO_SHARE), SmallestFace()
        self.stills, self.frames, self.tiny = (detectors(each) for each in (stills, frames, SmallestFace(px=12.0)))
        people = {row["person"]: row["split"] for row in read_table(data / "youtube_faces" / "people.csv")}
        self._labels = [
            (people[row["frame"].split("/")[0]], row) for row in read_table(data / "youtube_faces" / "landmarks68.csv")
        ]
        clips = read_table(data / "splits_clips.csv")
        self._clips = [row for row in clips if row["split"] == "val" and row["set"] in CLIPS]

    def count(self, count: int) -> int:
        """A number of images, less in a trial run."""
        return max(8, round(count * self._scale))

    def labelled(self, split: Sequence[str], count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Frames of YouTube Faces with their 68 points."""
        rows = [row for own, row in self._labels if own in split]
        chosen = [rows[place] for place in self._random.permutation(len(rows))[: self.count(count)]]
        folder = self._data / "youtube_faces" / "frames"
        names = [(f"x{place}", f"y{place}") for place in range(68)]
        points = [np.array([[float(row[x]), float(row[y])] for x, y in names]) for row in chosen]
        return [(read_image(folder / row["frame"]), own) for row, own in zip(chosen, points, strict=True)]

    def cmu(self) -> Iterator[tuple[str, list[Picture]]]:
        """Grey faces of 50 px by the head's direction."""
        rows = read_table(self._data / "cmu_faces" / "labels.csv")
        folder = self._data / "cmu_faces" / "frames"
        for pose in ("straight", "left", "right", "up"):
            own = [row["path"] for row in rows if row["pose"] == pose]
            images = [read_image(folder / path) for path in own[: self.count(len(own))]]
            yield f"cmu_faces {pose}", [Picture(image, NONE) for image in images]

    def mtfl(self) -> Iterator[tuple[str, list[Picture]]]:
        """Stills of 80 px by pose: the test part (AFLW), framed tightly; 1 is the left profile, 5 the right one."""
        rows = [row for row in read_table(self._data / "mtfl" / "labels.csv") if row["split"] == "test"]
        for pose in "12345":
            own = [row for row in rows if row["pose5"] == pose]
            pictures = []
            for place in self._random.permutation(len(own))[: self.count(100)]:
                row = own[place]
                middle = [[np.mean([float(row[f"{axis}{n}"]) for n in range(1, 6)]) for axis in "xy"]]
                pictures.append(Picture(read_image(self._data / "mtfl" / "images" / row["path"]), np.array(middle)))
            yield f"mtfl pose {pose}", pictures

    def youtube(self) -> Iterator[tuple[str, list[Picture]]]:
        """Frames as they are, dark, small, and many in one picture."""
        frames = self.labelled(["val"], 400)
        yield "youtube_faces", [Picture(image, points.mean(0, keepdims=True)) for image, points in frames]
        for name, gain, noise in (("dark (x 0.15, noise 4)", 0.15, 4), ("darker (x 0.06, noise 3)", 0.06, 3)):
            dark = []
            for image, points in frames[: self.count(200)]:
                noisy = image * gain + self._random.normal(0, noise, image.shape)
                dark.append(Picture(noisy.clip(0, 255).round().astype(np.uint8), points.mean(0, keepdims=True)))
            yield name, dark
        tiles = [cv2.resize(image, (160, 160), interpolation=cv2.INTER_AREA) for image, _ in frames]
        middles = [points.mean(0) * 160 / image.shape[1::-1] for image, points in frames]
        groups = []
        for _ in range(self.count(40)):
            chosen = self._random.permutation(len(tiles))[:12].tolist()
            places = [np.array([place % 4, place // 4]) * 160 for place in range(12)]
            image = np.zeros((480, 640, 3), np.uint8)
            for index, (x, y) in zip(chosen, places, strict=True):
                image[y : y + 160, x : x + 160] = tiles[index]
            known = np.stack([middles[index] + at for index, at in zip(chosen, places, strict=True)])
            groups.append(Picture(image, known))
        yield "groups of 12 (faces of 45 px)", groups

    def small(self) -> Iterator[tuple[str, list[Picture]]]:
        """Frames made so small that the face (1.2 times the points' height) has so many pixels."""
        frames = self.labelled(["val", "test"], 150)
        for side in (16, 20, 28, 40):
            pictures = []
            for image, points in frames:
                scale = side / (1.2 * float(np.ptp(points[:, 1])))
                if scale < 1:
                    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                    pictures.append(Picture(small, points.mean(0, keepdims=True) * scale))
            yield f"faces of {side} px", pictures

    def empty(self) -> Iterator[tuple[str, list[Picture]]]:
        """Pictures with no face that is known: what is beside it, and frames whose blocks are shuffled."""
        beside: list[Picture] = []
        shuffled: list[Picture] = []
        for image, points in self.labelled(["val", "test"], 700):
            height, width = image.shape[:2]
            middle, reach = (points.min(0) + points.max(0)) / 2, 0.7 * np.ptp(points, axis=0).max()
            x0, y0, x1, y1 = np.clip([*(middle - reach), *(middle + reach)], 0, [width, height, width, height]).astype(
                int
            )
            parts = [image[:, :x0], image[:, x1:], image[:y0], image[y1:]]
            largest = max(parts, key=lambda part: min(part.shape[:2]))
            if min(largest.shape[:2]) >= 48:
                beside.append(Picture(np.ascontiguousarray(largest), NONE))
            if len(shuffled) < self.count(200):
                blocks = image[: height // 16 * 16, : width // 16 * 16]
                rows, columns = blocks.shape[0] // 16, blocks.shape[1] // 16
                grid = blocks.reshape(rows, 16, columns, 16, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 16, 16, 3)
                grid = self._random.permutation(grid).reshape(rows, columns, 16, 16, 3)
                back = grid.transpose(0, 2, 1, 3, 4).reshape(rows * 16, columns * 16, 3)
                shuffled.append(Picture(np.ascontiguousarray(back), NONE))
        yield "beside the face", beside
        yield "shuffled blocks of 16 px", shuffled

    def clips(self, fps: float | None, count: int) -> Iterator[tuple[str, list[np.ndarray]]]:
        """The first frames of each clip of val people; `fps` None: all, else at this rate."""
        for row in self._clips:
            frames = read_frames(self._data / row["set"] / row["item"], fps=fps)
            yield row["item"], [frame.image for frame in itertools.islice(frames, count)]
