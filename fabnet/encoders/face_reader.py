"""What is read off the embedding of a face: where it lies, whether there is one, its attributes, and how sure they are.

A `FaceReader` is one map of the shipped encoder's embedding, nearly that of a kernel ridge, with what is needed to say
how far its outputs can be trusted. It is a safetensors file in the model's folder; reading it needs neither torch nor
onnxruntime.

Letters: N faces, D numbers of an embedding, R cosines, K outputs, F signs of difficulty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from fabnet.encoders.encoded_faces import EncodedFaces, in_camera, in_picture, points_px
from fabnet.encoders.readings import softmax
from fabnet.errors import InputError
from fabnet.faces.landmarks import five_of_68
from fabnet.files.output import written_whole
from fabnet.models.weights_file import check_safetensors

__all__ = ["FaceReader", "ReaderTask", "is_experimental", "load_face_reader", "save_face_reader"]

FORMAT = "fabnet-reader-1"
ARRAYS = (
    "coef", "waves", "phases", "wave_coef", "intercept", "mean", "whiten", "limits", "signs_mean", "signs_scale",
    "spread",
)  # fmt: skip
PLACE, FACE, COVERED = slice(0, 3), 3, 4
"""The first outputs: shift in x and y, logarithm of the scale; a face, and whether it is covered, as log-odds."""
FIRST = 5
"""The first output of the tasks."""
EXPERIMENTAL = {"fabnet.experimental": "true"}
"""Metadata of a column that is experimental."""
FACE_PROBABILITY = 0.5
ROLL = "pose_roll_deg"
POSE = (ROLL, "pose_pitch_deg", "pose_yaw_deg")
MAX_ROLL_DEG = 10.0
"""A head that leans by more inside its window is looked at again, with the window turned. Up to here the lean changes
nothing; beyond, errors grow, and are three times as large at 30 degrees."""
LANDMARKS = "landmarks68"
"""The task that every reader has: 68 points."""
MAX_TURN_DEG = {"pose_yaw_deg": 65.0, "pose_pitch_deg": 40.0, "pose_roll_deg": 45.0}
"""Beyond these angles the labels that the probes were fitted to are few."""
MIN_BRIGHTNESS, MIN_CONTRAST = 0.08, 0.03
MIN_DETAIL, LEAST_SHARP_PX = 0.27, 40.0
"""Detail below which a window counts as blurred, if its side in pixels is at least this: smaller ones have little.
About 1 % of ordinary faces have less (docs/faults.md)."""
MAX_OUTSIDE = 0.15
"""Share of the 68 points that may lie outside the picture. Of 114 readings of faces at its edge with fewer, 95 % had
all angles within their half-widths of those of the whole face; of 141 with more, 59 %."""
NUM_SIGNS = 8
"""F, the number of signs of difficulty: see `FaceReader.raw_signs`."""
KINDS = ("points", "values", "classes", "probabilities")


@dataclass(frozen=True, slots=True)
class ReaderTask:
    """What some of the outputs are.

    Attributes:
        name: of the task.
        kind: of its outputs. Points and values have a half-width beside them; probabilities are calibrated instead.
        columns: names of the outputs.
        source: the data that it was fitted on, in words.
        is_experimental: whether its figure on people held out is poor.
    """

    name: str
    kind: Literal["points", "values", "classes", "probabilities"]
    columns: tuple[str, ...]
    source: str
    is_experimental: bool = False

    def fields(self) -> list[pa.Field]:
        """The columns of a table that its outputs go to."""
        about = EXPERIMENTAL if self.is_experimental else None
        if self.kind == "points":
            points = pa.list_(pa.float32(), len(self.columns))
            return [pa.field(f"{self.name}_px", points, metadata=about), pa.field(f"{self.name}_pm_px", pa.float32())]
        numbers = [pa.field(name, pa.float32(), metadata=about) for name in self.columns]
        if self.kind == "classes":
            return [pa.field(self.name, pa.string(), metadata=about), *numbers]
        if self.kind == "probabilities":
            return numbers
        return [each for field in numbers for each in (field, pa.field(f"{field.name}_pm", pa.float32()))]


@dataclass(frozen=True, slots=True, eq=False)
class FaceReader:
    """Reads attributes off embeddings of canonical crops.

    Attributes:
        tasks: what the outputs are, in their order.
        model: digest of the encoder that it was fitted on.
        version: of the attributes: it changes when the same face gets other numbers.
        coef: (D, K) float32; the first `FIRST` outputs say where the face lies, whether there is one, and whether it is
            covered.
        waves: (D, R) float32: cosines of the embedding along these directions are further features, which make the map
            that of a Gaussian kernel, nearly (Rahimi, Recht: Random features for large-scale kernel machines, 2007).
        phases: (R,) float32 of the cosines.
        wave_coef: (R, K) float32 weights of the cosines.
        intercept: (K,) float32.
        mean: (D,) float32 mean embedding of the faces that it was fitted on.
        whiten: (D, R) float32: the length of (embedding - mean) @ whiten says how unlike those faces one is.
        limits: (2,) float32: the distance beyond which a face is unlike, and the side of the window in pixels below
            which it is small.
        signs_mean: (F,) float32 of the signs of difficulty.
        signs_scale: (F,) float32 standard deviations of them.
        spread: (F + 1, P) float32: the logarithm of each half-width, which holds 90 % of the errors, linear in
            the standardised signs; the last row is the intercept.
        taught: what taught it, if another encoder's readings did (`fabnet teach`): by, digest, version, store, faces,
            people, agreement; None: it was fitted to labels.
        errors: figures on people held out by group of faces: each a value with its 95 % interval, and `faces`, the
            number of faces.
    """

    tasks: tuple[ReaderTask, ...]
    model: str
    version: str
    coef: np.ndarray
    waves: np.ndarray
    phases: np.ndarray
    wave_coef: np.ndarray
    intercept: np.ndarray
    mean: np.ndarray
    whiten: np.ndarray
    limits: np.ndarray
    signs_mean: np.ndarray
    signs_scale: np.ndarray
    spread: np.ndarray
    taught: dict[str, Any] | None = None
    errors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def about(self) -> dict[str, str]:
        """What a table's metadata say of its attributes."""
        said = {"fabnet.attributes": self.version}
        if self.taught is None:
            return said
        by = {name: value for name, value in self.taught.items() if name != "agreement"}
        return said | {"fabnet.attributes_taught": json.dumps(by)}

    def outputs(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) embeddings to (N, K) float32 outputs."""
        x = np.asarray(embeddings, np.float32)
        waves = np.cos(x @ self.waves + self.phases)
        return np.asarray(x @ self.coef + waves @ self.wave_coef + self.intercept)

    def where(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) embeddings to (N, 6) float32: the outputs that `placed` and `is_face` take; the last is the roll.

        Each face is computed alone, so that no bit depends on the others: windows are cut at the places that it gives,
        and without a face in them, the last bit may decide the place.
        """
        names = [name for task in self.tasks for name in task.columns]
        columns = [*range(FIRST), FIRST + names.index(ROLL)]
        coef, wave_coef, intercept = self.coef[:, columns], self.wave_coef[:, columns], self.intercept[columns]
        made = np.empty((len(embeddings), len(columns)), np.float32)
        for index, one in enumerate(np.asarray(embeddings, np.float32)):
            made[index] = one @ coef + np.cos(one @ self.waves + self.phases) @ wave_coef + intercept
        return made

    def placed(self, outputs: np.ndarray, boxes_px: np.ndarray, turns_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The canonical window around each face, and how far it is turned.

        Args:
            outputs: (N, 6) from `where`.
            boxes_px: (N, 4) the windows that the encoder saw, in the picture.
            turns_deg: (N,) how far they were turned.

        Returns:
            (N, 4) float32 square windows in the same pixels, and (N,) float32 degrees. A window that a head stands
            nearly upright in keeps its turn.
        """
        sides = boxes_px[:, 2:3] - boxes_px[:, :1]
        moves = np.minimum(np.maximum(outputs[:, PLACE], -0.5), 0.5)
        middles = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2 + in_picture(moves[:, :2], turns_deg) * sides
        half = sides * np.exp(moves[:, 2:]) / 2
        rolls = outputs[:, -1]
        turned = turns_deg + rolls
        turned = np.where(np.abs(turned) <= MAX_ROLL_DEG, 0, turned)
        turns = np.where(np.abs(rolls) <= MAX_ROLL_DEG, turns_deg, turned)
        windows = np.concatenate([middles - half, middles + half], axis=1)
        return np.asarray(windows, np.float32), np.asarray(turns, np.float32)

    def is_face(self, outputs: np.ndarray) -> np.ndarray:
        """(N, K) from `outputs` or `where` to (N,) bool: whether the window shows a face."""
        return np.asarray(outputs[:, FACE] > np.log(FACE_PROBABILITY / (1 - FACE_PROBABILITY)))

    def points5(self, outputs: np.ndarray, seen: EncodedFaces) -> np.ndarray:
        """(N, K) outputs to (N, 5, 2) float32: eyes, nose, mouth corners in the picture."""
        first = FIRST + sum(len(task.columns) for task in self.tasks[: self._points_task])
        points = outputs[:, first : first + 136].reshape(-1, 68, 2)
        return points_px(five_of_68(points), seen)

    @property
    def _points_task(self) -> int:
        return [task.name for task in self.tasks].index(LANDMARKS)

    def fields(self) -> list[pa.Field]:
        """The columns of `columns`."""
        said = [pa.field("in_range", pa.bool_()), pa.field("out_of_range", pa.string())]
        return [*said, *(field for task in self.tasks for field in task.fields())]

    def columns(self, seen: EncodedFaces) -> dict[str, np.ndarray]:
        """Read attributes.

        Args:
            seen: canonical crops.

        Returns:
            By the names of `fields`: (N,) each; points (N, 2 P) x0, y0, x1, y1 ... in pixels of the picture;
            `out_of_range` names each reason ("turned small"), and is empty where `in_range` is true.

        Raises:
            InputError: the embeddings are of another length.
        """
        if seen.embeddings.shape[1] != len(self.coef):
            raise InputError(
                f"attributes are read off embeddings of {len(self.coef)} numbers; these have {seen.embeddings.shape[1]}"
            )
        outputs, sides = self.outputs(seen.embeddings), seen.boxes_px[:, 2] - seen.boxes_px[:, 0]
        made: dict[str, np.ndarray] = {}
        first = FIRST
        for task in self.tasks:
            part = outputs[:, first : first + len(task.columns)]
            first += len(task.columns)
            if task.kind == "points":
                xy = part.reshape(len(part), len(task.columns) // 2, 2)
                made[f"{task.name}_px"] = points_px(xy, seen).reshape(part.shape)
            elif task.kind == "classes":
                labels = np.array([name.removeprefix(f"{task.name}_") for name in task.columns])
                made[task.name] = labels[part.argmax(axis=1)]
                made |= dict(zip(task.columns, softmax(part).T, strict=True))
            elif task.kind == "probabilities":
                made |= dict(zip(task.columns, 0.5 * (1 + np.tanh(part.T / 2)), strict=True))
            else:
                made |= dict(zip(task.columns, part.T, strict=True))
        distance = np.linalg.norm((seen.embeddings - self.mean) @ self.whiten, axis=1)
        signs = self.signs(seen, made, distance)
        widths = np.exp(np.clip(signs @ self.spread[:-1] + self.spread[-1], -20, 20))
        index = 0
        for task in self.tasks:
            if task.kind == "points":
                made[f"{task.name}_pm_px"] = widths[:, index] * sides
                index += 1
            elif task.kind == "values":
                for name in task.columns:
                    made[f"{name}_pm"] = widths[:, index]
                    index += 1
        reasons = {
            "no face": ~self.is_face(outputs),
            "turned": np.any([np.abs(made[name]) > limit for name, limit in MAX_TURN_DEG.items()], axis=0),
            "small": sides < self.limits[1],
            "dark": (seen.brightness < MIN_BRIGHTNESS) | (seen.contrast < MIN_CONTRAST),
            "blurred": (seen.detail < MIN_DETAIL) & (sides >= LEAST_SHARP_PX),
            "covered": outputs[:, COVERED] > 0,
            "cut off": _outside(made[f"{LANDMARKS}_px"], seen.shown_px) > MAX_OUTSIDE,
            "unlike": distance > self.limits[0],
        }
        said = [", ".join(name for name, holds in reasons.items() if holds[i]) for i in range(len(outputs))]
        made["out_of_range"] = np.array(said, dtype=object)
        made["in_range"] = np.array([not text for text in said], dtype=bool)
        made |= dict(zip(POSE, in_camera(np.stack([made[name] for name in POSE]), seen.turns_deg), strict=True))
        return {field.name: made[field.name] for field in self.fields()}

    def signs(self, seen: EncodedFaces, made: dict[str, np.ndarray], distance: np.ndarray) -> np.ndarray:
        """What makes a face hard to read: (N, F) float32 `raw_signs`, standardised, at most 4 in size."""
        raw = self.raw_signs(seen, made, distance)
        return np.asarray(np.clip((raw - self.signs_mean) / self.signs_scale, -4, 4), np.float32)

    @staticmethod
    def raw_signs(seen: EncodedFaces, made: dict[str, np.ndarray], distance: np.ndarray) -> np.ndarray:
        """Size of the window, brightness, contrast, turn, its square, pitch, roll, distance from the known faces.

        Returns:
            (N, F) float.
        """
        yaw, pitch, roll = (made[f"pose_{name}_deg"] for name in ("yaw", "pitch", "roll"))
        sides = np.clip(seen.boxes_px[:, 2] - seen.boxes_px[:, 0], 8, 200)
        return np.stack(
            [np.log2(sides), seen.brightness, seen.contrast, np.abs(yaw), np.square(yaw) / 45, np.abs(pitch),
             np.abs(roll), distance],
            axis=1,
        )  # fmt: skip


def _outside(points_px: np.ndarray, shown_px: np.ndarray) -> np.ndarray:
    """(N,) the share of (N, 2 P) points that lie outside (N, 4) boxes."""
    points, boxes = points_px.reshape(len(points_px), points_px.shape[1] // 2, 2), shown_px[:, None]
    return np.asarray(((points < boxes[..., :2]) | (points > boxes[..., 2:])).any(axis=2).mean(axis=1))


def is_experimental(field: pa.Field) -> bool:
    """Whether a table says that a column is experimental."""
    return (field.metadata or {}).get(b"fabnet.experimental") == b"true"


def save_face_reader(reader: FaceReader, file: Path) -> None:
    """Write a reader to a safetensors file.

    Raises:
        OutputError: it cannot be written.
    """
    from safetensors.numpy import save_file

    said = {
        "model": reader.model,
        "version": reader.version,
        "tasks": [
            {"name": each.name, "kind": each.kind, "columns": each.columns, "source": each.source,
             "is_experimental": each.is_experimental}
            for each in reader.tasks
        ],
        **({} if reader.taught is None else {"taught": reader.taught}),
        "errors": reader.errors,
    }  # fmt: skip
    tensors = {name: np.ascontiguousarray(getattr(reader, name), np.float32) for name in ARRAYS}
    with written_whole(file) as partial:
        save_file(tensors, partial, metadata={"format": FORMAT, "reader": json.dumps(said)})


def load_face_reader(file: Path) -> FaceReader:
    """Read what `save_face_reader` wrote.

    Raises:
        InputError: no such file, or it holds no reader.
    """
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        raise InputError(f"no such file: {file}; expected a face reader")
    try:
        check_safetensors(file)
        with safe_open(file, framework="numpy") as content:
            metadata = content.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is {metadata.get('format')!r}; expected {FORMAT!r}")
            said: Mapping[str, Any] = json.loads(metadata["reader"])
            tasks = tuple(
                ReaderTask(each["name"], each["kind"], tuple(each["columns"]), each["source"], each["is_experimental"])
                for each in said["tasks"]
            )
            arrays = {name: content.get_tensor(name) for name in ARRAYS}
            taught = said.get("taught")
            if not isinstance(taught, dict | None):
                raise ValueError("it does not say what taught it")
            errors = {name: dict(each) for name, each in dict(said.get("errors", {})).items()}
            reader = FaceReader(tasks, str(said["model"]), str(said["version"]), **arrays, taught=taught, errors=errors)
            wrong = _wrong_tasks(reader) or _wrong_arrays(reader)
    except (OSError, SafetensorError, InputError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as a face reader ({error})") from None
    if wrong is not None:
        raise InputError(f"{file} is corrupt: {wrong}; take it again from the release that the model is from")
    return reader


def _wrong_tasks(reader: FaceReader) -> str | None:
    """What is wrong with the tasks of a file; None: nothing."""
    for task in reader.tasks:
        if task.kind not in KINDS:
            return f"{task.name} is of the kind {task.kind!r}; expected one of {', '.join(KINDS)}"
    names = [field.name for field in reader.fields()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"two of its columns are called {twice[0]}"
    points = [task for task in reader.tasks if task.kind == "points"]
    if [task.name for task in points] != [LANDMARKS] or len(points[0].columns) != 136:
        return f"its points are {[(task.name, len(task.columns)) for task in points]}; expected {LANDMARKS} with 136"
    values = {name for task in reader.tasks if task.kind == "values" for name in task.columns}
    missing = sorted(set(MAX_TURN_DEG) - values)
    return f"it has no {missing[0]}" if missing else None


def _wrong_arrays(reader: FaceReader) -> str | None:
    """What is wrong with the arrays of a file; None: nothing."""
    outputs = FIRST + sum(len(task.columns) for task in reader.tasks)
    widths = sum(1 if task.kind == "points" else len(task.columns) * (task.kind == "values") for task in reader.tasks)
    dim, rank = len(reader.mean), reader.whiten.shape[-1] if reader.whiten.ndim else 0
    waves = len(reader.phases) if reader.phases.ndim else 0
    expected = {
        "coef": (dim, outputs), "waves": (dim, waves), "phases": (waves,), "wave_coef": (waves, outputs),
        "intercept": (outputs,), "mean": (dim,), "whiten": (dim, rank), "limits": (2,),
        "signs_mean": (NUM_SIGNS,), "signs_scale": (NUM_SIGNS,), "spread": (NUM_SIGNS + 1, widths),
    }  # fmt: skip
    for name in ARRAYS:
        array = getattr(reader, name)
        if array.shape != expected[name] or array.dtype != np.float32:
            return f"{name} is {array.dtype} {array.shape}; expected float32 {expected[name]}"
        if not np.isfinite(array).all():
            return f"{name} has numbers that are not finite"
    return None if (reader.signs_scale > 0).all() else "signs_scale has numbers that are not positive"
