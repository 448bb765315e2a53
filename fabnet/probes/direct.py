"""References that need no embedding: networks trained with the labels, and landmarks of other tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import numpy as np

from fabnet.errors import InputError, ModelError
from fabnet.faces.crop import CropSpec
from fabnet.faces.window import Window
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.evaluate import FitPredict, Scored, score_task
from fabnet.probes.faces import FaceCrops, crop_of, read_image
from fabnet.probes.features import views
from fabnet.probes.others import five_of_68, load_landmarker
from fabnet.probes.parts import Parts, parts_of
from fabnet.probes.tasks.task import Task
from fabnet.runtime.progress import progress

__all__ = ["DIRECT", "Direct", "load_direct"]

DIRECT = {
    "scratch:vgg11": "VGG-11, trained from scratch with the protocol's labels",
    "scratch:alexnet": "AlexNet, trained from scratch with the protocol's labels",
    "scratch:fabnet": "FAb-Net's encoder, trained from scratch with the protocol's labels",
    "landmarks:dlib": "dlib's 68 points (trained on 300-W)",
    "landmarks:mediapipe": "MediaPipe's face mesh at the 68 points",
}
"""Names that `fabnet probe --model` takes besides encoders, with their descriptions."""
VIEW = Window(0.5, 0.5, 176 / 256)
VIEW_SIZE = 64


@dataclass(frozen=True, slots=True)
class Direct:
    """A reference that is scored without an embedding.

    Attributes:
        name: one of `DIRECT`.
        score: function from a benchmark, its face crops, the split to score and the number of seeds to scores.
    """

    name: str
    score: Callable[..., list[Scored]]


def load_direct(name: str, *, device: str = "auto") -> Direct | None:
    """The reference of this name; None if the name has no prefix of this kind.

    Raises:
        ModelError: known prefix, unknown name.
        MissingDependencyError: a package that it needs is not installed.
    """
    kind, _, rest = name.partition(":")
    if kind not in ("scratch", "landmarks"):
        return None
    if name not in DIRECT:
        near = get_close_matches(name, DIRECT, n=1)
        raise ModelError(
            f"no model {name!r}; " + (f"did you mean {near[0]}?" if near else f"expected one of {', '.join(DIRECT)}")
        )
    if kind == "landmarks":
        load_landmarker(rest)

    def score(benchmark: Benchmark, crops: FaceCrops, *, split: Literal["val", "test"], seeds: int) -> list[Scored]:
        parts = parts_of(benchmark, split)
        seen_px = crops.seen_px(VIEW)
        if kind == "scratch":
            faces = views(benchmark, crops, VIEW, VIEW_SIZE)
            return [
                score_task(task, seen_px, parts, _scratch(rest, faces, task, device), probe="none", seeds=seeds)
                for task in benchmark.tasks
            ]
        points = {task.name: task for task in benchmark.tasks if task.num_points in (5, 68)}
        if not points:
            raise InputError(f"{benchmark.name} has no task with 5 or 68 points, and {name} predicts nothing else")
        made = _landmarks(rest, benchmark, crops, np.concatenate([part.score for part in parts]))
        return [
            score_task(task, seen_px, parts, _as_found(made, task, seen_px), probe="none") for task in points.values()
        ]

    return Direct(name, score)


def _scratch(architecture: str, faces: np.ndarray, task: Task, device: str) -> FitPredict:
    from fabnet.probes.scratch import fit_scratch

    def fit_predict(part: Parts, learned: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
        training = np.concatenate([part.fit, part.select])
        net = fit_scratch(
            architecture, faces[training], learned[training], loss=task.loss,  # type: ignore[arg-type]
            val=np.arange(len(training)) >= len(part.fit), is_mirrorable=task.can_mirror,
            num_classes=task.num_outputs, seed=seed, device=device,
        )  # fmt: skip
        return net.predict(faces[part.score]), f"epoch {net.epoch}"

    return fit_predict


def _landmarks(tool: str, benchmark: Benchmark, crops: FaceCrops, places: np.ndarray) -> np.ndarray:
    """(N, 68, 2) pixels of the images, NaN except at `places`."""
    find = load_landmarker(tool)
    size = CropSpec().size
    boxes = crops.crop_px(VIEW)
    made = np.full((len(boxes), 68, 2), np.nan)
    with progress(tool, total=len(places), unit="faces") as bar:
        for place in places.tolist():
            box = boxes[place]
            crop = crop_of(read_image(benchmark.images[place]), box, size)
            made[place] = find([crop])[0] * (box[2:] - box[:2]) / size + box[:2]
            bar.advance()
    return made


def _as_found(points: np.ndarray, task: Task, seen_px: np.ndarray) -> FitPredict:
    """Predictions from points in pixels of the images: nothing is fitted."""
    chosen = points if task.num_points == 68 else five_of_68(points)
    sides = (seen_px[:, 2:] - seen_px[:, :2])[:, None]
    learned = (2 * (chosen - seen_px[:, None, :2]) / sides - 1).reshape(len(points), -1)
    return lambda part, targets, seed: (learned[part.score], "as it is")
