"""What `fabnet.read` gives on people that neither the encoder nor the face reader was fitted to.

Clips and cmu_faces by `splits_clips.csv` (val), AFLW2000-3D's labelled faces at hand. Clips are compared with the
reference curves of MediaPipe's face mesh inside each clip. Stand-ins for portraits are cmu_faces' straight heads
without sunglasses and the neutral stretches of clips: the frames whose mouth is narrow and closed in the reference.

Run: python experiments/reader/held_out.py --data DATA --out read.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from faces import read_table
from geometry import YAW_FACTOR

import fabnet
from fabnet.faces.pose import from_aflw2000
from fabnet.faces.units import UNIT_COLUMNS
from fabnet.files.mat_file import read_arrays
from fabnet.reading.table import PRESENT
from fabnet.video.decode import read_frames

CURVES = {
    "mouth_opening": "mouth_opening", "eyes_opening": "eyes_opening", "mouth_width": "mouth_width",
    "pose_yaw_deg": "yaw_deg", "pose_pitch_deg": "pitch_deg", "pose_roll_deg": "roll_deg",
}  # fmt: skip
"""Columns of `read`, and those of the reference curves."""
ABOUT_CLIP = "range (5 to 95 %), correlation, spread of the error, best lag in frames of 0.1 s, error with mouth, eyes"
MOST_LAG = 3
SHIFT = 0.04
RESAMPLES = 1000


def interval(values: list[Any], figure: Callable[[np.ndarray], Any] = np.mean) -> list[float]:
    """A figure of values, each a person's or clip's, with its 95 % bootstrap interval."""
    array, rng = np.array(values), np.random.default_rng(0)
    drawn = [figure(array[rng.integers(0, len(array), len(array))]) for _ in range(RESAMPLES)]
    return [round(float(each), 4) for each in (figure(array), *np.nanquantile(drawn, (0.025, 0.975)))]


def of_people(people: list[str], figure: Callable[[np.ndarray], Any]) -> list[float]:
    """A figure of the rows at some indices, with its interval by drawing people."""
    own = {name: np.flatnonzero(np.array(people) == name) for name in dict.fromkeys(people)}
    names = list(own)
    return interval(list(range(len(names))), lambda at: figure(np.concatenate([own[names[int(i)]] for i in at])))


def about_clip(name: str, given: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> list[float]:
    """How far a head moves in a clip, and how its angle differs from the reference curve, with the mean set apart."""
    use = np.isfinite(truth[name])
    ours, theirs = given[name][use], truth[name][use]
    theirs = theirs * np.sign(np.corrcoef(ours, theirs)[0, 1]) * (YAW_FACTOR if name == "pose_yaw_deg" else 1)
    error = (ours - ours.mean()) - (theirs - theirs.mean())
    lags = {}
    for lag in range(-MOST_LAG, MOST_LAG + 1):
        later, sooner = slice(max(lag, 0), len(ours) + min(lag, 0)), slice(max(-lag, 0), len(ours) - max(lag, 0))
        lags[lag] = np.corrcoef(ours[later], theirs[sooner])[0, 1]
    coupled = [abs(np.corrcoef(error, truth[other][use])[0, 1]) for other in ("mouth_opening", "eyes_opening")]
    low, high = np.quantile(theirs, (0.05, 0.95))
    correlation = np.corrcoef(ours, theirs)[0, 1]
    return [round(float(each), 3) for each in
            (high - low, correlation, error.std(), max(lags, key=lambda lag: lags[lag]), *coupled)]  # fmt: skip


def units_of(row: dict[str, Any]) -> np.ndarray:
    """(11,) probabilities of the action units of a row."""
    return np.array([row[name] for name in UNIT_COLUMNS])


def measure_clips(data: Path, figures: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Agreement with the reference curves, and units on neutral stretches; returns the rows of each clip."""
    clips = [
        row for row in read_table(data / "splits_clips.csv") if row["set"] != "cmu_faces" and row["split"] == "val"
    ]
    curves = defaultdict(list)
    for name in ("talking_clips", "more_clips"):
        for row in read_table(data / name / "reference_curves.csv"):
            curves[row["clip"]].append(row)
    read, agreement, present = {}, defaultdict(list), []
    for clip in clips:
        rows = fabnet.read(data / clip["set"] / clip["item"]).to_pylist()
        rows = [row for row in rows if row["in_range"] is not None]
        read[clip["item"]] = rows
        if clip["item"] not in curves:
            continue
        at = np.array([float(row["time_s"]) for row in curves[clip["item"]]])
        times = np.array([row["time_s"] for row in rows])
        every = np.searchsorted(times, np.arange(times[0], times[-1], 0.1))
        near = np.abs(at[None] - times[every][:, None]).argmin(axis=1)
        given = {name: np.array([rows[place][name] for place in every]) for name in CURVES}
        truth = {
            name: np.array([float(curves[clip["item"]][place][theirs] or "nan") for place in near])
            for name, theirs in CURVES.items()
        }
        for name in CURVES:
            use = np.isfinite(truth[name])
            agreement[name].append(abs(float(np.corrcoef(given[name][use], truth[name][use])[0, 1])))
        for name in ("pose_yaw_deg", "pose_pitch_deg"):
            figures[f"clip {clip['item']}: {name}: {ABOUT_CLIP}"] = about_clip(name, given, truth)
        width = np.array([float(curves[clip["item"]][place]["mouth_width"] or "nan") for place in near])
        mouth = np.array([float(curves[clip["item"]][place]["mouth_opening"] or "nan") for place in near])
        quiet = (width <= np.nanquantile(width, 0.4)) & (mouth < 0.015)
        if quiet.sum() >= 5:
            present.append(float(np.mean([(units_of(rows[i]) >= PRESENT).mean() for i in every[quiet]])))
    for name, values in agreement.items():
        figures[f"clips, correlation inside, median: {name}"] = [*interval(values, np.median), len(values)]
    figures["clips, units present on neutral stretches"] = interval(present)
    return read


