"""`fabnet embed`: pictures, videos and stores to embeddings, streaming."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fabnet.embedding.attributes import SavedProbe, load_probes
from fabnet.embedding.digest import model_digest
from fabnet.embedding.embedder import Embedder
from fabnet.embedding.inputs import Item, list_inputs, read_items
from fabnet.embedding.load_encoder import load
from fabnet.embedding.rows import FORMATS, Format, Row, schema, write_rows
from fabnet.errors import InputError, NoFaceError
from fabnet.progress import progress
from fabnet.sampling.window import Window

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
    probes: Sequence[str | Path] = (),
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
        probes: files that `probe(..., save=FILE)` wrote for this model: what they predict becomes further columns.
        batch_size: faces at once.
        device: for models that run on torch.

    Returns:
        What was embedded, and what could not be.

    Raises:
        InputError: an input is missing or there is nothing in it, or a probe is of another model.
        NoFaceError: no face was found in any input.
        ModelError: the model is missing or damaged.
        OutputError: the disk is full.
    """
    out = Path(out)
    encoder = model if isinstance(model, Embedder) else load(model, device=device)
    reading = _probes_of(probes, None if isinstance(model, Embedder) else model_digest(model))
    found = list_inputs([Path(path) for path in inputs])
    result = EmbedResult(out, str(model) if not isinstance(model, Embedder) else "given", encoder.backend)
    began = time.monotonic()

    with progress("embedding", unit="rows") as bar:

        def rows() -> Iterator[Row]:
            items = read_items(
                found, crop=crop, faces=faces, fps=fps, detector=detector, spec=encoder.card.crop, failed=result.failed
            )
            for row in _embedded(items, encoder, reading, batch_size):
                result.rows += 1
                result.embedded += row["embedding"] is not None
                bar.advance()
                yield row
            if not result.embedded:
                _nothing(result)

        write_rows(
            rows(), out, file_format=file_format or _format_of(out), embedding_dim=encoder.embedding_dim,
            attributes=[field for probe in reading for field in probe.fields()],
        )  # fmt: skip
    result.without_face = result.rows - result.embedded
    result.faces_per_s = round(result.embedded / (time.monotonic() - began), 1)
    return result


def _probes_of(files: Sequence[str | Path], digest: str | None) -> list[SavedProbe]:
    """Read probes, and check that they were fitted on this model."""
    found: list[SavedProbe] = []
    for file in files:
        for probe in load_probes(Path(file)):
            if digest is not None and probe.model not in (digest, "given"):
                raise InputError(
                    f"{file} was fitted on another encoder than --model; fit it again with fabnet probe --save"
                )
            found.append(probe)
    names = [field.name for probe in found for field in probe.fields()]
    taken = sorted(set(names) & set(schema(0).names))
    if taken:
        raise InputError(f"a probe predicts {taken[0]}, which embeddings have a column of: rename it in the labels")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"two probes predict {sorted(twice)[0]}; give one of their files only")
    return found


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


def _embedded(items: Iterable[Item], encoder: Embedder, probes: Sequence[SavedProbe], batch_size: int) -> Iterator[Row]:
    """Rows in the order of their items, faces embedded `batch_size` at a time."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) >= batch_size:
            yield from _rows(waiting, encoder, probes, batch_size)
            waiting = []
    yield from _rows(waiting, encoder, probes, batch_size)


def _rows(items: Sequence[Item], encoder: Embedder, probes: Sequence[SavedProbe], batch_size: int) -> Iterator[Row]:
    embeddings = encoder.embed([item.image for item in items if item.image is not None], batch_size=batch_size)
    boxes = [item.crop_box_px for item in items if item.crop_box_px is not None]
    seen_px = Window(*encoder.card.window).inside(np.array(boxes).reshape(-1, 4))
    attributes = [probe.rows(embeddings, seen_px) for probe in probes] if len(embeddings) else []
    place = 0
    for item in items:
        row = dict(item.row)
        row["id"] = f"{row['video']}/{row['track']}/{row['frame']}"
        row["embedding"] = None
        if item.image is not None:
            row["embedding"] = embeddings[place]
            for read in attributes:
                row |= read[place]
            place += 1
        yield row
