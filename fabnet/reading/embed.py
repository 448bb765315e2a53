"""`fabnet embed`: streams pictures, videos and stores to embeddings."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fabnet.encoders.baselines.registry import is_baseline
from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.encoders.saved_probe import SavedProbe
from fabnet.errors import InputError, NoFaceError
from fabnet.files.folder import LeftOut, left_out_json
from fabnet.files.places import as_place, is_remote, local
from fabnet.reading.columns import schema
from fabnet.reading.inputs import Failure, Input, is_same_file, list_inputs
from fabnet.reading.overlay import overlay_writer
from fabnet.reading.parts import Recipe, embed_in_parts, parts_of
from fabnet.reading.pipeline import NOT_FINITE, Reading, embedded, probes_of
from fabnet.reading.rows import FORMATS, Format, Row, check_place, write_rows
from fabnet.runtime.engine import engine_for
from fabnet.runtime.memory import give_back_freed_blocks
from fabnet.runtime.progress import progress
from fabnet.video.decode import check_fps
from fabnet.weights import shipped_models

if TYPE_CHECKING:
    from fabnet.encoders.inference import Precision

__all__ = ["EmbedResult", "embed"]


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
    overlay: Path | None = None
    """Video with its faces drawn on; None if none was requested."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        overlay = None if self.overlay is None else str(self.overlay)
        values = dataclasses.asdict(self) | {"out": str(self.out), "overlay": overlay}
        return values | left_out_json(self.left_out)


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
    min_face: float | None = None,
    attributes: bool = False,
    probes: Sequence[str | Path] = (),
    overlay: str | Path | None = None,
    thumbnails: bool = True,
    batch_size: int = 64,
    device: str = "auto",
    precision: Precision = "auto",
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
) -> EmbedResult:
    """Turn photos, videos, folders and stores into embeddings: one row per face and frame.

    Args:
        inputs: photos, videos, folders of them, or track stores.
        out: the output: a Lance dataset's folder, or a file; of "npy" the other columns go to a CSV beside it.
        model: as `load` takes it, or an encoder that it gave.
        crop: "detect" finds faces first; "none" takes each picture or frame as a face crop.
        faces: of each picture or frame, the "largest" or "all".
        fps: frames a second taken of a video; None: all.
        file_format: "lance", "parquet", "csv" or "npy"; None: what the ending of `out` says, else Lance.
        detector: name of the face detector.
        min_face: side of the smallest face looked for, in pixels; None: of photos 1/64 of the longer side, of videos
            1/16, at least 20.
        attributes: read pose, landmarks, expression and more off the embeddings, by the probes that the model carries:
            further columns, see docs/attributes.md.
        probes: files that `probe(..., save=FILE)` wrote for this model: likewise.
        overlay: an MP4 file to write a video to, the only input, with what was read drawn over its faces, without
            sound; None: none.
        thumbnails: keep a small picture of each face in a Lance dataset, to show what is found in it.
        batch_size: faces at once, at the most.
        device: for models that run on torch.
        precision: likewise: "auto", "float32" or "bfloat16", see `load`.
        engine: "local", or "ray": in parts on a Ray cluster, each of whose machines must see the inputs and the model
            under the same paths. The output is a Lance dataset; the same command goes on after a stop.
        ray_address: of the cluster, HOST:PORT; None: $RAY_ADDRESS, else a Ray of this machine's own.

    Returns:
        What was embedded, and what could not be.

    Raises:
        InputError: no input is given, one is missing or there is nothing in it, something else or an input lies at
            `out`, a probe is of another model, or there is no one video to draw on.
        NoFaceError: no face was found in any input.
        ModelError: the model is missing or damaged, or carries no probes where attributes are asked for.
        OutputError: the disk is full.
        MissingDependencyError: Ray is not installed.
        FabnetError: the Ray cluster was lost; what was finished is kept.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be 1 or more; got {batch_size}")
    check_fps(fps)
    out = as_place(out)
    on_ray, file_format = engine == "ray", file_format or _format_of(out)
    check_place(out, file_format)
    tasks_on = engine_for(engine, ray_address=ray_address, num_gpus=int(device.startswith("cuda")))
    place = "auto" if on_ray else device  # with Ray, only the workers need the device
    encoder = model if isinstance(model, Embedder) else load(model, device=place, precision=precision)
    digest = None if isinstance(model, Embedder) else model_digest(model)
    files = tuple(as_place(file) for file in probes)
    predicting = probes_of(encoder, digest, files, attributes=attributes)
    reading = Reading(crop, faces, fps, detector, thumbnails and file_format == "lance", batch_size, min_face)
    listed = list_inputs([as_place(path) for path in inputs])
    found = listed.found
    _check_apart(out, found, overlay)
    result = EmbedResult(
        out, str(model) if not isinstance(model, Embedder) else "given", encoder.backend, encoder.precision,
        overlay=None if overlay is None else local(overlay, "overlays"),
    )  # fmt: skip
    result.failed += listed.failed
    result.left_out += listed.left_out
    if not found:
        _check_something(result, min_face)
    columns = schema(
        encoder.embedding_dim, [field for probe in predicting for field in probe.fields()],
        thumbnails=reading.thumbnails,
        about={} if digest is None else {"fabnet.model": _name_of(model), "fabnet.model_digest": digest},
    )  # fmt: skip
    began = time.monotonic()
    if on_ray:
        if isinstance(model, Embedder) or digest is None or overlay is not None or file_format != "lance":
            raise InputError(
                "--engine ray takes a model's name or path, writes a Lance dataset and draws no overlay: give --out "
                "NAME.lance, or leave --engine out"
            )
        recipe = Recipe(model, device, precision, attributes, files, reading, digest)
        for note in embed_in_parts(parts_of(found, recipe, out), out, columns, tasks_on):
            result.rows += note.rows
            result.embedded += note.embedded
            result.failed += note.failed
        _check_something(result, min_face)
    else:
        give_back_freed_blocks()
        with _drawing(found, result.overlay, predicting) as draw, progress("embedding", unit="rows") as bar:

            def seen(row: Row) -> None:
                bar.advance()
                draw(row)

            rows = _counted(embedded(found, encoder, predicting, reading), result, seen, min_face)
            write_rows(rows, out, file_format=file_format, columns=columns)
    not_finite = sum(reason.startswith(NOT_FINITE) for _, reason in result.failed)
    result.without_face = result.rows - result.embedded - not_finite
    result.faces_per_s = round(result.embedded / (time.monotonic() - began), 1)
    return result


def _check_apart(out: Path, found: Sequence[Input], overlay: str | Path | None) -> None:
    """Refuse an output that would replace an input or the overlay."""
    if overlay is not None and as_place(overlay).absolute() == out.absolute():
        raise InputError(f"{out} is also the overlay: choose another --out")
    if is_remote(out) or not out.is_file():
        return
    if any(each.kind != "store" and is_same_file(each.path, out) for each in found):
        raise InputError(f"{out} is an input, which embed would replace: choose another --out")


def _drawing(
    found: Sequence[Input], overlay: Path | None, probes: Sequence[SavedProbe]
) -> AbstractContextManager[Callable[[Row], None]]:
    """Return a function that draws each row on the overlay, if there is one."""
    if overlay is None:
        return nullcontext(lambda row: None)
    if len(found) != 1 or found[0].kind != "video":
        raise InputError(f"an overlay is drawn on one video; got {len(found)} inputs, the first {found[0].name}")
    return overlay_writer(found[0].path, overlay, probes)


def _counted(
    rows: Iterable[Row | Failure], result: EmbedResult, seen: Callable[[Row], None], min_face: float | None
) -> Iterator[Row]:
    for row in rows:
        if isinstance(row, Failure):
            result.failed.append(row)
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


def _format_of(out: Path) -> Format:
    ending = out.suffix.removeprefix(".")
    return next((known for known in FORMATS if known == ending), "lance")


def _name_of(model: str | Path | Embedder) -> str:
    """A model's name, or its absolute path, which can be found from any folder."""
    is_name = str(model) in shipped_models() or (isinstance(model, str) and is_baseline(model))
    return str(model) if is_name or not Path(str(model)).exists() else str(Path(str(model)).resolve())
