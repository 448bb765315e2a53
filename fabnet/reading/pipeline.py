"""Turns inputs into rows with embeddings, in the order of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import cv2
import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.faces.window import decode_jpeg
from fabnet.reading.attributes import Predictor
from fabnet.reading.columns import Row
from fabnet.reading.inputs import Failure, Input, Item, Remark, decoded, read_items
from fabnet.reading.options import EmbedOptions
from fabnet.reading.thumbnail import thumbnail
from fabnet.runtime.threads import batched, in_threads

__all__ = ["NOT_FINITE", "embedded"]

NOT_FINITE = "the encoder gave numbers that are not finite (NaN or infinity)"
"""Reason why a face has no embedding."""


def embedded(
    inputs: Sequence[Input],
    encoder: Embedder,
    predicting: Predictor,
    options: EmbedOptions,
    *,
    num_threads: int | None = None,
) -> Iterator[Row | Failure | Remark]:
    """Embed inputs, one after another; memory does not grow with their length.

    Args:
        inputs: from `list_inputs`.
        encoder: the encoder.
        predicting: makes the further columns.
        options: settings for reading inputs.
        num_threads: number of threads; None: one per core.
    """
    items = read_items(inputs, options, spec=encoder.crop_spec)
    batches = batched(items, encoder.at_once(options.batch_size))
    rows_of = partial(_rows, encoder=encoder, predicting=predicting, thumbnails=options.thumbnails)
    for rows in in_threads(rows_of, batches, workers=num_threads):
        yield from rows


def _rows(
    items: Sequence[Item | Failure | Remark], *, encoder: Embedder, predicting: Predictor, thumbnails: bool
) -> list[Row | Failure | Remark]:
    """The rows of a batch, in the order of its items; runs in a worker thread."""
    read = [decoded(item, min_side=encoder.sharp_side) if isinstance(item, Item) else item for item in items]
    crops, in_full, boxes = list[np.ndarray](), list[np.ndarray](), []
    for item, each in zip(items, read, strict=True):
        if isinstance(item, Item) and isinstance(each, Item) and isinstance(each.image, np.ndarray):
            crops.append(each.image)
            boxes.append(each.crop_box_px)
            if predicting.eyes is not None:
                in_full.append(_in_full(item, each.image))
    embeddings = encoder.embed_batch(crops)
    finite = np.isfinite(embeddings).all(axis=1)
    embeddings = np.where(finite[:, None], embeddings, 0)
    predicted = predicting.rows(in_full, np.array(boxes, np.float32).reshape(-1, 4), embeddings)
    index, rows = 0, list[Row | Failure | Remark]()
    for item in read:
        if isinstance(item, Item):
            row = item.row | {"embedding": None}
            row["id"] = f"{row['video']}/{row['track']}/{row['frame']}"
            if isinstance(item.image, np.ndarray) and not finite[index]:
                row["reason"] = NOT_FINITE
                rows.append(Failure(row["source"], f"{NOT_FINITE}, of {row['id']}"))
                index += 1
            elif isinstance(item.image, np.ndarray):
                row["embedding"] = embeddings[index]
                if thumbnails:
                    row["thumbnail"] = thumbnail(item.image)
                row |= predicted[index]
                index += 1
            rows.append(row)
        else:
            rows.append(item)
    return rows


def _in_full(item: Item, image: np.ndarray) -> np.ndarray:
    """The crop at its full size: `image`, but for a store's crop, which was decoded at the size that the model needs.

    Attributes are read off it, so that they are the same for every model.
    """
    if isinstance(item.image, bytes) and item.crop_box_px is not None:
        return np.asarray(cv2.cvtColor(decode_jpeg(item.image), cv2.COLOR_BGR2RGB))
    return image
