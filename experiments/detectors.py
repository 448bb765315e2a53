"""Face detectors beside each other: faces found, false boxes, steadiness of the crop, time.

Every detector's boxes are first brought to MTCNN's (what the encoders were trained on) by a relation that is fitted on
the training people of YouTube Faces; all else is measured on people of val and test. Seeded; one thread.

Run: OMP_NUM_THREADS=1 python experiments/detectors.py --data DATA --results docs/results/detectors.json
The candidates that fabnet does not ship are measured where their packages are installed (detector_candidates.py).
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detector_pictures import NONE, SEED, Bench, Picture
from detector_relation import Found, Relation, place_of, related, relation_of
from scipy.signal import savgol_filter

from fabnet.faces.crop import CropSpec, crop_box
from fabnet.faces.detect.detection import Detection, Detector, Follower

SPEC = CropSpec()
YUNET_SCORES = (0.6, 0.7, 0.8, 0.9)
"""Least scores, as the detector gives them, that are tried."""
SMOOTHED_FRAMES, CLIP_FRAMES = 9, 60


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
