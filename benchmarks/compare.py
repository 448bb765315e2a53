"""fabnet beside MediaPipe's face mesh and dlib's 68 points: speed, faces found and agreement with labelled points.

Speed and the share of frames with a face are measured on the talking clips of validation people, by processor time, in
a process a core with a thread each; decoding is included. dlib goes through the clips once, since it is slow.

Agreement is measured on two sets of pictures:

- YouTube Faces, validation people: 68 points, whose labels a machine made. The error is the mean distance over the
  distance between the outer eye corners. "Mapped": after a linear map from a tool's points (MediaPipe: 478) to the
  labels, fitted on training people, so that each tool is judged in the labels' convention.
- MTFL: five points set by people (eyes, nose, corners of the mouth), on stills that fabnet's face reader was not fitted
  to. The error is over the distance between the eyes. "Mapped": as above, fitted on the other half of these stills.

Of several faces in a picture, the one nearest to its middle counts. It is found if the middle of its points is less
than the eyes' distance away from that of the labels. Errors are over the faces that every tool finds. Intervals are by
bootstrap over people (MTFL: over pictures).

Run: python benchmarks/compare.py --data DATA --mesh WORK --mediapipe-python PATH --dlib-python PATH [--json FILE]
WORK holds mesh-mtfl.npz, which experiments/reader/mesh.py writes; it tells which stills the face reader left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from peers import Peer, Spent, decoded, prepared, read, spread_out

import fabnet
from fabnet.probes.linear import RidgeProbe
from fabnet.probes.metrics import bootstrap_weights, interval, weighted_mean
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.runtime.cores import num_cores

HERE = Path(__file__).parent
ROUNDS = {"decode to RGB": 3, "fabnet": 3, "mediapipe": 3, "dlib": 1}
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
FOLDS = 5
HELD_OUT = 5
"""The face reader left out every fifth still of MTFL (`experiments/reader/faces.py`)."""


@dataclass(frozen=True)
class Pictures:
    """Pictures with labelled points."""

    name: str
    files: list[Path]
    labels: np.ndarray
    """(N, P, 2) in pixels."""
    people: np.ndarray
    """(N,) the person of each picture, or its name."""
    is_judged: np.ndarray
    """(N,) whether the picture is judged; maps are fitted on the others."""
    eyes: tuple[int, int]
    """Indices of the two labels whose distance is the unit of errors."""
    of68: tuple[tuple[int, ...], ...]
    """For each label, the points of 68 whose mean it is."""


def youtube_faces(data: Path) -> Pictures:
    """Frames of training and validation people with 68 points; every third frame of training people."""
    whole = read_benchmark("youtube-faces", data / "youtube_faces")
    assert whole.people is not None
    (task,) = (each for each in whole.tasks if each.name == "landmarks68")
    train = np.flatnonzero(whole.split == "train")[::3]
    at = np.concatenate([train, np.flatnonzero(whole.split == "val")])
    return Pictures(
        "YouTube Faces", [Path(str(whole.images[place])) for place in at], task.targets[at].reshape(-1, 68, 2),
        whole.people[at], whole.split[at] == "val", (36, 45), tuple((point,) for point in range(68)),
    )  # fmt: skip


def mtfl(data: Path, mesh: Path, count: int) -> Pictures:
    """Stills that the face reader was not fitted to, with five points; a map is fitted on the second half.

    The reader left out every fifth of the stills in which the mesh was found. Of the others, too, every fifth is taken.
    """
    with (data / "mtfl" / "labels.csv").open() as file:
        known = {row["path"]: row for row in csv.DictReader(file) if row["split"] == "train"}
    content = np.load(mesh / "mesh-mtfl.npz")
    is_found = np.isfinite(content["points"][:, 0, 0])
    names = sorted(name for own in (is_found, ~is_found) for name in sorted(content["names"][own])[::HELD_OUT])
    rows = [known[names[place]] for place in np.random.default_rng(0).permutation(len(names))[: 2 * count]]
    labels = np.array([[[row[f"{axis}{point}"] for axis in "xy"] for point in range(1, 6)] for row in rows], float)
    paths = [row["path"] for row in rows]
    return Pictures(
        "MTFL", [data / "mtfl" / "images" / path for path in paths], labels, np.array(paths),
        np.arange(len(rows)) < count, (0, 1), (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,)),
    )  # fmt: skip


def central(faces: list[Any], file: Path) -> np.ndarray | None:
    """The (P, 2) points of the face nearest to the picture's middle."""
    if not faces:
        return None
    image = cv2.imread(str(file))
    assert image is not None, file
    middle = np.array(image.shape[1::-1]) / 2
    return min(map(np.array, faces), key=lambda points: float(np.linalg.norm(points.mean(axis=0) - middle)))


