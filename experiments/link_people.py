"""How well tracks are linked to people: purity and completeness by distance, on YouTube Faces and composed clips.

    python experiments/link_people.py DATA [--model dlib-identity] [--out FILE.json]

A distance is chosen on training people (the largest with a purity of 99 % or more), and reported on validation and
test people. In YouTube Faces, each clip is a track of up to five frames, and all tracks of a split are linked together,
which is harder than a video of a few people. In the composed clips, scenes of three people alternate with hard cuts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tables import read_table

import fabnet
from fabnet.encoders.recogniser import load_recogniser
from fabnet.faces.crop import CropSpec, crop_box, cut
from fabnet.reading.linked_people import CROP_SIZE, groups
from fabnet.reading.read import read_all

DISTANCES = np.round(np.arange(0.03, 0.131, 0.005), 3)
LEAST_PURITY = 0.99
FACES = 3


def purity_and_completeness(labels: np.ndarray, people: np.ndarray) -> tuple[float, float]:
    """B-cubed: of a track's group, the share that is its person; of its person's tracks, the share in its group."""
    group, person = labels[:, None] == labels, people[:, None] == people
    both = (group & person).sum(axis=1)
    return float((both / group.sum(axis=1)).mean()), float((both / person.sum(axis=1)).mean())


def figures(vectors: np.ndarray, people: np.ndarray, distance: float) -> dict[str, float]:
    """Purity, completeness and their 95 % intervals by bootstrap over people."""
    labels = groups(vectors, np.zeros((len(people), len(people)), bool), distance)
    group, person = labels[:, None] == labels, people[:, None] == people
    both = (group & person).sum(axis=1)
    shares = {"purity": both / group.sum(axis=1), "completeness": both / person.sum(axis=1)}
    rng, names = np.random.default_rng(0), np.unique(people)
    own = {name: np.flatnonzero(people == name) for name in names}
    draws = [np.concatenate([own[name] for name in rng.choice(names, len(names))]) for _ in range(1000)]
    found: dict[str, float] = {"tracks": len(people), "people": len(names), "found": len(np.unique(labels))}
    for name, values in shares.items():
        low, high = np.quantile([values[draw].mean() for draw in draws], [0.025, 0.975])
        found |= {name: float(values.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def youtube_faces(data: Path, model: str, kept: Path | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Median embeddings and people of the tracks of each split; every other training person."""
    split = {row["person"]: row["split"] for row in read_table(data / "youtube_faces" / "people.csv")}
    train = sorted(person for person, part in split.items() if part == "train")
    left_out = set(train[1::2])
    root = data / "youtube_faces" / "frames"
    folders = [folder for folder in sorted(root.iterdir()) if folder.name not in left_out]
    recogniser = load_recogniser(model)
    made: dict[tuple[str, str], np.ndarray] = {}
    for folder in folders:
        rows = [row for row in read_all(folder)[0].to_pylist() if row["in_range"]]
        rows.sort(key=lambda row: np.hypot(row["pose_yaw_deg"], row["pose_pitch_deg"]))
        for clip in sorted({row["source"].split("/")[0] for row in rows}):
            chosen = [row for row in rows if row["source"].split("/")[0] == clip][:FACES]
            crops = []
            for row in chosen:
                image = cv2.cvtColor(cv2.imread(str(folder / row["source"])), cv2.COLOR_BGR2RGB)
                crops.append(cut(image, crop_box(np.array(row["box_px"]), CropSpec()), CROP_SIZE))
            vectors = recogniser.embed(crops, np.zeros((len(crops), 5, 2)))
            made[folder.name, clip] = np.median(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), axis=0)
    if kept is not None:
        np.savez(kept, people=[person for person, _ in made], vectors=np.array(list(made.values())))
    parts = {}
    for part in ("train", "val", "test"):
        tracks = [track for track in made if split[track[0]] == part]
        parts[part] = np.array([made[track] for track in tracks]), np.array([person for person, _ in tracks])
    return parts


def composed_clips(data: Path, model: str, distance: float) -> dict[str, float]:
    """Four videos of three people each, in six scenes of 1.6 s with hard cuts."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.video.composed import Composed, load_clip, whole

    names = ("d3", "d6", "d9", "d13", "d14", "d10", "d12", "d18", "d19", "d20")
    clips = {name: load_clip(data / "talking_clips" / f"{name}.mp4", count=100) for name in names}
    shares, counts = [], []
    for number, three in enumerate(itertools.islice(zip(names, names[3:], names[6:], strict=False), 4)):
        video = Composed()
        for scene in range(6):
            name = three[scene % 3]
            for frame in clips[name][50 * (scene // 3) :][:40]:
                video.add(frame, [(name, whole(frame))])
        with tempfile.TemporaryDirectory() as folder:
            table, _ = read_all(video.write(Path(folder) / f"{number}.mp4"), people=model, people_distance=distance)
        found: dict[str, tuple[str, str]] = {}
        for row in table.to_pylist():
            there = video.who[row["frame"]]
            if row["track"] is not None and there:
                found.setdefault(row["track"], (row["person"], there[0][0]))
        labels = np.unique([person for person, _ in found.values()], return_inverse=True)[1]
        shares.append(purity_and_completeness(labels, np.array([name for _, name in found.values()])))
        counts.append((len(found), len(set(labels))))
        print(three, counts[-1], shares[-1], flush=True)
    purity, completeness = np.mean(shares, axis=0)
    tracks, people = np.sum(counts, axis=0)
    return {"tracks": int(tracks), "found": int(people), "purity": float(purity), "completeness": float(completeness)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="dlib-identity")
    parser.add_argument("--vectors", type=Path, help="an .npz file to keep the embeddings in")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    parts = youtube_faces(args.data, args.model, args.vectors)
    curve = {float(each): figures(*parts["train"], float(each)) for each in DISTANCES}
    chosen = max(each for each, figure in curve.items() if figure["purity"] >= LEAST_PURITY)
    found: dict[str, Any] = {"fabnet": fabnet.__version__, "model": args.model, "distance": chosen}
    found["youtube_faces"] = {part: figures(*tracks, chosen) for part, tracks in parts.items()}
    found["train_by_distance"] = curve
    found["composed"] = composed_clips(args.data, args.model, chosen)
    text = json.dumps(found, indent=1)
    print(text)
    if args.out is not None:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
