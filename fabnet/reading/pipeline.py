"""From inputs to rows with their embeddings, in the order of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.saved_probe import SavedProbe, probes_for
from fabnet.faces.window import Window
from fabnet.reading.inputs import Failure, Input, Item, decoded, read_items
from fabnet.reading.rows import Row, check_attributes
from fabnet.reading.thumbnail import thumbnail
from fabnet.runtime.threads import batched, in_threads

__all__ = ["NOT_FINITE", "Reading", "embedded", "probes_of"]

NOT_FINITE = "the encoder gave numbers that are not finite (NaN or infinity)"
"""Why a face has no embedding."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How inputs become rows; see `fabnet.embed`."""

    crop: Literal["detect", "none"]
    faces: Literal["largest", "all"]
    fps: float | None
    detector: str
    thumbnails: bool
    batch_size: int
    min_face: float | None = None


def embedded(
    inputs: Sequence[Input],
    encoder: Embedder,
    probes: Sequence[SavedProbe],
    reading: Reading,
    *,
    num_threads: int | None = None,
) -> Iterator[Row | Failure]:
    """Embed inputs, one after another; memory does not grow with their length.

    Args:
        inputs: from `list_inputs`.
        encoder: what embeds.
        probes: what predicts further columns.
        reading: how inputs are read.
        num_threads: None: one a core.
    """
    items = read_items(
        inputs, crop=reading.crop, faces=reading.faces, fps=reading.fps, detector=reading.detector,
        min_face=reading.min_face,        spec=encoder.card.crop,
    )  # fmt: skip
    batches = batched(items, encoder.at_once(reading.batch_size))
    rows_of = partial(_rows, encoder=encoder, probes=probes, thumbnails=reading.thumbnails)
    for rows in in_threads(rows_of, batches, workers=num_threads):
        yield from rows


def probes_of(encoder: Embedder, digest: str | None, files: Sequence[Path], *, attributes: bool) -> list[SavedProbe]:
    """The probes that read further columns off embeddings.

    Args:
        encoder: what embeds.
        digest: of it, from `model_digest`; None: not known.
        files: that `probe(..., save=FILE)` wrote.
        attributes: read by the probes that the encoder carries, too.

    Raises:
        ModelError: it carries none.
        InputError: a file is no such file or of another encoder, or as `check_attributes`.
    """
    found = [*(encoder.required_probes() if attributes else ()), *probes_for(files, digest)]
    check_attributes([field for probe in found for field in probe.fields()])
    return found


def _rows(
    items: Sequence[Item | Failure], *, encoder: Embedder, probes: Sequence[SavedProbe], thumbnails: bool
) -> list[Row | Failure]:
    """The rows of a batch, in the order of its items; called in a thread of its own."""
    read = [decoded(item, min_side=encoder.sharp_side) if isinstance(item, Item) else item for item in items]
    embeddings = encoder.embed_batch(
        [each.image for each in read if isinstance(each, Item) and isinstance(each.image, np.ndarray)]
    )
    finite = np.isfinite(embeddings).all(axis=1)
    embeddings = np.where(finite[:, None], embeddings, 0)
    boxes = [each.crop_box_px for each in read if isinstance(each, Item) and each.crop_box_px is not None]
    seen_px = Window(*encoder.card.window).inside(np.array(boxes).reshape(-1, 4))
    attributes = [probe.rows(embeddings, seen_px) for probe in probes] if boxes else []
    place, rows = 0, list[Row | Failure]()
    for item in read:
        if isinstance(item, Item):
            row = item.row | {"embedding": None}
            row["id"] = f"{row['video']}/{row['track']}/{row['frame']}"
            if isinstance(item.image, np.ndarray) and not finite[place]:
                row["reason"] = NOT_FINITE
                rows.append(Failure(row["source"], f"{NOT_FINITE}, of {row['id']}"))
                place += 1
            elif isinstance(item.image, np.ndarray):
                row["embedding"] = embeddings[place]
                if thumbnails:
                    row["thumbnail"] = thumbnail(item.image)
                for predicted in attributes:
                    row |= predicted[place]
                place += 1
            rows.append(row)
        else:
            rows.append(item)
    return rows
