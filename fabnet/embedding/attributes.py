"""Attributes: fitted probes as files, by which `fabnet embed --probe` reads pose, points and the like off embeddings.

A safetensors file with `coef` (D, K) and `intercept` (K,), and a JSON object in its metadata that says of which encoder
it is, what it predicts and how. Using one needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from fabnet.errors import InputError
from fabnet.output import written_whole

__all__ = ["Kind", "SavedProbe", "load_probes", "save_probes"]

Kind = Literal["points", "angles", "classes", "units", "values"]
"""What a probe predicts: points, angles, one of several classes, units that are each there or not, or plain values."""

FORMAT = "fabnet-probe-1"
ARRAYS = ("coef", "intercept", "scale", "centre")
KINDS = ("points", "angles", "classes", "units", "values")


@dataclass(frozen=True, slots=True, eq=False)
class SavedProbe:
    """A probe of one task.

    Attributes:
        task: its name.
        kind: of the task.
        columns: names of what it predicts: x0, y0 ... of points.
        scale: of values: what a standard deviation stands for, (K,); ones else.
        centre: likewise their mean; zeros else.
        coef: (D, K) float32.
        intercept: (K,) float32.
        model: digest of the encoder it was fitted on.
        source: what it was fitted on, in words.
    """

    task: str
    kind: Kind
    columns: tuple[str, ...]
    scale: np.ndarray
    centre: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    model: str
    source: str

    def predict(self, embeddings: np.ndarray, seen_px: np.ndarray | None = None) -> np.ndarray:
        """Predict attributes.

        Args:
            embeddings: (N, D) float.
            seen_px: (N, 4) what the network saw of each image, where points are wanted in its pixels; None: points stay
                in [-1, 1] of what it saw.

        Returns:
            (N, K) float64: points, degrees, probabilities of classes and units, values.

        Raises:
            InputError: the embeddings are of another length.
        """
        if embeddings.shape[1] != len(self.coef):
            raise InputError(
                f"the probe of {self.task} takes embeddings of {len(self.coef)} numbers; these have "
                f"{embeddings.shape[1]}: it was fitted on another encoder"
            )
        made = embeddings.astype(np.float64) @ self.coef + self.intercept
        if self.kind == "classes":
            shares = np.exp(made - made.max(axis=1, keepdims=True))
            return np.asarray(shares / shares.sum(axis=1, keepdims=True))
        if self.kind == "units":
            return np.asarray(0.5 * (1 + np.tanh(made / 2)))
        if self.kind == "angles":
            return np.asarray(np.degrees(made))
        if self.kind == "points" and seen_px is not None:
            sides = seen_px[:, None, 2:] - seen_px[:, None, :2]
            points = (made.reshape(len(made), -1, 2) + 1) / 2 * sides + seen_px[:, None, :2]
            return np.asarray(points.reshape(made.shape))
        return np.asarray(made * self.scale + self.centre)

    def fields(self) -> list[pa.Field]:
        """The columns of an embeddings dataset that its predictions go to.

        Points: one, `TASK_px`, a list x0, y0, x1, y1 ... in pixels of the image. Angles: `TASK_ANGLE_deg`. Classes:
        `TASK`, the likeliest one, and the probability of each, `TASK_CLASS`. Units and values: `TASK_NAME`, or only the
        name where the two are the same.
        """
        if self.kind == "points":
            return [pa.field(f"{self.task}_px", pa.list_(pa.float32(), len(self.columns)))]
        if self.kind == "angles":
            return [pa.field(f"{self.task}_{name}_deg", pa.float32()) for name in self.columns]
        names = [name if name == self.task else f"{self.task}_{name}" for name in self.columns]
        likeliest = [pa.field(self.task, pa.string())] if self.kind == "classes" else []
        return likeliest + [pa.field(name, pa.float32()) for name in names]

    def rows(self, embeddings: np.ndarray, seen_px: np.ndarray) -> list[dict[str, Any]]:
        """Predictions as values of those columns, a dictionary a face.

        Args:
            embeddings: (N, D) float.
            seen_px: (N, 4) what the network saw of each image.
        """
        made = self.predict(embeddings, seen_px)
        names = [field.name for field in self.fields()]
        if self.kind == "points":
            return [{names[0]: row} for row in made.astype(np.float32)]
        if self.kind == "classes":
            return [
                {names[0]: self.columns[int(row.argmax())]} | dict(zip(names[1:], row.tolist(), strict=True))
                for row in made
            ]
        return [dict(zip(names, row.tolist(), strict=True)) for row in made]


def save_probes(probes: Sequence[SavedProbe], file: Path) -> None:
    """Write probes of one encoder to a file.

    Raises:
        OutputError: it cannot be written.
    """
    from safetensors.numpy import save_file

    tensors, said = {}, []
    for number, probe in enumerate(probes):
        for name in ARRAYS:
            tensors[f"{number}/{name}"] = np.ascontiguousarray(getattr(probe, name), dtype=np.float32)
        content = asdict(probe)
        said.append({name: content[name] for name in ("task", "kind", "columns", "model", "source")})
    with written_whole(file) as partial:
        save_file(tensors, partial, metadata={"format": FORMAT, "probes": json.dumps(said)})


def load_probes(file: Path) -> list[SavedProbe]:
    """Read what `save_probes` wrote.

    Raises:
        InputError: no such file, or it holds no probes.
    """
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise InputError(f"no such probe file: {file}; fabnet probe --save FILE writes one")
    try:
        with safe_open(file, framework="numpy") as content:
            metadata = content.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{file} holds no probes (format {metadata.get('format')!r}); expected {FORMAT!r}")
            probes = []
            for number, said in enumerate(json.loads(metadata["probes"])):
                arrays = {
                    name: content.get_tensor(f"{number}/{name}") for name in ("coef", "intercept", "scale", "centre")
                }
                if said["kind"] not in KINDS or arrays["coef"].ndim != 2:
                    raise InputError(f"{file} is damaged: probe {number} is of kind {said['kind']!r}")
                probes.append(SavedProbe(said["task"], said["kind"], tuple(said["columns"]), model=said["model"],
                                         source=said["source"], **arrays))  # fmt: skip
            return probes
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file} cannot be read as probes ({error}); fabnet probe --save FILE writes one") from None
