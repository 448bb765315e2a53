"""`fabnet embed`: pictures, videos and stores to embeddings, streaming."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fabnet.embedding.embedder import Embedder, load
from fabnet.embedding.inputs import Item, list_inputs, read_items
from fabnet.embedding.rows import FORMATS, Format, Row, write_rows
from fabnet.errors import InputError, NoFaceError
from fabnet.progress import progress

__all__ = ["EmbedResult", "embed"]


@dataclass
class EmbedResult:
    """What was embedded.

    Attributes:
        out: where the rows are.
        model: the model's name or path.
        backend: what the encoder ran on.
        rows: in all.
        embedded: rows with an embedding.
        without_face: rows of pictures and frames in which no face was found.
        failed: files that could not be read, with the reason.
        faces_per_s: embedded, reading and detection included.
    """

    out: Path
    model: str
    backend: str
    rows: int = 0
    embedded: int = 0
    without_face: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    faces_per_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dataclasses.asdict(self) | {"out": str(self.out)}


def embed(
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    model: str | Path | Embedder = "small",
    crop: Literal["detect", "none"] = "detect",
    faces: Literal["largest", "all"] = "largest",
    fps: float | None = None,
    file_format: Format | None = None,
    detector: str = "mtcnn",
    batch_size: int = 64,
    device: str = "auto",
) -> EmbedResult:
    """Turn photos, videos, folders and stores into embeddings: a row a face and frame.

    Args:
        inputs: photos, videos, folders of them, or track stores.
        out: the output: a Lance dataset's folder, or a file.
        model: as `load` takes it, or an encoder that it gave.
        crop: "detect" finds faces first; "none" takes each picture or frame as a face crop.
        faces: of each picture or frame, the "largest" or "all".
        fps: frames a second taken of a video; None: all.
        file_format: "lance", "parquet", "csv" or "npy"; None: what the ending of `out` says, else Lance.
        detector: name of the face detector.
        batch_size: faces at once.
        device: for models that run on torch.

    Returns:
        What was embedded, and what could not be.

    Raises:
        InputError: an input is missing or there is nothing in it.
        NoFaceError: no face was found in any input.
        ModelError: the model is missing or damaged.
        OutputError: the disk is full.
    """
    out = Path(out)
    encoder = model if isinstance(model, Embedder) else load(model, device=device)
    found = list_inputs([Path(path) for path in inputs])
    result = EmbedResult(out, str(model) if not isinstance(model, Embedder) else "given", encoder.backend)
    began = time.monotonic()

    with progress("embedding", unit="rows") as bar:

        def rows() -> Iterator[Row]:
            items = read_items(
                found, crop=crop, faces=faces, fps=fps, detector=detector, spec=encoder.card.crop, failed=result.failed
            )
            for row in _embedded(items, encoder, batch_size):
                result.rows += 1
                result.embedded += row["embedding"] is not None
                bar.advance()
                yield row
            if not result.embedded:
                _nothing(result)

        write_rows(rows(), out, file_format=file_format or _format_of(out), embedding_dim=encoder.embedding_dim)
    result.without_face = result.rows - result.embedded
    result.faces_per_s = round(result.embedded / (time.monotonic() - began), 1)
    return result


def _nothing(result: EmbedResult) -> None:
    if result.failed:
        source, reason = result.failed[0]
        more = f" (and {len(result.failed) - 1} more)" if len(result.failed) > 1 else ""
        raise InputError(f"nothing could be embedded: {source}: {reason}{more}")
    raise NoFaceError(
        f"no face was found in {result.rows} pictures or frames; are faces 24 px high or more? With crops of faces, "
        "give --crop none"
    )


def _format_of(out: Path) -> Format:
    ending = out.suffix.removeprefix(".")
    return next((known for known in FORMATS if known == ending), "lance")


def _embedded(items: Iterable[Item], encoder: Embedder, batch_size: int) -> Iterator[Row]:
    """Rows in the order of their items, faces embedded `batch_size` at a time."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) >= batch_size:
            yield from _rows(waiting, encoder, batch_size)
            waiting = []
    yield from _rows(waiting, encoder, batch_size)


def _rows(items: Sequence[Item], encoder: Embedder, batch_size: int) -> Iterator[Row]:
    crops = [item.image for item in items if item.image is not None]
    embeddings: Iterator[np.ndarray] = iter(encoder.embed(crops, batch_size=batch_size))
    for item in items:
        row = dict(item.row)
        row["id"] = f"{row['video']}/{row['track']}/{row['frame']}"
        row["embedding"] = next(embeddings) if item.image is not None else None
        yield row
