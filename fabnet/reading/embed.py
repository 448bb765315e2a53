"""`fabnet embed`: streams pictures, videos and stores to embeddings."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fabnet.encoders.baselines.registry import is_baseline
from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load, pinned
from fabnet.errors import InputError, NoFaceError
from fabnet.faces.crop import framing_note
from fabnet.files.folder import LeftOut, left_out_json
from fabnet.files.places import as_place, as_places, is_remote, is_same_file, local
from fabnet.options import takes
from fabnet.reading.attributes import predictor
from fabnet.reading.columns import Row, schema
from fabnet.reading.inputs import Failure, Input, Remark, list_inputs
from fabnet.reading.options import FORMATS, EmbedOptions, Format
from fabnet.reading.overlay import drawing
from fabnet.reading.parts import Recipe, embed_in_parts, parts_of
from fabnet.reading.pipeline import NOT_FINITE, embedded
from fabnet.reading.rows import check_place, write_rows
from fabnet.runtime.engine import engine_for
from fabnet.runtime.memory import give_back_freed_blocks
from fabnet.runtime.progress import progress
from fabnet.version import VERSION
from fabnet.weights import shipped_models

__all__ = ["EmbedResult", "embed"]

OTHER_TABLES = ("arrow", "feather", "h5", "hdf5", "json", "jsonl", "npz", "pkl", "tsv", "txt", "xls", "xlsx", "zip")
"""Endings of tables that `embed` does not write; a dataset's folder of such a name would surprise."""


@dataclass
class EmbedResult:
    """The result of embedding."""

    out: Path
    """Path of the output."""
    model: str
    """Name or path of the model."""
    backend: str
    """Backend of the encoder."""
    precision: str
    """Precision of the encoder: "float32", "bfloat16" or "int8"."""
    rows: int = 0
    """Number of rows written."""
    embedded: int = 0
    """Number of rows with an embedding."""
    without_face: int = 0
    """Number of pictures and frames in which no face was found; each has a row."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Files that could not be read, with the reason."""
    left_out: list[LeftOut] = field(default_factory=list)
    """Other files in the given folders: file, reason, count."""
    faces_per_s: float = 0.0
    """Faces embedded per second, including reading and detection."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the crop, and on videos: which of several streams was read, where a clock jumps."""
    overlay: Path | None = None
    """Video with its faces drawn on; None if none was requested."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        overlay = None if self.overlay is None else str(self.overlay)
        values = dataclasses.asdict(self) | {"out": str(self.out), "overlay": overlay}
        return values | left_out_json(self.left_out)


@takes(EmbedOptions)
def embed(
    inputs: str | Path | Iterable[str | Path], out: str | Path, options: EmbedOptions | None = None, **changes: Any
) -> EmbedResult:
    """Turn photos, videos, folders and stores into embeddings: one row per face and frame.

    Args:
        inputs: a photo, a video, a folder of them, or a track store; or several of these.
        out: the output: a Lance dataset's folder, or a file; with the format npy, the other columns go to a CSV file
            of the same name.
        options: all options as one object; or give them by name.

    Returns:
        What was embedded, and what could not be.

    Raises:
        InputError: no input is given, one is missing or there is nothing in it, the format and the ending of `out`
            differ, something else or an input lies at `out`, a probe is of another model, or an overlay is asked for
            and the input is not one video.
        NoFaceError: no face was found in any input.
        ModelError: the model is missing or damaged.
        StoreError: another command is writing to `out`, or has put something there meanwhile, which is kept.
        OutputError: the disk is full.
        MissingDependencyError: Ray is not installed.
        FabnetError: the Ray cluster was lost; what was finished is kept.
    """
    options = EmbedOptions.of(options, changes)
    out = as_place(out)
    model, on_ray, file_format = options.model, options.engine == "ray", _format_of(out, options.format)
    check_place(out, file_format)
    is_cuda = options.device.startswith("cuda")
    tasks_on = engine_for(options.engine, ray_address=options.ray_address, num_gpus=int(is_cuda))
    device = "auto" if on_ray else options.device  # with Ray, only the workers need the device
    exact = model if isinstance(model, Embedder) else pinned(model)
    encoder = exact if isinstance(exact, Embedder) else load(exact, device=device, precision=options.precision)
    digest = None if isinstance(exact, Embedder) else model_digest(exact)
    predicting = predictor(encoder, digest, options.probe, attributes=options.attributes)
    options = replace(options, thumbnails=options.thumbnails and file_format == "lance")
    listed = list_inputs(as_places(inputs))
    found = _chosen(listed.found, options)
    _check_apart(out, found, options.overlay)
    result = EmbedResult(
        out, str(model) if not isinstance(model, Embedder) else "given", encoder.backend, encoder.precision,
        overlay=None if options.overlay is None else local(options.overlay, "overlays"),
    )  # fmt: skip
    result.failed += listed.failed
    result.left_out += listed.left_out
    if not found:
        _check_something(result, options.min_face)
    if options.crop == "detect" and any(each.kind != "store" for each in found):
        remark = framing_note(encoder.card.crop, encoder.card.window[1])
        result.notes += [remark] if remark else []
    about = {
        "fabnet.version": VERSION, "fabnet.crop": "detector" if options.crop == "detect" else "none",
        "fabnet.options": options.to_text(), **predicting.about(),
        **({} if digest is None else {"fabnet.model": _name_of(model), "fabnet.model_digest": digest}),
    }  # fmt: skip
    columns = schema(encoder.embedding_dim, predicting.fields(), thumbnails=options.thumbnails, about=about)
    began = time.monotonic()
    if on_ray:
        if isinstance(exact, Embedder) or digest is None or options.overlay is not None or file_format != "lance":
            raise InputError(
                "--engine ray takes a model's name or path, writes a Lance dataset and draws no overlay: give --out "
                "NAME.lance, or leave --engine out"
            )
        parts = parts_of(found, Recipe(exact, digest, options), out)
        for note in embed_in_parts(parts, out, columns, tasks_on):
            result.rows += note.rows
            result.embedded += note.embedded
            result.failed += note.failed
            result.notes += note.remarks
        _check_something(result, options.min_face)
    else:
        give_back_freed_blocks()
        with drawing(found, result.overlay, predicting.drawn) as draw, progress("embedding", unit="rows") as bar:

            def seen(row: Row) -> None:
                bar.advance()
                draw(row)

            rows = _counted(embedded(found, encoder, predicting, options), result, seen, options.min_face)
            write_rows(rows, out, file_format=file_format, columns=columns)
    not_finite = sum(reason.startswith(NOT_FINITE) for _, reason in result.failed)
    result.without_face = result.rows - result.embedded - not_finite
    result.faces_per_s = round(result.embedded / (time.monotonic() - began), 1)
    return result


def _chosen(found: Sequence[Input], options: EmbedOptions) -> tuple[Input, ...]:
    """The inputs, with what `--split` and `--sample` choose of a store's rows."""
    if options.split is None and options.sample is None:
        return tuple(found)
    from fabnet.store.chosen import Chosen

    if any(each.kind != "store" for each in found):
        raise InputError("--split and --sample choose among the rows of a store: give a store only, or leave them out")
    return tuple(replace(each, chosen=Chosen(options.split, options.sample, options.seed)) for each in found)