def read_pictures(files: list[Path], model: str) -> list[list[Any]]:
    """The 68 points of every face of every picture, by `fabnet.read`."""
    with tempfile.TemporaryDirectory() as folder:
        for place, file in enumerate(files):
            shutil.copy(file, Path(folder) / f"{place:05}{file.suffix}")
        table = fabnet.read(folder, model=model, faces="all")
    found: list[list[Any]] = [[] for _ in files]
    for source, points in zip(table["source"].to_pylist(), table["landmarks68_px"].to_pylist(), strict=True):
        if points is not None:
            found[int(Path(source).stem)].append(np.array(points, float).reshape(68, 2))
    return found


class Judged:
    """The points that a tool puts on pictures."""

    def __init__(self, pictures: Pictures, faces: list[list[Any]], mesh68: tuple[int, ...] | None) -> None:
        self._pictures = pictures
        labels = pictures.labels
        points = [central(each, file) for each, file in zip(faces, pictures.files, strict=True)]
        count = max(len(each) for each in points if each is not None)
        self.points = np.full((len(labels), count, 2), np.nan)
        for place, each in enumerate(points):
            if each is not None:
                self.points[place] = each
        self.unit = np.linalg.norm(labels[:, pictures.eyes[0]] - labels[:, pictures.eyes[1]], axis=1)
        of68 = self.points[:, mesh68] if mesh68 else self.points
        self.raw = np.stack([of68[:, list(each)].mean(axis=1) for each in pictures.of68], axis=1)
        away = np.linalg.norm(self.raw.mean(axis=1) - labels.mean(axis=1), axis=1)
        self.is_found = away < self.unit  # not if NaN

    def error(self, placed: np.ndarray) -> np.ndarray:
        """(N,) mean distance from the labels, in per cent of the unit."""
        return np.asarray(100 * np.linalg.norm(placed - self._pictures.labels, axis=2).mean(axis=1) / self.unit)

    def mapped(self) -> np.ndarray:
        """(N, P, 2) the points after a linear map fitted on the pictures that are not judged.

        The map works in the frame of the tool's own points: their middle, size and tilt.
        """
        made = np.full(self.raw.shape, np.nan)
        fitted, judged = (np.flatnonzero(self.is_found & own) for own in (~self._pictures.is_judged,
                                                                         self._pictures.is_judged))  # fmt: skip
        sizes, middles = self._frames()
        features, targets = self._flat(self.points, middles, sizes), self._flat(self._pictures.labels, middles, sizes)
        penalty = min(PENALTIES, key=lambda each: self._left(features, targets, fitted, each))
        found = RidgeProbe(penalty).fit(features[fitted], targets[fitted]).predict(features[judged])
        flat = (found[:, ::2] + 1j * found[:, 1::2]) * sizes[judged, None] + middles[judged, None]
        made[judged] = np.stack([flat.real, flat.imag], axis=2)
        return made

    def _frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Complex sizes (with the tilt) and middles: the points' distance from a mean shape, by least squares."""
        flat = self.points[..., 0] + 1j * self.points[..., 1]
        middles = flat.mean(axis=1)
        centred = flat - middles[:, None]
        shape = np.nanmean(centred / np.linalg.norm(centred, axis=1, keepdims=True), axis=0)
        return centred @ shape.conj() / np.vdot(shape, shape).real, middles

    @staticmethod
    def _flat(points: np.ndarray, middles: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        flat = (points[..., 0] + 1j * points[..., 1] - middles[:, None]) / sizes[:, None]
        return np.stack([flat.real, flat.imag], axis=2).reshape(len(points), -1)

    def _left(self, features: np.ndarray, targets: np.ndarray, at: np.ndarray, penalty: float) -> float:
        """The error that a penalty leaves on people held out."""
        _, codes = np.unique(self._pictures.people[at], return_inverse=True)
        left = np.empty(targets[at].shape)
        for fold in range(FOLDS):
            own = codes % FOLDS == fold
            probe = RidgeProbe(penalty).fit(features[at[~own]], targets[at[~own]])
            left[own] = targets[at[own]] - probe.predict(features[at[own]])
        return float(np.abs(left).mean())


def agreement(pictures: Pictures, tools: dict[str, Callable[[list[Path]], list[list[Any]]]]) -> dict[str, Any]:
    """Share found and errors of every tool."""
    sys.path.append(str(HERE.parent / "experiments" / "reader"))  # its modules are scripts too
    from geometry import POINTS68

    judged = {name: Judged(pictures, call(pictures.files), tuple(POINTS68) if name == "mediapipe" else None)
              for name, call in tools.items()}  # fmt: skip
    at = pictures.is_judged
    both = at & np.logical_and.reduce([each.is_found for each in judged.values()])
    said: dict[str, Any] = {"pictures": int(at.sum()), "people": len(set(pictures.people[at])),
                            "found by all": int(both.sum()), "fitted": int((~at).sum())}  # fmt: skip
    mapped = {name: each.error(each.mapped())[both] for name, each in judged.items()}
    for name, each in judged.items():
        said[name] = {
            "found, %": figure(100.0 * each.is_found[at], pictures.people[at]),
            "error, %": figure(each.error(each.raw)[both], pictures.people[both]),
            "error mapped, %": figure(mapped[name], pictures.people[both]),
            "the same less fabnet's": figure(mapped[name] - mapped["fabnet"], pictures.people[both]),
        }
    return said


def figure(values: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """A mean with its interval over people."""
    low, high = interval(weighted_mean(values)(bootstrap_weights(people)))
    return {"value": float(values.mean()), "low": low, "high": high}


def speed(clips: list[Path], peers: dict[str, Peer], model: str) -> dict[str, Any]:
    """Frames a second and core, and the share of frames with a face."""
    clips = sorted(clips, key=lambda path: -path.stat().st_size)
    with multiprocessing.get_context("spawn").Pool(num_cores(), prepared) as pool:
        calls: dict[str, Callable[[], Spent]] = {
            "decode to RGB": partial(spread_out, pool, clips, partial(decoded, converts=True)),
            "fabnet": partial(spread_out, pool, clips, partial(read, model=model, num_threads=1)),
            **{name: partial(peer, clips) for name, peer in peers.items()},
        }
        said: dict[str, Any] = {}
        for name, call in calls.items():
            if ROUNDS[name] > 1:
                call()  # loads the models
            spent = [call() for _ in range(ROUNDS[name])]
            rates = [each.frames / each.cpu_s for each in spent]
            said[name] = {
                "frames": spent[0].frames, "frames per s and core": statistics.median(rates), "low": min(rates),
                "high": max(rates), "found, %": 100 * spent[0].found / spent[0].frames,
            }  # fmt: skip
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the measuring sets")
    parser.add_argument("--mesh", type=Path, required=True, help="folder with mesh-mtfl.npz, see the reader's mesh.py")
    parser.add_argument("--mediapipe-python", type=Path, required=True, help="Python with mediapipe and opencv")
    parser.add_argument("--dlib-python", type=Path, required=True, help="Python with dlib, its models and opencv")
    parser.add_argument("--model", default="base")
    parser.add_argument("--stills", type=int, default=600, help="stills of MTFL that are judged")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    began, cores = time.perf_counter(), num_cores()
    peers = {
        "mediapipe": Peer(options.mediapipe_python, HERE / "peer_mediapipe.py", cores),
        "dlib": Peer(options.dlib_python, HERE / "peer_dlib.py", cores),
    }
    with (options.data / "splits_clips.csv").open() as file:
        clips = [options.data / row["set"] / row["item"] for row in csv.DictReader(file)
                 if row["set"] == "talking_clips" and row["split"] == "val"]  # fmt: skip
    tools: dict[str, Callable[[list[Path]], list[list[Any]]]] = {
        "fabnet": partial(read_pictures, model=options.model),
        **{name: partial(peer.answers, "picture") for name, peer in peers.items()},
    }
    said: dict[str, Any] = {
        "model": options.model, "cores": cores, "versions": {name: peer.version for name, peer in peers.items()},
        "clips": speed(clips, peers, options.model),
    }  # fmt: skip
    for pictures in (youtube_faces(options.data), mtfl(options.data, options.mesh, options.stills)):
        said[pictures.name] = agreement(pictures, tools)
    for peer in peers.values():
        peer.close()
    said["seconds"] = time.perf_counter() - began
    print(json.dumps(said, indent=1))
    if options.json:
        options.json.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
