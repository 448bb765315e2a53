"""Turns inputs into rows with embeddings, in the order of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.saved_probe import SavedProbe, probes_for
from fabnet.faces.window import Window
from fabnet.reading.columns import Row, check_attributes
from fabnet.reading.inputs import Failure, Input, Item, decoded, read_items
from fabnet.reading.options import EmbedOptions
from fabnet.reading.thumbnail import thumbnail
from fabnet.runtime.threads import batched, in_threads

__all__ = ["NOT_FINITE", "embedded", "probes_of"]

NOT_FINITE = "the encoder gave numbers that are not finite (NaN or infinity)"
"""Reason why a face has no embedding."""


def embedded(
    inputs: Sequence[Input],
    encoder: Embedder,
    probes: Sequence[SavedProbe],
    options: EmbedOptions,
    *,
    num_threads: int | None = None,
) -> Iterator[Row | Failure]:
    """Embed inputs, one after another; memory does not grow with their length.

    Args:
        inputs: from `list_inputs`.
        encoder: the encoder.
        probes: probes that predict further columns.
        options: settings for reading inputs.
        num_threads: number of threads; None: one per core.
    """
    items = read_items(inputs, options, spec=encoder.card.crop)
    batches = batched(items, encoder.at_once(options.batch_size))
    rows_of = partial(_rows, encoder=encoder, probes=probes, thumbnails=options.thumbnails)
    for rows in in_threads(rows_of, batches, workers=num_threads):
        yield from rows


def probes_of(encoder: Embedder, digest: str | None, files: Sequence[Path], *, attributes: bool) -> list[SavedProbe]:
    """Read the probes that predict further columns from embeddings.

    Args:
        encoder: the encoder.
        digest: its digest, from `model_digest`; None: unknown.
        files: files of `probe(..., save=FILE)`.
        attributes: also use the probes that come with the encoder.

    Raises:
        ModelError: `attributes` is set and the encoder has no probes.
        InputError: a file is not a probe file or was fitted on another encoder, or see `check_attributes`.
    """
    found = [*(encoder.required_probes() if attributes else ()), *probes_for(files, digest)]
    check_attributes([field for probe in found for field in probe.fields()])
    return found


def _rows(
    items: Sequence[Item | Failure], *, encoder: Embedder, probes: Sequence[SavedProbe], thumbnails: bool
) -> list[Row | Failure]:
    """The rows of a batch, in the order of its items; runs in a worker thread."""
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