def _check_apart(out: Path, found: Sequence[Input], overlay: Path | None) -> None:
    """Refuse an output that would replace an input or the overlay."""
    if overlay is not None and overlay.absolute() == out.absolute():
        raise InputError(f"{out} is also the overlay: choose another --out")
    if is_remote(out) or not out.is_file():
        return
    if any(each.kind != "store" and is_same_file(each.path, out) for each in found):
        raise InputError(f"{out} is an input, which embed would replace: choose another --out")


def _counted(
    rows: Iterable[Row | Failure | Remark], result: EmbedResult, seen: Callable[[Row], None], min_face: float | None
) -> Iterator[Row]:
    for row in rows:
        if isinstance(row, Failure):
            result.failed.append(row)
            continue
        if isinstance(row, Remark):
            result.notes.append(f"{row.name}: {row.text}")
            continue
        result.rows += 1
        result.embedded += row["embedding"] is not None
        seen(row)
        yield row
    _check_something(result, min_face)


def _check_something(result: EmbedResult, min_face: float | None) -> None:
    if result.embedded:
        return
    if result.failed:
        source, reason = result.failed[0]
        more = f" (and {len(result.failed) - 1} more)" if len(result.failed) > 1 else ""
        raise InputError(f"nothing could be embedded: {source}: {reason}{more}")
    smallest = "1/64 of a photo's longer side, or 1/16 of a video's (at least 20 px); --min-face PX finds smaller ones"
    if min_face is not None:
        smallest = f"{min_face:g} px, by --min-face"
    raise NoFaceError(
        f"no face was found in {result.rows} pictures or frames; the smallest that is looked for has {smallest}. For "
        "face crops, give --crop none"
    )


def _format_of(out: Path, given: Format | None) -> Format:
    """The format that is given, or that the ending of the output names; a dataset where it names none.

    Raises:
        InputError: they differ, or the ending is that of another kind of table.
    """
    ending = out.suffix.removeprefix(".").lower()
    named = next((known for known in FORMATS if known == ending), None)
    if given is None and ending in OTHER_TABLES:
        raise InputError(f"--out {out} ends in .{ending}; expected .lance, .parquet, .csv or .npy")
    if given is not None and named not in (None, given):
        raise InputError(f"--out {out} ends in .{ending}, but --format is {given}: leave --format out")
    return given or named or "lance"


def _name_of(model: str | Path | Embedder) -> str:
    """A model's name, or its absolute path, which can be found from any folder."""
    is_name = str(model) in shipped_models() or (isinstance(model, str) and is_baseline(model))
    return str(model) if is_name or not Path(str(model)).exists() else str(Path(str(model)).resolve())
