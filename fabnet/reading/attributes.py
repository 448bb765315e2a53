"""The columns that `embed` adds to embeddings: attributes, and the predictions of the user's probes.

Attributes are read from the canonical crop, by a model that was taught its own (`fabnet teach`), or else by the
encoder that ships: each face is looked for again inside its stored or detected crop, so that it has the same attributes
as in `read`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.face_reader import ReaderTask
from fabnet.encoders.load_encoder import load_for_reading
from fabnet.encoders.saved_probe import SavedProbe, probes_for
from fabnet.errors import InputError
from fabnet.faces.find import Face
from fabnet.faces.window import Window
from fabnet.reading.canonical import Eyes
from fabnet.reading.columns import check_attributes

__all__ = ["ATTRIBUTES_MODEL", "Predictor", "attributes", "eyes_of", "predictor", "shipped_eyes"]

ATTRIBUTES_MODEL = "base"
"""The encoder whose face reader reads the attributes, for every model that was not taught its own."""


@lru_cache(maxsize=1)
def shipped_eyes() -> Eyes:
    """The encoder that reads attributes, with its face reader; loaded once per process."""
    encoder = load_for_reading(ATTRIBUTES_MODEL, device="cpu")
    return Eyes(encoder, encoder.required_reader())


def eyes_of(encoder: Embedder) -> Eyes:
    """What reads the attributes beside an encoder's embeddings.

    Raises:
        InputError: the file of its face reader is corrupt, or was fitted on another encoder.
    """
    own = encoder.reader
    return shipped_eyes() if own is None or own.taught is None else Eyes(encoder, own)


def attributes(faces: Sequence[Face]) -> dict[str, np.ndarray]:
    """Read the attributes of faces.

    Args:
        faces: N faces from `crop_faces`.

    Returns:
        The columns of docs/reading.md by name: (N,) each; points (N, P, 2) in pixels of the picture.

    Raises:
        InputError: something else than faces is given.
    """
    if not all(isinstance(face, Face) for face in faces):
        raise InputError("attributes takes the faces that crop_faces gives, or a list of several of them")
    eyes = shipped_eyes()
    boxes, shown = (
        np.array([getattr(face, name) for face in faces], np.float32).reshape(-1, 4)
        for name in ("crop_box_px", "shown_px")
    )
    read = eyes.reader.columns(eyes.in_crops([face.image for face in faces], boxes, shown))
    return {
        name: values.reshape(len(values), values.shape[1] // 2, 2) if values.ndim > 1 else values
        for name, values in read.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Makes the further columns of an embeddings dataset."""

    eyes: Eyes | None
    """What reads attributes; None: none are asked for."""
    probes: tuple[SavedProbe, ...]
    """Probes of the model's embeddings."""
    window: Window
    """The model's window in a crop."""

    def fields(self) -> list[pa.Field]:
        """The columns."""
        own = [] if self.eyes is None else self.eyes.reader.fields()
        return [*own, *(field for probe in self.probes for field in probe.fields())]

    @property
    def drawn(self) -> list[ReaderTask | SavedProbe]:
        """What gives the columns, for an overlay."""
        return [*([] if self.eyes is None else self.eyes.reader.tasks), *self.probes]

    def about(self) -> dict[str, str]:
        """Metadata of the dataset: the version of the attributes, and the encoder that reads them."""
        if self.eyes is None:
            return {}
        reader = self.eyes.reader
        return reader.about() | {"fabnet.attributes_model_digest": reader.model}

    def rows(self, crops: Sequence[np.ndarray], boxes_px: np.ndarray, embeddings: np.ndarray) -> list[dict[str, Any]]:
        """Predict the columns.

        Args:
            crops: N crops, (H, W, 3) uint8 RGB; not read unless attributes are asked for.
            boxes_px: (N, 4) where they were cut out of the picture.
            embeddings: (N, D) of the model.

        Returns:
            One dictionary per face; points are flat.
        """
        made: list[dict[str, Any]] = [{} for _ in range(len(boxes_px))]
        if self.eyes is not None:
            columns = self.eyes.reader.columns(self.eyes.in_crops(crops, boxes_px))
            lists = {name: list(values) if values.ndim > 1 else values.tolist() for name, values in columns.items()}
            for row, values in zip(made, zip(*lists.values(), strict=True), strict=True):
                row.update(zip(lists, values, strict=True))
        seen_px = self.window.inside(boxes_px)
        for probe in self.probes:
            for row, predicted in zip(made, probe.rows(embeddings, seen_px), strict=True):
                row.update(predicted)
        return made


def predictor(encoder: Embedder, digest: str | None, files: Sequence[Path], *, attributes: bool) -> Predictor:
    """Load what makes the further columns.

    Args:
        encoder: the model.
        digest: digest of the model, from `model_digest`; None: unknown.
        files: files of `probe(..., save=FILE)`.
        attributes: whether attributes are asked for.

    Raises:
        InputError: a file is not a probe file or was fitted on another encoder, or see `check_attributes`.
    """
    eyes = eyes_of(encoder) if attributes else None
    made = Predictor(eyes, tuple(probes_for(files, digest)), encoder.window)
    check_attributes(made.fields())
    return made
