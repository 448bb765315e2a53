"""One table for encoders of the second generation, on validation people only: points, turns, expressions, smiles, clips
and neighbours.

- 68 points, neighbours, same person: YouTube Faces' validation people. A probe for the points is fitted on its training
  people; neighbours need none.
- turns and yaw: cmu_faces' validation people, fitted on its training people. Yaw is that of MediaPipe's face mesh, of
  faces in which it was found.
- six expressions: FER+'s validation part, fitted on its training part.
- smile: a fifth of MTFL's training part, fitted on 160 faces of the others, drawn several times.
- in clips: validation people of talking_clips and more_clips, fitted on their training people. The correlation with the
  reference curve inside each clip; the median over clips.

The penalties of turns, yaw and clips are fixed, since their training people are few; others are chosen as in `probe`.

Intervals are by bootstrap over people (faces, where people are unnamed). In brackets: the figure less that of the first
model, paired face by face.

Run: python experiments/second_table.py MODEL... --data DATA --mesh WORK --out table.json
MODEL is a name, run or checkpoint, or NAME=MODEL. WORK holds mesh-cmu_faces.npz and mesh-youtube_faces.npz, which
experiments/reader/mesh.py writes; without it there is no row for yaw.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from baselines import FOLDERS
from curves import named, write_rows
from few_labels import with_labels
from tables import read_table, write_table
from time_courses import clips, column, references

import fabnet
from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.faces.detect.load import DEFAULT_DETECTOR
from fabnet.faces.picture import decode_picture
from fabnet.files.places import cache_folder
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.evaluate import Scored
from fabnet.probes.faces import FaceCrops, find_faces
from fabnet.probes.features import embed_faces
from fabnet.probes.linear import Probe, RidgeProbe, SoftmaxProbe
from fabnet.probes.metrics import Weighted, bootstrap_weights, interval
from fabnet.probes.parts import parts_of
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.scorers import LinearScorer, RetrievalScorer
from fabnet.probes.tasks.labels import Classes
from fabnet.probes.tasks.quantities import Angles, Values
from fabnet.store.track_store import TrackStore, open_store

TURNS = ("left", "straight", "right", "up")
CURVES = {"mouth": "mouth_opening", "eyes": "eyes_opening", "yaw": "yaw_deg", "pitch": "pitch_deg"}
FPS = 10.0
SMILE_LABELS = 160
LEAST_FRAMES = 10
"""Shorter clips have no correlation to speak of."""


@dataclass(frozen=True)
class Row:
    """A figure of a model."""

    name: str
    """What is measured, with its unit."""
    value: float
    """The figure."""
    resampled: np.ndarray
    """(R,) the figure in each resampling of people; the same people for every model."""


class Turns(Classes):
    """Turns of the head, with a fixed penalty: chosen on three of the training people, it would be left to chance."""

    def candidates(self) -> dict[str, Callable[[], Probe]]:
        """See `Task.candidates`."""
        return {"C 0.1": partial(SoftmaxProbe, self.num_outputs, 0.1)}


class Yaws(Angles):
    """Yaw, with a fixed penalty, as `Turns`."""

    def candidates(self) -> dict[str, Callable[[], Probe]]:
        """See `Task.candidates`."""
        return {"penalty 1": partial(RidgeProbe, 1.0)}


class Curves(Values):
    """A value along clips, with a fixed penalty, as `Turns`."""

    def candidates(self) -> dict[str, Callable[[], Probe]]:
        """See `Task.candidates`."""
        return {"penalty 0.01": partial(RidgeProbe, 0.01)}


class StoredCrops(Sequence[np.ndarray]):
    """Crops of a track store, decoded when they are asked for."""

    def __init__(self, store: TrackStore, rows: np.ndarray) -> None:
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return decode_picture(self._store.read_images(self._rows[place : place + 1])[0])


@dataclass(frozen=True)
class Sets:
    """The faces and their crops, the same for every model."""

    points: tuple[Benchmark, FaceCrops]
    """YouTube Faces."""
    turns: tuple[Benchmark, FaceCrops]
    """cmu_faces."""
    expressions: tuple[Benchmark, FaceCrops]
    """FER+."""
    smiles: tuple[Benchmark, FaceCrops]
    """MTFL."""
    clips: tuple[Benchmark, FaceCrops]
    """Clips with reference curves."""


def read_sets(data: Path, mesh: Path | None, cache: Cache, work: Path) -> Sets:
    """Read the labels and find the faces; test people are left out at once."""

    def without_test(protocol: str, *tasks: str) -> tuple[Benchmark, FaceCrops]:
        whole = read_benchmark(protocol, data / FOLDERS[protocol])
        part = whole.part(np.flatnonzero(whole.split != "test").tolist(), [])
        part = replace(part, tasks=tuple(task for task in part.tasks if task.name in tasks))
        return part, find_faces(part, cache=cache)

    return Sets(
        points=without_test("youtube-faces", "landmarks68"),
        turns=turned_heads(data, mesh, cache),
        expressions=without_test("ferplus", "expression"),
        smiles=without_test("mtfl", "smile"),
        clips=clip_frames(data, work),
    )


def turned_heads(data: Path, mesh: Path | None, cache: Cache) -> tuple[Benchmark, FaceCrops]:
    """cmu_faces with its turns, and the mesh's yaw if there is one.

    A face that the detector misses, which most often looks up or aside, is cut where the same person's others are: all
    sit before one camera. The whole picture would tell the turn by its framing.
    """
    splits = {row["item"]: row["split"] for row in read_table(data / "splits_clips.csv") if row["set"] == "cmu_faces"}
    rows = read_table(data / "cmu_faces" / "labels.csv")
    names, people = [row["path"] for row in rows], np.array([row["person"] for row in rows])
    turns = np.array([[TURNS.index(row["pose"])] for row in rows], float)
    tasks: tuple[Any, ...] = (Turns(name="turn", targets=turns, columns=TURNS),)
    if mesh is not None:
        tasks += (Yaws(name="yaw", targets=yaw_of_mesh(names, data, mesh), columns=("yaw",)),)
    benchmark = Benchmark(
        name="cmu_faces", images=[data / "cmu_faces" / "frames" / name for name in names], names=names,
        split=np.array([splits[person] for person in people]), people=people, tasks=tasks,
    )  # fmt: skip
    crops = find_faces(benchmark, cache=cache)
    boxes = crops.boxes_px.copy()
    for place in np.flatnonzero(~crops.is_loose):
        boxes[place] = np.median(crops.boxes_px[crops.is_loose & (people == people[place])], axis=0)
    return benchmark, FaceCrops(boxes, np.ones(len(boxes), dtype=bool))


def yaw_of_mesh(names: Sequence[str], data: Path, mesh: Path) -> np.ndarray:
    """(N, 1) degrees; NaN where the mesh was not found."""
    sys.path.append(str(Path(__file__).parent / "reader"))  # its modules are scripts too
    from faces import read_faces

    faces = read_faces("cmu_faces", data, mesh, 1.0)
    known = dict(zip(faces.names.tolist(), faces.heads.pose_deg[:, 2].tolist(), strict=True))
    return np.array([[known.get(name, np.nan)] for name in names])


def clip_frames(data: Path, work: Path) -> tuple[Benchmark, FaceCrops]:
    """Crops of the clips with reference curves, as `track` cuts them, with the curves' values at their times."""
    files = {path.name: path for split in ("train", "val") for path in clips(data, split)}
    rows = [row for row in read_table(data / "splits_clips.csv") if row["item"] in files]
    work.mkdir(parents=True, exist_ok=True)
    splits, people, place = work / "clips-splits.csv", work / "clips-people.csv", work / f"{DEFAULT_DETECTOR}.lance"
    write_table(splits, "identity,split", {row["person"]: row["split"] for row in rows})
    write_table(people, "video,identity", {row["item"]: row["person"] for row in rows})
    fabnet.track(list(files.values()), place, fps=FPS, splits=splits, identities=people)
    store, known = open_store(place), references(data)
    index = store.index(min_frames=1)
    places = np.concatenate([
        np.arange(start, start + length) for start, length in zip(index.starts, index.lengths, strict=True)
    ])  # fmt: skip
    table = store.read_rows(places, ("identity", "video", "track", "split", "time_s"))
    videos, times = np.array(table.column("video").to_pylist()), column(table, "time_s")
    values = np.empty((len(places), len(CURVES)))
    for video in np.unique(videos):
        own = videos == video
        curves = known[Path(video).name]
        for k, name in enumerate(CURVES.values()):
            values[own, k] = np.interp(times[own], curves["time_s"], curves[name])
    benchmark = Benchmark(
        name="clips", images=StoredCrops(store, places),
        names=[f"{video}/{track}/{time_s}" for video, track, time_s in
               zip(videos, table.column("track").to_pylist(), times, strict=True)],
        split=np.array(table.column("split").to_pylist()), people=np.array(table.column("identity").to_pylist()),
        clips=videos, tasks=tuple(Curves(name=name, targets=values[:, k : k + 1], columns=(name,))
                                  for k, name in enumerate(CURVES)),
    )  # fmt: skip
    size = float(store.crop["size"])
    return benchmark, FaceCrops(np.tile([0, 0, size, size], (len(places), 1)), np.ones(len(places), dtype=bool))


