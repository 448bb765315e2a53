"""Predicted landmarks next to the labels: the paper's Figures 2 and 3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib.figure
import numpy as np

from fabnet.encoders.digest import model_digest
from fabnet.encoders.load_encoder import load, pinned
from fabnet.errors import InputError
from fabnet.files.places import cache_folder, local
from fabnet.options import Options, takes
from fabnet.paper.figures.files import BLUE, INK, ORANGE, WIDTH_IN, FigureResult, facts_of, figures_folder, write_figure
from fabnet.paper.figures.panels import panel, say
from fabnet.probes.cache import Cache
from fabnet.probes.evaluate import linear_fit_predict, score_task
from fabnet.probes.faces import crop_of, find_faces, read_image
from fabnet.probes.features import embed_faces
from fabnet.probes.parts import parts_of
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.tasks.points import Points, point_errors

__all__ = ["LandmarksOptions", "chosen_faces", "landmarks_figure"]

WORDS = {"val": "validation", "test": "test"}
PERCENTILES = (5.0, 20.0, 35.0, 50.0, 65.0, 80.0)
FEW_POINTS = 10
"""Upper bound of points for one image with label and prediction; more points get two images."""
SHOWN_PX = 256
LEFT_IN, HEAD_IN, GAP_IN, APART_IN = 0.2, 0.3, 0.05, 0.12
"""Margins left of and above the panels, gap between panels, gap before the failure."""


class FacePanel(NamedTuple):
    """A panel: a face with its labels and predictions.

    Attributes:
        label: which of the scored faces it is, by its error.
        image: (H, W, 3) uint8 RGB, the part that the network sees.
        box_px: (4,) x0, y0, x1, y1 of that part in the whole image.
        points: (P, 2) labels in pixels of the whole image, NaN without a label.
        predicted: (P, 2) predictions in pixels of the whole image.
        error: error in per cent of the normaliser.
    """

    label: str
    image: np.ndarray
    box_px: np.ndarray
    points: np.ndarray
    predicted: np.ndarray
    error: float


@dataclass(frozen=True, kw_only=True)
class LandmarksOptions(Options):
    """The options of the figure of landmarks."""

    protocol: str = "youtube-faces"
    """A protocol with labelled points (see fabnet probe --help)."""
    split: Literal["val", "test"] = "val"
    """The split whose faces are scored and shown."""
    probe: Literal["paper", "ridge"] = "paper"
    """The kind of probe. paper: batch-norm and a linear layer, by Adam; ridge: closed form."""
    cache: Path | None = None
    """Folder for boxes and features; by default the user's cache folder."""
    num_workers: int | None = None
    """Processes that detect faces; by default one per core."""
    device: str = "auto"
    """For models that run on torch: auto, cpu, cuda or cuda:N."""
    out: Path | None = None
    """Folder to write to; by default report/figures in the run."""


@takes(LandmarksOptions)
def landmarks_figure(
    model: str | Path, data: str | Path, options: LandmarksOptions | None = None, **changes: Any
) -> FigureResult:
    """Draw predicted landmarks next to the labels, for faces from good to the worst.

    A linear probe is fitted on frozen features of other people and chosen on yet others. The faces are selected by
    their error alone: at fixed percentiles, and the worst, each of another person.

    Args:
        model: a model as in `fabnet.load`.
        data: the protocol's folder.
        options: all options as one object; or give them by name.

    Raises:
        InputError: a file is missing or invalid, the protocol labels no points, or the model is not a run and `out` is
            None.
        ModelError: the model is missing or corrupt.
        OutputError: a file cannot be written.
    """
    options = LandmarksOptions.of(options, changes)
    folder = figures_folder(model, options.out)
    split, probe = options.split, options.probe
    benchmark = read_benchmark(options.protocol, Path(data))
    task = next((each for each in benchmark.tasks if isinstance(each, Points)), None)
    if task is None:
        kinds = ", ".join(each.name for each in benchmark.tasks)
        raise InputError(f"{benchmark.name} labels no points, only {kinds}: choose another --protocol")
    kept = Cache(local(options.cache or cache_folder(), "caches"))
    exact = pinned(model)
    encoder = load(exact, device=options.device)
    crops = find_faces(benchmark, cache=kept, num_workers=options.num_workers, spec=encoder.crop_spec)
    features = embed_faces(encoder, benchmark, crops, digest=model_digest(exact), cache=kept)
    seen_px = crops.seen_px(encoder.window)
    fit_predict = linear_fit_predict(features, task, probe, pca=encoder.pca)
    scored = score_task(task, seen_px, parts_of(benchmark, split), fit_predict, probe=probe)
    points = task.targets[scored.places].reshape(len(scored.places), -1, 2)
    predicted = scored.predicted.reshape(points.shape)
    norm = task.normalisers[0]
    errors = 100 * point_errors(predicted, points) / norm.measure(points)
    known = np.flatnonzero(np.isfinite(errors))
    whose = np.array(benchmark.names if benchmark.people is None else benchmark.people)[scored.places]
    chosen = {label: known[index] for label, index in chosen_faces(errors[known], whose[known]).items()}
    faces = [
        _face(label, benchmark.images[scored.places[i]], seen_px[scored.places[i]], points[i], predicted[i], errors[i])
        for label, i in chosen.items()
    ]
    people = "" if benchmark.people is None else f" of {len(np.unique(whose[known]))} people"
    is_few = points.shape[1] <= FEW_POINTS
    caption = [
        f"{points.shape[1]} landmarks by a linear probe on frozen features, {benchmark.name}, {WORDS[split]} faces.",
        "Dots are labels, crosses are predictions." if is_few else "Top: labels; bottom: predictions.",
        f"The percentile of each face's error is given above it, among {len(known):,} faces{people}; "
        "the worst, a failure, is on the right.",
        f"The numbers are the mean distance of the points in per cent of the {norm.name}; the mean over all faces is "
        f"{errors[known].mean():.2f} %.",
    ]
    own = {name: getattr(options, name) for name in ("protocol", "split", "probe", "out")}
    facts = facts_of(
        "landmarks", model, {"data": data, **own},
        data=f"{Path(data).resolve().name}, {split}", probe=f"{probe}, {scored.chosen}", seed="0",
    )  # fmt: skip
    names = [benchmark.names[scored.places[i]] for i in chosen.values()]
    shown = [{"face": face.label, "name": name, "error_%": face.error} for face, name in zip(faces, names, strict=True)]
    side = (WIDTH_IN - LEFT_IN - APART_IN) / len(faces) - GAP_IN
    height = HEAD_IN + (1 if is_few else 2) * (side + GAP_IN)
    return write_figure(
        lambda figure: _draw(figure, faces, side, is_few=is_few), height_in=height, folder=folder, name="landmarks",
        caption=caption, facts=facts, shown=shown,
    )  # fmt: skip


