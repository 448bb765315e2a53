"""The labelled faces that the face reader is fitted to and measured on: names, people, splits, labels."""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from geometry import Heads, heads, template_of

from fabnet.faces.units import UNITS

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
SETS = ("youtube_faces", "clips", "cmu_faces", "mtfl", "ferplus", "ckplus48")
HELD_OUT = 5
"""Of the sets without a split of their own, every fifth person (of mtfl: picture) is held out."""


@dataclass(slots=True)
class Faces:
    """The faces of a set in which the mesh was found."""

    name: str
    names: np.ndarray
    """(N,) of the pictures."""
    people: np.ndarray
    """(N,) who is seen; the picture's name where this is unknown."""
    is_train: np.ndarray
    """(N,) bool; the others are held out."""
    heads: Heads
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    """Further labels by name, (N,) each: `smile` 0, 1 or NaN; `unit1` ...; `expression`, `agreement`; `turn`, `acted`,
    `eyes`."""


def arguments(description: str | None, *places: str) -> argparse.Namespace:
    """Options of a script about an encoder: `model`, the folders `data` and `work`, and these further places."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    for place in ("data", "work", *places):
        parser.add_argument(f"--{place}", type=Path, required=True)
    return parser.parse_args()


@cache
def read_template(work: Path) -> np.ndarray:
    """The mean mesh, of the frames of YouTube Faces' training people."""
    content = np.load(work / "mesh-youtube_faces.npz")
    points = content["points"]
    return template_of(points[np.isfinite(points[:, 0, 0])])


def read_faces(name: str, data: Path, work: Path, window_side: float) -> Faces:
    """Read a set's meshes and labels; the encoder's window has this side, as a share of its crop's."""
    template = read_template(work)
    content = np.load(work / f"mesh-{name}.npz")
    found = np.isfinite(content["points"][:, 0, 0])
    names, meshes = content["names"][found], content["points"][found]
    people, splits, labels = LABELS[name](data, names)
    return Faces(name, names, people, splits == "train", heads(meshes, template, window_side), labels)


Read = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def read_table(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column."""
    with file.open(newline="") as content:
        return list(csv.DictReader(content))


def _youtube_faces(data: Path, names: np.ndarray) -> Read:
    splits = {row["person"]: row["split"] for row in read_table(data / "youtube_faces" / "people.csv")}
    people = np.array([name.split("/")[0] for name in names])
    return people, np.array([splits[person] for person in people]), {}


def _clips(data: Path, names: np.ndarray) -> Read:
    split, people, clips = np.array([name.split("/")[0].split("_", 2) for name in names]).T
    times = np.array([float(name.rsplit("_", 1)[1].removesuffix(".jpg")) for name in names])
    return people, split, {"clip": clips, "time_s": times}


def _cmu_faces(data: Path, names: np.ndarray) -> Read:
    splits = {row["item"]: row["split"] for row in read_table(data / "splits_clips.csv") if row["set"] == "cmu_faces"}
    people = np.array([name.split("/")[0] for name in names])
    said = np.array([name.split("/")[-1].split(".")[0].split("_") for name in names])
    return (
        people,
        np.array([splits[each] for each in people]),
        dict(zip(("turn", "acted", "eyes"), said.T, strict=True)),
    )


def _mtfl(data: Path, names: np.ndarray) -> Read:
    rows = {row["path"]: row for row in read_table(data / "mtfl" / "labels.csv")}
    smile = np.array([{"1": 1.0, "2": 0.0}.get(rows[name]["smile"], np.nan) for name in names])
    sex = np.array([rows[name]["gender"] for name in names])
    return names, _every_fifth(names), {"smile": smile, "sex": sex}


def _ferplus(data: Path, names: np.ndarray) -> Read:
    content = np.load(data / "ferplus" / "ferplus48.npz")
    votes = np.array([content[f"{part}_votes"][int(index)] for part, index in (name.split("/") for name in names)])
    splits = np.array([name.split("/")[0] for name in names])
    agreement = votes[:, :8].max(axis=1) / votes.sum(axis=1)
    return names, splits, {"expression": votes[:, :8].argmax(axis=1), "agreement": agreement}


def _ckplus48(data: Path, names: np.ndarray) -> Read:
    rows = {row["path"]: row for row in read_table(data / "ckplus48" / "aus.csv")}
    own = [rows[f"CK+48/{name}"] for name in names]
    people = np.array([row["subject"] for row in own])
    return (
        people,
        _every_fifth(people),
        {f"unit{unit}": np.array([float(row[f"AU{unit}"]) for row in own]) for unit in UNITS},
    )


def _every_fifth(people: np.ndarray) -> np.ndarray:
    order = {person: place for place, person in enumerate(sorted(set(people.tolist())))}
    return np.array(["val" if order[person] % HELD_OUT == 0 else "train" for person in people.tolist()])


LABELS = {
    "youtube_faces": _youtube_faces, "clips": _clips, "cmu_faces": _cmu_faces, "mtfl": _mtfl, "ferplus": _ferplus,
    "ckplus48": _ckplus48,
}  # fmt: skip


class Pictures:
    """Reads the pictures of a set, (H, W, 3) uint8 RGB."""

    def __init__(self, name: str, data: Path, work: Path) -> None:
        self._arrays = {}
        if name == "ferplus":
            content = np.load(data / "ferplus" / "ferplus48.npz")
            self._arrays = {part: content[f"{part}_images"] for part in ("train", "val")}
        inner = {"youtube_faces": "frames", "cmu_faces": "frames"}.get(name, "images")
        self._folder = work / "frames" if name == "clips" else data / name / inner

    def __call__(self, name: str) -> np.ndarray:
        """The picture of this name."""
        if self._arrays:
            part, index = name.split("/")
            return np.repeat(self._arrays[part][int(index)][:, :, None], 3, axis=2)
        image = cv2.imread(str(self._folder / name))
        assert image is not None, name
        return np.ascontiguousarray(image[:, :, ::-1])
