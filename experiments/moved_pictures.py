"""A store in which pictures of further people move as people in clips do.

A picture is a frame of YouTube Faces' training people, or a photo of MTFL's training part that neither the tables nor
the face reader are chosen by or measured on. It becomes a track of two: itself, and itself moved. What moves it is the
optical flow between two frames of a training clip. The first of these frames is one of those whose embeddings are
nearest to the picture's; the flow decoder says where the parts of its face lie in the picture. The store's own tracks
are copied, those to train on twice, so that they stay about a half.

Run: python experiments/moved_pictures.py STORE --model MODEL --data DATA --work WORK --out moved.lance
WORK is the folder of experiments/reader/mesh.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from mixed_store import Track, batches, stills_of, tracks_of
from torch.nn import functional as F

from fabnet.encoders.load_encoder import load
from fabnet.faces.picture import decode_picture, jpeg_bytes
from fabnet.files.places import cache_folder
from fabnet.models.find_model import find_model
from fabnet.objectives.model_io import load_objective
from fabnet.probes.cache import Cache
from fabnet.runtime.progress import progress
from fabnet.store.schema import Row
from fabnet.store.track_store import create_store, open_store

NEAREST, DRAWN = 20, 3
"""Frames of clips, nearest by embedding, of which so many are tried."""
LEAST_S, MOST_S = 0.1, 1.5
"""How far apart the two frames of a clip are."""
TRIES = 6
LEAST_FRAMES = 10
"""Shorter tracks move nothing."""
LEAST_CHANGE = 4.0
"""Mean difference of a clip's two frames inside the window, of 255 levels."""
LEAST_MOTION_PX = 1.0
"""Mean length of the flow inside the window."""
MOST_LEFT = 0.7
"""Upper bound of the difference that the flow leaves between the two frames, as a share of what there was."""
MOST_STRETCH = 0.6
"""Upper bound of the flow's slope at 99 % of the window's pixels: steeper flows tear a face."""
SMOOTH_PX = 3.0
"""Standard deviation of the Gaussian that smooths the flow."""
GAP_S = 0.1
"""Time that a moved picture is said to lie after the picture."""


class Mover:
    """Moves pictures as the people in some clips move.

    Args:
        model: a model with a flow decoder.
        clips: tracks with times.
    """

    def __init__(self, model: Path, clips: list[Track]) -> None:
        self.encoder = load(model)
        objective, card = load_objective(find_model(model))
        self.decoder, self.share = objective.eval().get_submodule("flow_decoder"), card.window[2]
        rows = [row for track in clips for row in track]
        images = [decode_picture(row.image) for row in rows]
        self.grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
        self.times = np.array([row.time_s for row in rows])
        ends = np.cumsum([len(track) for track in clips])
        self.tracks = [(end - len(track), end) for track, end in zip(clips, ends, strict=True) for _ in track]
        self.embeddings = self.encoder.embed(images)
        self.flows = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self.rng = np.random.default_rng(0)

    def moved(self, image: np.ndarray, embedding: np.ndarray) -> np.ndarray | None:
        """Move a picture.

        Args:
            image: (S, S, 3) uint8.
            embedding: (D,) float32 of it.

        Returns:
            The moved picture; None if no motion was found.
        """
        lengths = np.linalg.norm(self.embeddings, axis=1) * np.linalg.norm(embedding)
        near = np.argsort(-(self.embeddings @ embedding) / lengths)[:NEAREST]
        for first in self.rng.permutation(near)[:DRAWN]:
            flow = self._motion(int(first))
            if flow is not None:
                at = _grid(len(image)) + self._places(int(first), embedding, len(image))
                return _sampled(image, cv2.remap(flow, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        return None

    def _places(self, first: int, embedding: np.ndarray, size: int) -> np.ndarray:
        """(S, S, 2) pixels: where in a clip's frame the parts of a picture lie, less where they lie in the picture."""
        with torch.inference_mode():
            flow = self.decoder(torch.from_numpy(self.embeddings[first : first + 1]), torch.from_numpy(embedding[None]))
        inner = round(self.share * size)
        flow = F.interpolate(flow, size=(inner, inner), mode="bilinear", align_corners=True) * (inner - 1) / 2
        before = (size - inner) // 2
        after = size - inner - before
        whole = F.pad(flow, (before, after, before, after), mode="replicate")[0]
        return np.ascontiguousarray(whole.permute(1, 2, 0).numpy())

    def _motion(self, first: int) -> np.ndarray | None:
        """(S, S, 2) pixels: the flow from another frame of a clip to this one."""
        begin, end = self.tracks[first]
        gaps = np.abs(self.times[begin:end] - self.times[first])
        others = begin + np.flatnonzero((gaps >= LEAST_S) & (gaps <= MOST_S))
        source = self.grey[first]
        edge = round((1 - self.share) / 2 * len(source))
        inside = np.s_[edge:-edge, edge:-edge]
        for other in self.rng.permutation(others)[:TRIES]:
            target = self.grey[other]
            before = _difference(source[inside], target[inside])
            if before < LEAST_CHANGE:
                continue
            flow = cv2.GaussianBlur(self.flows.calc(target, source, None), None, SMOOTH_PX)
            slopes = np.abs(np.concatenate(np.gradient(flow[inside], axis=(0, 1)), axis=2)).max(axis=2)
            if (
                np.linalg.norm(flow[inside], axis=2).mean() >= LEAST_MOTION_PX
                and np.percentile(slopes, 99) <= MOST_STRETCH
                and _difference(_sampled(source, flow)[inside], target[inside]) <= MOST_LEFT * before
            ):
                return np.asarray(flow)
        return None


def _grid(size: int) -> np.ndarray:
    """(S, S, 2) float32 x, y of every pixel."""
    return np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), axis=2)