def chosen_faces(errors: np.ndarray, people: np.ndarray) -> dict[str, int]:
    """Choose faces by their error alone.

    Args:
        errors: (N,) finite errors.
        people: (N,) person of each face.

    Returns:
        Indices by label: the worst face, and for each percentile the nearest face in rank whose person is not shown
        yet. Few people give fewer faces.
    """
    order = np.argsort(errors, kind="stable")
    worst = int(order[-1])
    taken = {people[worst]}
    chosen = {}
    for percentile in PERCENTILES:
        rank = percentile / 100 * (len(order) - 1)
        for index in order[np.argsort(np.abs(np.arange(len(order)) - rank), kind="stable")].tolist():
            if people[index] not in taken:
                taken.add(people[index])
                chosen["median" if percentile == 50 else f"{percentile:g}th percentile"] = index
                break
    return {**chosen, "worst": worst}


def _face(
    label: str, image: Path | np.ndarray, box_px: np.ndarray, points: np.ndarray, predicted: np.ndarray, error: float
) -> FacePanel:
    return FacePanel(label, crop_of(read_image(image), box_px, SHOWN_PX), box_px, points, predicted, float(error))


def _draw(figure: matplotlib.figure.Figure, faces: list[FacePanel], side: float, *, is_few: bool) -> None:
    size = 3.2 if is_few else 1.1
    for column, face in enumerate(faces):
        left = LEFT_IN + column * (side + GAP_IN) + (APART_IN if column == len(faces) - 1 and column else 0)
        colour = ORANGE if face.label == "worst" else INK
        say(figure, left + side / 2, 0.09, face.label, colour=colour)
        say(figure, left + side / 2, 0.21, f"{face.error:.1f} %", colour=colour)
        marks = (("label", face.points, "o", BLUE), ("prediction", face.predicted, "x", ORANGE))
        for row, (name, points, marker, colour) in enumerate(marks):
            if row == 0 or not is_few:
                top = HEAD_IN + row * (side + GAP_IN)
                axes = panel(figure, left, top, side, face.image, box_px=face.box_px)
                x0, y0, x1, y1 = face.box_px.tolist()
                axes.set(xlim=(x0, x1), ylim=(y1, y0))
            for under in (True, False):  # a white outline first, for contrast on light and dark skin
                width = (0.9 if is_few else 0.35) + 0.9 * under
                axes.plot(
                    *points.T, marker if is_few else "o", markersize=size, color="none", linewidth=0,
                    markeredgecolor="white" if under else colour, markeredgewidth=width,
                    markerfacecolor="white" if under else colour, gid=f"{name}-{column}{'-under' * under}",
                )  # fmt: skip
    for row, (text, colour) in enumerate((("labels", BLUE), ("predictions", ORANGE))):
        middle = HEAD_IN + (side * (0.17 + 0.5 * row) if is_few else row * (side + GAP_IN) + side / 2)
        say(figure, 0.09, middle, text, rotation=90, size=7, colour=colour)
