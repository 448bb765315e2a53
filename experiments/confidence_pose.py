"""Does confidence follow pose? Does the source nearest in pose to the target get the largest mean weight?

On validation people of YouTube Faces. The turn of a face is read from its landmarks: the position of the nose tip
between the outer eye corners, -0.5 to 0.5 of a frontal face's eye distance. A target counts if its three sources, other
frames of its track, differ by more than a threshold.

Run: python experiments/confidence_pose.py MODEL STORE --data youtube_faces
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch

from fabnet.faces.window import Window
from fabnet.models.find_model import find_model
from fabnet.objectives.batch import Batch
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.model_io import load_objective
from fabnet.probes.protocols.youtube_faces import read_landmarks
from fabnet.sampling.loader import frames_of
from fabnet.sampling.pairs import Draw
from fabnet.store.track_store import TrackStore, open_store

SOURCES = 3


def turn(points: np.ndarray) -> float:
    """The nose tip's position between the outer eye corners, from (68, 2) points; 0 is frontal."""
    left, right, nose = points[36], points[45], points[30]
    across = right - left
    return float((nose - (left + right) / 2) @ across / (across @ across))


def samples(store: TrackStore, landmarks: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All targets with all triples of sources from their tracks: rows (N, 4), turns (N, 4) and people (N,)."""
    index = store.index("val", SOURCES + 1)
    rows, turns, people = [], [], []
    for start, length, person in zip(index.starts, index.lengths, index.identity, strict=True):
        numbers = np.arange(start, start + length)
        names = store.read_rows(numbers, ["source"]).column("source").to_pylist()
        known = {int(n): turn(landmarks[name]) for n, name in zip(numbers, names, strict=True) if name in landmarks}
        for target in known:
            for sources in itertools.combinations([n for n in known if n != target], SOURCES):
                rows.append((target, *sources))
                turns.append([known[n] for n in rows[-1]])
                people.append(person)
    return np.array(rows), np.array(turns), np.array(people)


def mean_weights(model: Path, store: TrackStore, rows: np.ndarray) -> np.ndarray:
    """(N, 3) mean share of each source in the reconstruction."""
    objective, card = load_objective(model)
    assert isinstance(objective, FabNet)
    weights = []
    for part in np.array_split(rows, max(1, len(rows) // 64)):
        windows = np.zeros((*part.shape, 3), np.float32)
        windows[..., 2] = 1
        still = np.zeros(len(part), bool)
        drawn = Draw(part, windows, still, None, still)
        frames = frames_of(drawn, store, window=Window(*card.window), size=card.size)
        with torch.inference_mode():
            made = objective.reconstruct(Batch.from_frames(frames, torch.device("cpu")))
        weights.append(made.weights.mean(dim=(2, 3)).numpy())
    return np.concatenate(weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=str)
    parser.add_argument("store", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the folder with landmarks68.csv")
    options = parser.parse_args()
    store = open_store(options.store)
    rows, turns, people = samples(store, read_landmarks(options.data / "landmarks68.csv"))
    weights = mean_weights(find_model(options.model), store, rows)
    away = np.abs(turns[:, 1:] - turns[:, :1])
    is_right = weights.argmax(axis=1) == away.argmin(axis=1)
    spread = np.ptp(turns[:, 1:], axis=1)
    rng = np.random.default_rng(0)
    print(
        "sources differ by more than | samples | people | nearest in pose has the largest mean weight (chance 33.3 %)"
    )
    for least in (0.0, 0.1, 0.2, 0.3):
        chosen = spread > least
        names, codes = np.unique(people[chosen], return_inverse=True)
        sums, counts = np.bincount(codes, is_right[chosen]), np.bincount(codes)
        drawn = rng.integers(0, len(names), (4000, len(names)))
        low, high = np.percentile(100 * sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])
        share = 100 * is_right[chosen].mean()
        print(f"{least:26.1f} | {chosen.sum():7d} | {len(names):6d} | {share:.1f} % [{low:.1f}, {high:.1f}]")


if __name__ == "__main__":
    main()