def measure_stills(data: Path, figures: dict[str, Any]) -> None:
    """Portraits of cmu_faces: units on neutral faces, smiles, spread of pitch, direction of the head."""
    splits = {row["item"]: row["split"] for row in read_table(data / "splits_clips.csv")}
    labels = [row for row in read_table(data / "cmu_faces" / "labels.csv") if splits[row["person"]] == "val"]
    read = {row["source"]: row for row in fabnet.read(data / "cmu_faces" / "frames").to_pylist()}
    every = [read[row["path"]] for row in labels]
    figures["cmu_faces, faces found, in range"] = [
        round(float(np.mean([each["in_range"] is not None for each in every])), 3),
        round(float(np.mean([bool(each["in_range"]) for each in every])), 3),
    ]
    found = [(row, read[row["path"]]) for row in labels if read[row["path"]]["in_range"] is not None]
    open_eyed = [(row, each) for row, each in found if row["eyes"] == "open"]
    neutral = [(row, each) for row, each in open_eyed if row["expression"] == "neutral"]
    present = np.array([(units_of(each) >= PRESENT).mean() for _, each in neutral])
    figures["cmu_faces, units present on neutral faces"] = of_people(
        [row["person"] for row, _ in neutral], lambda at: present[at].mean()
    )
    chosen = [(row, each) for row, each in open_eyed if row["expression"] in ("happy", "neutral")]
    for name, poses in (("smile", {"left", "straight", "right", "up"}), ("smile of straight heads", {"straight"})):
        own = [(row, each) for row, each in chosen if row["pose"] in poses]
        happy = np.array([row["expression"] == "happy" for row, _ in own])
        smile = np.array([each["smile"] for _, each in own])

        def area(at: np.ndarray, happy: np.ndarray = happy, smile: np.ndarray = smile) -> float:
            return float((smile[at][happy[at]][:, None] > smile[at][~happy[at]]).mean()) if happy[at].any() else np.nan

        figures[f"cmu_faces, {name}, AUC, n"] = [*of_people([row["person"] for row, _ in own], area), len(own)]
    straight = [(row, each) for row, each in open_eyed if row["pose"] == "straight"]
    pitch = np.array([each["pose_pitch_deg"] for _, each in straight])
    figures["cmu_faces, pitch of straight heads, mean"] = round(float(pitch.mean()), 2)
    figures["cmu_faces, pitch of straight heads, spread, n"] = [
        *of_people([row["person"] for row, _ in straight], lambda at: pitch[at].std()), len(pitch)
    ]  # fmt: skip
    for pose in ("left", "straight", "right", "up"):
        turned = [each for row, each in found if row["pose"] == pose]
        figures[f"cmu_faces, {pose}: yaw, pitch, n"] = [
            round(float(np.median([each[f"pose_{name}_deg"] for each in turned])), 1) for name in ("yaw", "pitch")
        ] + [len(turned)]  # fmt: skip