def row_of(name: str, of: Weighted, owners: np.ndarray) -> Row:
    """A figure with its resamplings over people."""
    return Row(name, float(of(np.ones((1, len(owners)), np.float32))[0]), of(bootstrap_weights(owners)))


def picked(scored: Sequence[Scored], benchmark: Benchmark, names: dict[tuple[str, str], str]) -> list[Row]:
    """The rows of some figures, by task and metric."""
    found = {
        (each.task, figure.metric): row_of(name, figure.of, benchmark.owners[each.places])
        for each in scored for figure in each.figures if (name := names.get((each.task, figure.metric), ""))
    }  # fmt: skip
    return [found[key] for key in names if key in found]


def clip_rows(scored: Sequence[Scored], benchmark: Benchmark) -> list[Row]:
    """For each curve, the median over clips of the correlation inside the clip."""
    assert benchmark.clips is not None
    rows = []
    for each, task in zip(scored, benchmark.tasks, strict=True):
        within, people = [], []
        for clip in np.unique(benchmark.clips[each.places]):
            own = benchmark.clips[each.places] == clip
            if own.sum() >= LEAST_FRAMES:
                true = task.targets[each.places[own], 0]
                within.append(float(np.corrcoef(each.predicted[own, 0], true)[0, 1]))
                people.append(benchmark.owners[each.places[own]][0])
        rows.append(row_of(f"in clips: {task.name}, correlation", median_of(np.array(within)), np.array(people)))
    return rows


