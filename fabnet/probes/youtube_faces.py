"""`fabnet probe --protocol youtube-faces`: 68 points on frames of YouTube Faces, by people.

The data are a folder with `frames/PERSON/CLIP/*.jpg`, `landmarks68.csv` and `people.csv` (person, split). The store
is an import of those frames with detector crops. The points are a machine's: good to compare embeddings by.

Source: Wolf, Hassner, Maoz: Face recognition in unconstrained videos with matched background similarity, CVPR 2011.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from fabnet.embedding import Embedder, load
from fabnet.errors import InputError
from fabnet.probes.landmarks import LandmarkScore, probe_landmarks, read_landmarks
from fabnet.progress import progress
from fabnet.sampling.window import decode_jpeg
from fabnet.tracks import TrackStore, open_store

__all__ = ["labelled_features", "probe_youtube_faces"]


def probe_youtube_faces(
    model: str | Path, data: str | Path, *, store: str | Path, split: Literal["val", "test"] = "val"
) -> LandmarkScore:
    """Score an encoder by the landmarks that a ridge probe reads from it.

    The probe is fitted on the store's training people and scored on those of `split`; every face with points counts.

    Args:
        model: as `fabnet.load` takes it.
        data: the folder with `landmarks68.csv`.
        store: the frames, imported with detector crops.
        split: whom to score on: "val" to choose by, "test" to report once.

    Raises:
        InputError: a file is missing, or no row of the store has points.
    """
    landmarks = read_landmarks(Path(data) / "landmarks68.csv")
    encoder, tracks = load(model), open_store(store)
    features, points, people, splits = labelled_features(encoder, tracks, landmarks)
    kept = (splits == "train") | (splits == split)
    return probe_landmarks(features[kept], points[kept], people[kept], splits[kept] == "train")


def labelled_features(
    encoder: Embedder, tracks: TrackStore, landmarks: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Embed the faces of a store that have landmarks.

    Args:
        encoder: to embed with.
        tracks: the frames, imported with detector crops.
        landmarks: from `read_landmarks`.

    Returns:
        Embeddings (N, D) float32, points (N, 68, 2) in [-1, 1] of the crop, people (N,) and splits (N,).

    Raises:
        InputError: no row of the store has points.
    """
    features, points, people, splits = [], [], [], []
    columns = ("identity", "split", "source", "crop_box_px", "image")
    with progress("embedding", total=tracks.num_rows, unit="faces") as bar:
        for batch in tracks.batches(columns, batch_rows=64):
            rows = [row for row in batch.to_pylist() if row["source"] in landmarks]
            bar.advance(batch.num_rows)
            if not rows:
                continue
            images = [np.ascontiguousarray(decode_jpeg(row["image"])[:, :, ::-1]) for row in rows]
            features.append(encoder.embed(images))
            for row in rows:
                box = np.array(row["crop_box_px"], dtype=np.float64)
                points.append(2 * (landmarks[row["source"]] - box[:2]) / (box[2:] - box[:2]) - 1)
                people.append(row["identity"])
                splits.append(row["split"])
    if not points:
        raise InputError(f"no row of {tracks.path} has landmarks; was it imported from the frames of this data?")
    return np.concatenate(features), np.array(points), np.array(people), np.array(splits)
