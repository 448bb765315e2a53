"""Probe files: fitted probes with which `fabnet embed` predicts pose, points and other attributes from embeddings.

A safetensors file contains `coef` (D, K) and `intercept` (K,) of each probe, and in its metadata a JSON list of each
probe's encoder and predictions. Using a probe does not need torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.encoders.readings import READINGS, Panel, Reading
from fabnet.errors import InputError
from fabnet.files.output import written_whole
from fabnet.files.places import fetched
from fabnet.models.weights_file import check_safetensors

__all__ = ["SavedProbe", "load_probes", "probes_for", "save_probes"]

FORMAT = "fabnet-probe-1"
ARRAYS = ("coef", "intercept", "scale", "centre")
SAID = ("task", "kind", "columns", "model", "source")


@dataclass(frozen=True, slots=True, eq=False)
class SavedProbe:
    """A probe of one task."""

    task: str
    """Name of the task."""
    kind: str
    """Kind of the task, a key of `READINGS`."""
    columns: tuple[str, ...]
    """Names of the K predictions; of points x0, y0 ..."""
    scale: np.ndarray
    """(K,), or (1,) for all, standard deviation of plain values; ones for other kinds."""
    centre: np.ndarray
    """(K,), or (1,) for all, mean of plain values; zeros for other kinds."""
    coef: np.ndarray
    """(D, K) float32."""
    intercept: np.ndarray
    """(K,) float32."""
    model: str
    """Digest of the encoder that the probe was fitted on."""
    source: str
    """Description of the data that it was fitted on."""

    def predict(self, embeddings: np.ndarray, seen_px: np.ndarray | None = None) -> np.ndarray:
        """Predict attributes.

        Args:
            embeddings: (N, D) float.
            seen_px: (N, 4) box that the network saw of each image, to get points in the image's pixels; None: points
                stay in [-1, 1] of that box.

        Returns:
            (N, K) float64: points, degrees, probabilities of classes and units, values.

        Raises:
            InputError: the embeddings have another length.
        """
        if embeddings.shape[1] != len(self.coef):
            raise InputError(
                f"the probe of {self.task} takes embeddings of {len(self.coef)} numbers; these have "
                f"{embeddings.shape[1]}: it was fitted on another encoder"
            )
        outputs = embeddings.astype(np.float64) @ self.coef + self.intercept
        return self.reading.in_units(outputs, scale=self.scale, centre=self.centre, seen_px=seen_px)

    @property
    def reading(self) -> Reading:
        """The meaning of its outputs."""
        return READINGS[self.kind]

    def fields(self) -> list[pa.Field]:
        """Columns of an embeddings dataset for its predictions."""
        return self.reading.fields(self.task, self.columns)

    def attributes(self, embeddings: np.ndarray, seen_px: np.ndarray) -> dict[str, np.ndarray]:
        """Predict attributes by the names of these columns.

        Args:
            embeddings: (N, D) float.
            seen_px: (N, 4) box that the network saw of each image.

        Returns:
            (N,) float32 each; points (N, P, 2); the most likely class as (N,) strings.

        Raises:
            InputError: the embeddings have another length.
        """
        return self.reading.columns(self.task, self.columns, self.predict(embeddings, seen_px).astype(np.float32))

    def rows(self, embeddings: np.ndarray, seen_px: np.ndarray) -> list[dict[str, Any]]:
        """Predict values of these columns, one dictionary per face.

        Args:
            embeddings: (N, D) float.
            seen_px: (N, 4) box that the network saw of each image.

        Returns:
            N dictionaries by column; P points are a flat list of 2 P numbers.

        Raises:
            InputError: the embeddings have another length.
        """
        columns = {
            name: list(values.reshape(len(values), -1)) if values.ndim > 1 else values.tolist()
            for name, values in self.attributes(embeddings, seen_px).items()
        }
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def panel(self, embeddings: np.ndarray) -> Panel | None:
        """Predictions from (N, D) embeddings of one face over time as curves; None if there is nothing to draw."""
        return self.reading.panel(self.task, self.columns, self.predict(embeddings))


def save_probes(probes: Sequence[SavedProbe], file: Path) -> None:
    """Write probes of one encoder to a file.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors.numpy import save_file

    tensors, said = {}, []
    for number, probe in enumerate(probes):
        for name in ARRAYS:
            tensors[f"{number}/{name}"] = np.ascontiguousarray(getattr(probe, name), dtype=np.float32)
        said.append({name: getattr(probe, name) for name in SAID})
    with written_whole(file) as partial:
        save_file(tensors, partial, metadata={"format": FORMAT, "probes": json.dumps(said)})


def load_probes(file: Path) -> list[SavedProbe]:
    """Read a file of `save_probes`.

    Raises:
        InputError: the file does not exist, is corrupt or contains no probes.
    """
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        raise InputError(f"no such probe file: {file}; fabnet probe --save FILE writes one")
    here = fetched(file)
    try:
        check_safetensors(here)
    except InputError as error:
        raise InputError(f"{file} cannot be read as probes: {error}") from None
    try:
        with safe_open(here, framework="numpy") as content:
            metadata = content.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{file} contains no probes (format {metadata.get('format')!r}); expected {FORMAT!r}")
            probes = []
            for number, said in enumerate(json.loads(metadata["probes"])):
                arrays = {name: content.get_tensor(f"{number}/{name}") for name in ARRAYS}
                columns = tuple(map(str, said["columns"]))
                if said["kind"] not in READINGS or not _fit(said["kind"], len(columns), arrays):
                    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
                    raise InputError(
                        f"{file} is corrupt: probe {number} is of kind {said['kind']!r}, with {len(columns)} columns "
                        f"and {shapes}; fabnet probe --save FILE writes one"
                    )
                probes.append(SavedProbe(said["task"], said["kind"], columns, model=said["model"],
                                         source=said["source"], **arrays))  # fmt: skip
            return probes
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as probes ({error}); fabnet probe --save FILE writes one") from None


def _fit(kind: str, count: int, arrays: dict[str, np.ndarray]) -> bool:
    """Whether a probe's arrays have the shapes for `count` columns."""
    are_many = arrays["coef"].shape[1:] == arrays["intercept"].shape == (count,)
    return (
        READINGS[kind].takes(count)
        and are_many
        and all(arrays[name].shape in ((1,), (count,)) for name in ("scale", "centre"))
    )


def probes_for(files: Sequence[Path], digest: str | None) -> list[SavedProbe]:
    """Read probes, and check that they were fitted on the given encoder.

    Args:
        files: files of `save_probes`.
        digest: digest of the encoder, from `model_digest`; None: unknown, nothing is checked.

    Raises:
        InputError: a file is not a probe file, or was fitted on another encoder.
    """
    found = []
    for file in files:
        for probe in load_probes(file):
            if digest is not None and probe.model not in (digest, "given"):
                raise InputError(
                    f"{file} was fitted on another encoder than --model; fit it again with fabnet probe --save"
                )
            found.append(probe)
    return found