def median_of(values: np.ndarray) -> Weighted:
    """The median of (N,) values, each counted as often as its weight says."""
    return lambda weights: np.array([np.median(np.repeat(values, counts)) for counts in weights.astype(int)])


def neighbour_rows(scored: Sequence[Scored], benchmark: Benchmark) -> list[Row]:
    """How far neighbours of other people share their shape, and how much oftener than by chance they are the same."""
    figures = {(each.task, figure.metric): (figure.of, benchmark.owners[each.places])
               for each in scored for figure in each.figures}  # fmt: skip
    way, people = figures["landmarks68", "shape distance, %, % of the way from chance to best, top 10"]
    same, same_people = figures["identity", "same person, another clip, %, top 5"]
    chance, _ = figures["identity", "same person, another clip, %, chance"]
    return [
        row_of("neighbours by shape, 0 chance to 1 best", lambda weights: way(weights) / 100, people),
        row_of("same person in the top 5, %", same, same_people),
        row_of("same person in the top 5, over chance", lambda weights: same(weights) / chance(weights), same_people),
    ]


def rows_of(model: str, sets: Sets, *, draws: int, cache: Cache) -> list[Row]:
    """All figures of a model."""
    encoder, digest = load(model), model_digest(model)
    linear = LinearScorer(encoder=encoder, digest=digest, cache=cache, probes=("ridge",), seeds=1)
    ranked = RetrievalScorer(encoder=encoder, digest=digest, cache=cache, variants=("raw",))
    rows = picked(linear.score(*sets.points, "val"), sets.points[0], {
        ("landmarks68", "error, % of outer-eye distance"): "68 points, % of the outer-eye distance",
    })  # fmt: skip
    rows += picked(linear.score(*sets.turns, "val"), sets.turns[0], {
        ("turn", "AUC, mean"): "turns: AUC, mean",
        **{("turn", f"AUC, {turn}"): f"turns: AUC, {turn}" for turn in TURNS},
        ("yaw", "error in degrees, yaw"): "yaw of the mesh, error in degrees",
    })  # fmt: skip
    rows += picked(linear.score(*sets.expressions, "val"), sets.expressions[0], {
        ("expression", "AUC, mean"): "six expressions: AUC, mean",
    })  # fmt: skip
    rows.append(smile_row(encoder, digest, sets, draws=draws, cache=cache))
    rows += clip_rows(linear.score(*sets.clips, "val"), sets.clips[0])
    return rows + neighbour_rows(ranked.score(*sets.points, "val"), sets.points[0])


