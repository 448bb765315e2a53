"""References that need no embedding: networks trained with the labels, and landmarks of other tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import ClassVar

import numpy as np

from fabnet.encoders.baselines.card import SMALL_SIZE, SMALL_WINDOW
from fabnet.errors import InputError, ModelError
from fabnet.faces.crop import CropSpec
from fabnet.faces.window import Window
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.evaluate import FitPredict, Scored, score_task
from fabnet.probes.faces import FaceCrops, crop_of, read_image
from fabnet.probes.features import views
from fabnet.probes.landmarkers import POINTS_FROM_68, Landmarker, load_landmarker
from fabnet.probes.matrix import Selected
from fabnet.probes.parts import Parts, Split, parts_of
from fabnet.probes.tasks.task import Task
from fabnet.runtime.progress import progress

__all__ = ["DIRECT", "LandmarkScorer", "ScratchScorer", "is_direct", "load_direct"]

DIRECT = {
    "scratch:vgg11": "VGG-11, trained from scratch with the protocol's labels at 64 px; scratch:vgg11:224 at 224 px",
    "scratch:alexnet": "AlexNet, trained from scratch with the protocol's labels; a size as for VGG-11",
    "scratch:fabnet": "FAb-Net's encoder, trained from scratch with the protocol's labels; a power of two as its size",
    "landmarks:dlib": "dlib's 68 points (trained on 300-W)",
    "landmarks:mediapipe": "MediaPipe's face mesh at the 68 points",
}
"""Names that `fabnet probe --model` takes besides encoders, with their descriptions."""
VIEW, VIEW_SIZE = Window(*SMALL_WINDOW), SMALL_SIZE
VIEW_SIZES = range(32, 1025)


@dataclass(frozen=True, slots=True)
class ScratchScorer:
    """Scores a network that is trained from scratch with the labels of each task."""

    architecture: str
    """Name in `fabnet.probes.scratch.Architecture`."""
    seeds: int
    """Number of seeds of the network."""
    device: str
    """Device to train on."""
    cache: Cache
    """Cache of the faces as the network sees them."""
    size: int = VIEW_SIZE
    """Side of the network's input in pixels."""

    encoder: ClassVar[None] = None
    prefix: ClassVar[str] = ""

    def score(self, benchmark: Benchmark, crops: FaceCrops, split: Split) -> list[Scored]:
        """See `Scorer.score`."""
        parts = parts_of(benchmark, split)
        faces = views(benchmark, crops, VIEW, self.size, self.cache)
        seen_px = crops.seen_px(VIEW)
        return [
            score_task(task, seen_px, parts, self._fit_predict(faces, task), probe="none", seeds=self.seeds)
            for task in benchmark.tasks
        ]

    def _fit_predict(self, faces: np.ndarray, task: Task) -> FitPredict:
        from fabnet.probes.scratch import fit_scratch

        def fit_predict(part: Parts, learned: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
            training = np.concatenate([part.fit, part.select])
            net = fit_scratch(
                self.architecture, Selected(faces, training), learned[training], loss=task.loss,  # type: ignore[arg-type]
                val=np.arange(len(training)) >= len(part.fit), is_mirrorable=task.can_mirror, seed=seed,
                device=self.device,
            )  # fmt: skip
            return net.predict(Selected(faces, part.score)), f"epoch {net.epoch}"

        return fit_predict


@dataclass(frozen=True, slots=True)
class LandmarkScorer:
    """Scores the points that another tool finds; nothing is fitted."""

    tool: str
    """Name in `fabnet.probes.landmarkers.LANDMARKERS`."""
    find: Landmarker
    """The loaded tool."""
    seeds: int
    """Number of seeds in reports; nothing depends on it."""

    encoder: ClassVar[None] = None
    prefix: ClassVar[str] = ""

    def score(self, benchmark: Benchmark, crops: FaceCrops, split: Split) -> list[Scored]:
        """See `Scorer.score`; tasks other than 5 or 68 points are left out.

        Raises:
            InputError: the benchmark has no task with 5 or 68 points.
        """
        parts = parts_of(benchmark, split)
        tasks = [task for task in benchmark.tasks if task.num_points in POINTS_FROM_68]
        if not tasks:
            raise InputError(
                f"{benchmark.name} has no task with 5 or 68 points, and landmarks:{self.tool} predicts nothing else"
            )
        seen_px = crops.seen_px(VIEW)
        found = self._points(benchmark, crops, np.concatenate([part.score for part in parts]))
        return [score_task(task, seen_px, parts, _as_found(found, task, seen_px), probe="none") for task in tasks]

    def _points(self, benchmark: Benchmark, crops: FaceCrops, places: np.ndarray) -> np.ndarray:
        """(N, 68, 2) pixels of the images, NaN except at `places`."""
        size = CropSpec().size
        boxes = crops.crop_px(VIEW)
        made = np.full((len(boxes), 68, 2), np.nan)
        with progress(self.tool, total=len(places), unit="faces") as bar:
            for place in places.tolist():
                box = boxes[place]
                crop = crop_of(read_image(benchmark.images[place]), box, size)
                made[place] = self.find([crop])[0] * (box[2:] - box[:2]) / size + box[:2]
                bar.advance()
        return made


def _as_found(points: np.ndarray, task: Task, seen_px: np.ndarray) -> FitPredict:
    """Predictions from (N, 68, 2) points in pixels of the images: nothing is fitted."""
    chosen = POINTS_FROM_68[task.num_points](points).reshape(len(points), -1)
    learned = replace(task, targets=chosen).learned(seen_px, np.arange(0)).targets
    return lambda part, targets, seed: (learned[part.score], "as it is")


KINDS = ("scratch", "landmarks")
"""The prefixes of the names."""


def is_direct(name: str) -> bool:
    """Whether a model's name has a prefix of this kind."""
    return name.partition(":")[0] in KINDS


def load_direct(
    name: str, *, seeds: int, device: str = "auto", cache: Cache | None = None
) -> ScratchScorer | LandmarkScorer:
    """The scorer of a reference.

    Args:
        name: one of `DIRECT`; the name of a network may be followed by the side of its input, as in
            `scratch:vgg11:224`.
        seeds: number of seeds of a network.
        device: device that networks are trained on.
        cache: cache of the faces that a network sees; None: they stay in memory.

    Raises:
        ModelError: unknown name.
        MissingDependencyError: a package that it needs is not installed.
    """
    kind, _, rest = name.partition(":")
    rest, _, size = rest.partition(":") if kind == "scratch" else (rest, "", "")
    if f"{kind}:{rest}" not in DIRECT:
        near = get_close_matches(name, DIRECT, n=1)
        raise ModelError(
            f"no model {name!r}; " + (f"did you mean {near[0]}?" if near else f"expected one of {', '.join(DIRECT)}")
        )
    if kind == "landmarks":
        return LandmarkScorer(rest, load_landmarker(rest), seeds)
    if size and (not size.isdecimal() or int(size) not in VIEW_SIZES):
        raise ModelError(f"model {name!r}: the size is {size!r}; expected a whole number of pixels, 32 to 1024")
    return ScratchScorer(rest, seeds, device, cache or Cache(None), int(size or VIEW_SIZE))
