"""How well an encoder works on degraded images: blur, noise, JPEG, darkness, crops shifted and scaled.

Probes are fitted on clean faces and scored on the same test faces, degraded at five strengths; 0 is the clean face.
Every encoder sees the same pixels, of at most 600 faces per protocol.

Run: python experiments/robustness.py --models "small" "untrained=random:0" "autoencoder=RUN" --data DATA --split test \
--results docs/results/robustness.json --figure docs/figures/robustness.png
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from baselines import FOLDERS
from curves import arguments, draw_curves, named, table, write_rows

from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.faces.crop import CropSpec
from fabnet.files.places import cache_folder
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.evaluate import fit_chosen
from fabnet.probes.faces import crop_of, find_faces, read_image
from fabnet.probes.features import embed_faces
from fabnet.probes.metrics import bootstrap_weights, interval
from fabnet.probes.parts import parts_of
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.runtime.progress import progress

TASKS = {"youtube-faces": ("landmarks68", "pose"), "ferplus": ("expression",)}
FACES_AT_ONCE = 64
MAX_FACES = 600
"""Upper bound of faces per protocol, drawn from those that are scored."""

Worse = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""From a crop (H, W, 3) uint8, a strength and a generator to a degraded crop."""


def blurred(crop: np.ndarray, sigma_percent: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian blur with a standard deviation in per cent of the crop's side."""
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma_percent / 100 * len(crop)))


def noisy(crop: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian noise with a standard deviation in levels of 255."""
    return np.asarray((crop + generator.normal(0, sigma, crop.shape)).clip(0, 255).round().astype(np.uint8))


def compressed(crop: np.ndarray, quality: float, generator: np.random.Generator) -> np.ndarray:
    """JPEG compression with the given quality."""
    packed = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))


def dark(crop: np.ndarray, stops: float, generator: np.random.Generator) -> np.ndarray:
    """Pixel values halved `stops` times, rounded to whole levels."""
    return np.asarray((crop / 2**stops).round().astype(np.uint8))


# Strengths of each kind, from weak to strong. The last two kinds move the crop instead of changing its pixels.
KINDS: dict[str, tuple[Worse | None, tuple[float, ...]]] = {
    "blur, % of the side": (blurred, (0.5, 1, 2, 3, 5)),
    "noise, of 255": (noisy, (5, 10, 20, 40, 80)),
    "JPEG quality": (compressed, (60, 30, 15, 8, 4)),
    "darkness, halvings": (dark, (1, 2, 3, 4, 5)),
    "shift, % of the side": (None, (3, 6, 10, 15, 20)),
    "scale, %": (None, (5, 10, 20, 30, 40)),
}


def moved(boxes_px: np.ndarray, kind: str, strength: float) -> np.ndarray:
    """(N, 4) boxes, shifted in random directions or scaled up or down at random, by `strength` per cent."""
    generator = np.random.default_rng(0)
    centre, side = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2, boxes_px[:, 2:] - boxes_px[:, :2]
    if kind.startswith("shift"):
        way = generator.uniform(0, 2 * np.pi, len(boxes_px))
        centre = centre + strength / 100 * side * np.stack([np.cos(way), np.sin(way)], axis=1)
    else:
        side = side * (1 + strength / 100) ** generator.choice([-1, 1], (len(boxes_px), 1))
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)


def embedded(
    encoder: Embedder,
    benchmark: Benchmark,
    boxes_px: np.ndarray,
    places: np.ndarray,
    worse: Worse | None,
    strength: float,
) -> np.ndarray:
    """(M, D) embeddings of some faces of a benchmark, cut at (N, 4) boxes and degraded."""
    parts = []
    for first in range(0, len(places), FACES_AT_ONCE):
        crops = []
        for i in places[first : first + FACES_AT_ONCE]:
            crop = crop_of(read_image(benchmark.images[i]), boxes_px[i], CropSpec().size)
            crops.append(crop if worse is None else worse(crop, strength, np.random.default_rng(int(i))))
        parts.append(encoder.embed(crops))
    return np.concatenate(parts)


def measure(model: str, benchmark: Benchmark, split: Literal["val", "test"], cache: Cache) -> list[dict[str, Any]]:
    """One row per task, kind and strength: the headline figure with its interval over people."""
    encoder = load(model)
    clean = find_faces(benchmark, cache=cache)
    window = encoder.window
    features = embed_faces(encoder, benchmark, clean, digest=model_digest(model), cache=cache)
    (parts,) = parts_of(benchmark, split)
    training = np.concatenate([parts.fit, parts.select])
    places = np.sort(np.random.default_rng(0).permutation(parts.score)[:MAX_FACES])
    tasks = [task for task in benchmark.tasks if task.name in TASKS[benchmark.name]]
    seen_px = clean.seen_px(window)
    probes = {}
    for task in tasks:
        targets = task.learned(seen_px, training).targets
        is_select = np.arange(len(training)) >= len(parts.fit)
        fitted = fit_chosen("ridge", task, features[training], targets[training], is_select=is_select)
        probes[task.name] = fitted.probe
    weights = bootstrap_weights(benchmark.owners[places])
    rows = []

    def score(kind: str, strength: float, own: np.ndarray, seen_px: np.ndarray) -> None:
        for task in tasks:
            back = task.learned(seen_px, training).back
            made = probes[task.name].predict(own)
            everybody = np.full((len(task.targets), made.shape[1]), np.nan)
            everybody[places] = made
            predicted = back(everybody)[places]
            (figure,) = [each for each in task.figures(predicted, task.targets[places]) if each.is_headline]
            low, high = interval(figure.of(weights))
            value = float(figure.of(np.ones((1, len(predicted)), np.float32))[0])
            rows.append({"protocol": benchmark.name, "task": f"{task.name} under {kind}", "metric": figure.metric,
                         "strength": strength, "value": value, "low": low, "high": high})  # fmt: skip

    total = sum(len(strengths) for _, strengths in KINDS.values())
    with progress(f"{model} on {benchmark.name}", total=total, unit="strengths") as bar:
        for kind, (worse, strengths) in KINDS.items():
            score(kind, 100.0 if worse is compressed else 0.0, features[places], seen_px)
            for strength in strengths:
                crops = clean if worse else clean._replace(boxes_px=moved(clean.boxes_px, kind, strength))
                own = embedded(encoder, benchmark, crops.crop_px(window), places, worse, strength)
                score(kind, strength, own, crops.seen_px(window))
                bar.advance()
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    cache, rows = Cache(options.cache or cache_folder()), []
    for protocol in TASKS:
        benchmark = read_benchmark(protocol, options.data / FOLDERS[protocol])
        for name, model in named(options.models).items():
            rows += [{"model": name, **row} for row in measure(model, benchmark, options.split, cache)]
    print(table(rows, "strength"))
    write_rows(rows, options.results)
    draw_curves(rows, "strength", options.figure)


if __name__ == "__main__":
    main()