def smile_row(encoder: Embedder, digest: str, sets: Sets, *, draws: int, cache: Cache) -> Row:
    """MTFL's smile from few labels."""
    benchmark, crops = sets.smiles
    features = embed_faces(encoder, benchmark, crops, digest=digest, cache=cache)
    (parts,) = parts_of(benchmark, "val")
    made = with_labels(
        features, benchmark, crops.seen_px(encoder.window), benchmark.tasks[0], parts, SMILE_LABELS,
        draws=draws, pca=encoder.pca,
    )  # fmt: skip
    return Row(f"smile from {SMILE_LABELS} labels: AUC", float(np.mean(made.by_draw)), made.resampled.mean(axis=0))


def show(made: dict[str, list[Row]]) -> str:
    """The table as Markdown."""
    first = next(iter(made.values()))
    lines = ["| | " + " | ".join(made) + " |", "|---" * (len(made) + 1) + "|"]
    for place, row in enumerate(first):
        cells = []
        for rows in made.values():
            own = rows[place]
            low, high = interval(own.resampled)
            cells.append(f"{own.value:.2f} [{low:.2f}, {high:.2f}]")
            if rows is not first:
                low, high = interval(own.resampled - row.resampled)
                cells[-1] += f" ({own.value - row.value:+.2f} [{low:+.2f}, {high:+.2f}])"
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="NAME=MODEL, or a model by its own name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--mesh", type=Path, help="folder that experiments/reader/mesh.py wrote")
    parser.add_argument("--draws", type=int, default=20, help="draws of the labels of smiles")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    folder = options.cache or cache_folder()
    cache = Cache(folder)
    sets = read_sets(options.data, options.mesh, cache, folder / "second_table")
    made = {}
    for name, model in named(options.models).items():
        began = time.monotonic()
        made[name] = rows_of(model, sets, draws=options.draws, cache=cache)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(show(made))
    first = next(iter(made.values()))
    write_rows(
        [{"model": name, "metric": row.name, "value": row.value, "interval": interval(row.resampled),
          "minus_first": row.value - firsts.value, "minus_first_interval": interval(row.resampled - firsts.resampled)}
         for name, rows in made.items() for row, firsts in zip(rows, first, strict=True)],
        options.out,
    )  # fmt: skip


if __name__ == "__main__":
    main()