def measure_pose(data: Path, figures: dict[str, Any]) -> None:
    """Pose against AFLW2000-3D's labels."""
    errors, inside = [], []
    folder = data / "aflw2000_samples"
    for row in fabnet.read(sorted(folder.glob("*.jpg"))).to_pylist():
        file = folder / row["source"]
        labelled = np.asarray(read_arrays(file.with_suffix(".mat"), ["Pose_Para"])["Pose_Para"], float).ravel()[:3]
        roll, pitch, yaw = np.degrees(from_aflw2000(labelled))
        if row["in_range"] is None or abs(yaw) > 60:
            continue
        wrong = {"yaw": yaw, "pitch": pitch, "roll": roll}
        wrong = {name: abs(row[f"pose_{name}_deg"] - value) for name, value in wrong.items()}
        errors.append(list(wrong.values()))
        inside.append([error <= row[f"pose_{name}_deg_pm"] for name, error in wrong.items()])
    figures["aflw2000, yaw to 60 degrees: median error of yaw, pitch, roll, n"] = [
        *(round(float(each), 2) for each in np.median(errors, axis=0)), len(errors)
    ]  # fmt: skip
    figures["aflw2000, share of errors inside the half-widths"] = round(float(np.mean(inside)), 3)


def measure_steadiness(data: Path, read: dict[str, list[dict[str, Any]]], figures: dict[str, Any]) -> None:
    """The same frames as photos, as video, from a store, and with the picture moved."""
    apart: dict[str, list[Any]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        for item in [name for name in read if name.endswith(".mp4")][:6]:
            place = next(path for path in (data / "talking_clips" / item, data / "more_clips" / item) if path.is_file())
            store = Path(scratch) / f"{item}.lance"
            fabnet.track(place, store, fps=5, splits="moments", num_workers=0)
            stored = {row["frame"]: row for row in fabnet.read(store).to_pylist()}
            video = {row["frame"]: row for row in read[item]}
            photos = Path(scratch) / item
            photos.mkdir()
            for frame in read_frames(place, fps=5):
                if frame.index in stored and frame.index in video and frame.index % 3 == 0:
                    cv2.imwrite(str(photos / f"{frame.index}.png"), frame.image[:, :, ::-1])
                    box = video[frame.index]["box_px"] or [0, 0, 0, 0]
                    down = np.array([[1, 0, 0], [0, 1, 1.24 * SHIFT * (box[2] - box[0])]])
                    size = frame.image.shape[1::-1]
                    moved = cv2.warpAffine(frame.image, down, size, borderMode=cv2.BORDER_REPLICATE)
                    cv2.imwrite(str(photos / f"{frame.index}-moved.png"), moved[:, :, ::-1])
            photo = {row["source"].removesuffix(".png"): row for row in fabnet.read(photos).to_pylist()}
            for index in [int(name) for name in photo if "-" not in name]:
                pairs = {
                    "video and store": (video[index], stored[index]),
                    "photo and video": (photo[str(index)], video[index]),
                    "photo and the picture moved down by 4 %": (photo[str(index)], photo[f"{index}-moved"]),
                }
                for name, (one, other) in pairs.items():
                    if one["in_range"] is not None and other["in_range"] is not None:
                        flips = (units_of(one) >= PRESENT) != (units_of(other) >= PRESENT)
                        apart[name].append((abs(one["pose_pitch_deg"] - other["pose_pitch_deg"]), flips.mean()))
    for name, values in apart.items():
        pitch, flips = np.array(values).mean(axis=0)
        figures[f"{name}: pitch apart in degrees, units that flip, n"] = [
            round(float(pitch), 3), round(float(flips), 4), len(values)
        ]  # fmt: skip


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    read = measure_clips(options.data, figures)
    measure_stills(options.data, figures)
    measure_pose(options.data, figures)
    measure_steadiness(options.data, read, figures)
    options.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