def _sampled(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """An image sampled along (S, S, 2) float32 offsets in pixels."""
    at = _grid(len(image)) + flow
    return np.asarray(cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference of two grey pictures."""
    return float(cv2.absdiff(one, other).mean())


def held_out_photos(data: Path, work: Path) -> set[str]:
    """Names of the photos of MTFL that the face reader is measured on."""
    sys.path.append(str(Path(__file__).parent / "reader"))  # its modules are scripts too
    from faces import read_faces

    faces = read_faces("mtfl", data, work, 1.0)
    return set(faces.names[~faces.is_train].tolist())


def moved_tracks(pictures: list[Row], mover: Mover) -> Iterator[Track]:
    """A track of two for each picture that was moved."""
    images = [decode_picture(row.image) for row in pictures]
    embeddings = mover.encoder.embed(images)
    missed = 0
    with progress("moving", total=len(pictures), unit="pictures") as bar:
        for row, image, embedding in zip(pictures, images, embeddings, strict=True):
            moved = mover.moved(image, embedding)
            bar.advance()
            if moved is None:
                missed += 1
                continue
            name = f"moved/{row.source}"
            yield [
                replace(row, video=name, track="0", frame=frame, time_s=frame * GAP_S, source=name, image=each)
                for frame, each in enumerate((row.image, jpeg_bytes(moved, 92)))
            ]
    print(f"{missed} pictures without a motion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    for place in ("--model", "--data", "--work", "--out"):
        parser.add_argument(place, type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--photos", type=int, default=2500, help="upper bound of the photos of MTFL")
    options = parser.parse_args()
    store = open_store(options.store)
    train = tracks_of(store, "train")
    clips = [track for track in train if track[0].time_s is not None and len(track) > LEAST_FRAMES]
    people = store.read_rows(range(store.num_rows), ["identity", "split"]).to_pylist()
    known = {row["identity"].removeprefix("youtube_faces/") for row in people if row["split"] != "train"}
    quality, cache = store.crop["jpeg_quality"], Cache(options.cache or cache_folder())
    stills = stills_of("mtfl", options.data, cache, store.crop["size"], quality, known)
    held_out = held_out_photos(options.data, options.work)
    photos = [track[0] for track in stills if track[0].source not in held_out]
    chosen = np.sort(np.random.default_rng(0).permutation(len(photos))[: options.photos])
    frames = [row for track in train for row in track if row.video.startswith("youtube_faces/")]
    pictures = frames + [photos[place] for place in chosen]

    def everything() -> Iterator[Track]:
        yield from tracks_of(store, "val")
        yield from train
        for track in train:
            yield [replace(row, video=f"again/{row.video}", source=f"again/{row.source}") for row in track]
        yield from moved_tracks(pictures, Mover(options.model, clips))

    create_store(options.out, crop=store.crop).append(batches(everything()), [])
    made = open_store(options.out)
    print(f"{options.out}: {made.num_rows} rows, {len(made.spans('train')[0])} tracks to train on")


if __name__ == "__main__":
    main()
