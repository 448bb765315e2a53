"""`fabnet read`: photos and videos to one table of pose, landmarks and expression, each with how sure it is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from fabnet.encoders.load_encoder import load_for_reading
from fabnet.encoders.recogniser import RECOGNISERS, is_recogniser, load_recogniser
from fabnet.errors import InputError, NoFaceError
from fabnet.files.cells import write_csv
from fabnet.files.folder import LeftOut, left_out_json
from fabnet.files.output import written_whole
from fabnet.files.parquet import write_parquet
from fabnet.files.places import as_place, as_places, dataset_around, is_same_file, local
from fabnet.options import takes
from fabnet.reading.canonical import Eyes
from fabnet.reading.inputs import Failure, Inputs, Remark, list_inputs
from fabnet.reading.linked_people import LinkedPeople, PeopleLinker, spooled, with_people
from fabnet.reading.options import ReadOptions
from fabnet.reading.people import people_of
from fabnet.reading.read_batch import about_reading, read_batch
from fabnet.reading.read_rows import ReadingRow, read_faces
from fabnet.reading.table import flat, renamed, schema
from fabnet.runtime.memory import give_back_freed_blocks
from fabnet.runtime.progress import progress
from fabnet.runtime.threads import batched

__all__ = ["ReadResult", "read", "read_all", "read_to"]

ROWS_AT_ONCE = 256
SUFFIXES = (".csv", ".parquet")


@dataclass
class ReadResult:
    """What was read."""

    model: str
    """The encoder."""
    out: Path | None = None
    """The file; None: a table."""
    rows: int = 0
    """Number of rows: one per face and frame, or per frame without a face."""
    faces: int = 0
    """Number of rows with a face."""
    in_range: int = 0
    """Number of these whose face is like those that the readings are reliable on."""
    people: LinkedPeople | None = None
    """How tracks became people, if a face-recognition model linked them."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Inputs that cannot be read, each with the reason."""
    left_out: list[LeftOut] = field(default_factory=list)
    """All else in the folders given: file, reason, count."""
    notes: list[str] = field(default_factory=list)
    """Remarks on videos: which of several streams was read, where a clock jumps."""
    faces_per_s: float = 0.0
    """Faces read per second, decoding included."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"out": None if self.out is None else str(self.out)} | left_out_json(self.left_out)


@takes(ReadOptions)
def read(inputs: str | Path | Sequence[str | Path], options: ReadOptions | None = None, **changes: Any) -> pa.Table:
    """Read photos, videos, folders and stores to a table: one row per face and frame.

    A frame without a face keeps a row with the reason, and so does a file that cannot be read. docs/reading.md explains
    the columns.

    Args:
        inputs: a path or several: photos, videos, folders of them, or track stores.
        options: how; the keywords below change single ones.

    Returns:
        The table. Its metadata say which encoder read it, in which version, and how. `.to_pandas()` gives a data frame.

    Raises:
        InputError: an input is missing or holds nothing, or an option is impossible.
        NoFaceError: no face was found in any input.
        ModelError: the model is missing or corrupt, or carries no face reader.
    """
    return read_all(inputs, options, **changes)[0]


@takes(ReadOptions)
def read_all(
    inputs: str | Path | Sequence[str | Path], options: ReadOptions | None = None, **changes: Any
) -> tuple[pa.Table, ReadResult]:
    """Read as `read` does, and also say what could not be read and what was left out of folders."""
    reading = _Reading(inputs, ReadOptions.of(options, changes))
    began = time.monotonic()
    batches = reading.batches()
    table = pa.Table.from_batches(list(batches), reading.schema)
    return table, reading.finished(began)


@takes(ReadOptions)
def read_to(
    inputs: str | Path | Sequence[str | Path], out: str | Path, options: ReadOptions | None = None, **changes: Any
) -> ReadResult:
    """Read photos, videos, folders and stores to a file, as they come; memory does not grow with their length.

    Args:
        inputs: as in `read`.
        out: a .csv or .parquet file.
        options: how; the keywords below change single ones.

    Returns:
        Counts, and what could not be read.

    Raises:
        InputError: as in `read`, or `out` has another ending, is a folder or is one of the inputs.
        NoFaceError: no face was found in any input; nothing is written.
        ModelError: the model is missing or corrupt, or carries no face reader.
        OutputError: the disk is full, or writing there is not allowed.
    """
    out = as_place(out)
    check_out(out)
    options = ReadOptions.of(options, changes)
    if options.overlay is not None and options.overlay.absolute() == out.absolute():
        raise InputError(f"{out} is also the overlay: choose another --out")
    reading = _Reading(inputs, options)
    given = [each.path for each in reading.inputs.found if each.kind != "store"]
    if options.people not in ("track", "video", "folder", "dlib-identity"):
        given.append(as_place(options.people))
    if any(is_same_file(each, out) for each in given):
        raise InputError(f"{out} is an input, which read would replace: choose another --out")
    began = time.monotonic()
    with written_whole(out) as partial:
        batches = reading.batches()
        write(batches, reading.schema, partial, out.suffix)
    reading.result.out = out
    return reading.finished(began)


def check_out(out: Path) -> None:
    """Refuse a file that a table cannot be written to.

    Raises:
        InputError: its ending is unknown, it is a folder, or it lies inside a dataset.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out {out} ends in {out.suffix or 'nothing'!r}; expected {' or '.join(SUFFIXES)}")
    if out.is_dir():
        raise InputError(f"--out {out} is a folder; expected a file")
    if (dataset := dataset_around(out)) is not None:
        raise InputError(f"--out {out} lies inside the dataset {dataset}: choose another place")


def write(batches: Iterable[pa.RecordBatch], columns: pa.Schema, file: Path | IO[bytes], suffix: str) -> None:
    """Write batches to a Parquet or CSV file as they come.

    Args:
        batches: of the table.
        columns: their schema; its metadata go into a Parquet file.
        file: where they are written.
        suffix: which of the two.
    """
    if suffix.lower() == ".parquet":
        write_parquet(batches, columns, file)
        return
    write_csv(map(flat, batches), flat(pa.RecordBatch.from_pylist([], schema=columns)).schema, file)


class _Reading:
    """One call: its inputs, its table's columns, and the batches of it."""

    def __init__(self, inputs: str | Path | Sequence[str | Path], options: ReadOptions) -> None:
        self.options = options
        encoder = load_for_reading(options.model, device=options.device)
        reader = encoder.required_reader()
        self.eyes = Eyes(encoder, reader)
        self.inputs: Inputs = list_inputs(as_places(inputs))
        self._person = people_of(options.people, self.inputs.found)
        self._linker = _linker(options)
        about = about_reading(self.eyes, options, options.model, options.detector)
        self._columns = schema(reader, embedding_dim=encoder.embedding_dim if options.embedding else None, about=about)
        self.result = ReadResult(str(options.model))
        self.result.failed += self.inputs.failed
        self.result.left_out += self.inputs.left_out

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table; with linked people, complete once `batches` has returned."""
        return renamed(pa.RecordBatch.from_pylist([], schema=self._columns), self.options.columns).schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in the order of the inputs; if people are linked, everything is read before this returns."""
        batches = self._read() if self._linker is None else self._linked(self._linker)
        return (renamed(batch, self.options.columns) for batch in batches)

    def _read(self) -> Iterator[pa.RecordBatch]:
        give_back_freed_blocks()
        with self._drawing() as draw, progress("reading", unit="rows") as bar:
            for rows in batched(self._rows(), ROWS_AT_ONCE):
                bar.advance(len(rows))
                batch = self._batch(rows)
                if draw is not None:
                    for row in batch.to_pylist():
                        draw(row)
                yield batch
            if not self.result.faces:  # before an overlay takes its place
                raise NoFaceError(self._why_nothing())

    def _linked(self, linker: PeopleLinker) -> Iterator[pa.RecordBatch]:
        """Read everything to a temporary file, link the tracks, and give the rows with their people."""
        read_again = spooled(self._read(), self._columns)
        people, self.result.people = linker.link(self.inputs.found)
        metadata = self._columns.metadata | {b"fabnet.people": json.dumps(asdict(self.result.people)).encode()}
        self._columns = self._columns.with_metadata(metadata)
        return (with_people(batch, people).replace_schema_metadata(metadata) for batch in read_again)

    def finished(self, began: float) -> ReadResult:
        """The counts of a reading that began at this time of the monotonic clock."""
        self.result.faces_per_s = round(self.result.faces / max(time.monotonic() - began, 1e-6), 1)
        return self.result

    def _drawing(self) -> AbstractContextManager[Callable[[dict[str, Any]], None] | None]:
        if self.options.overlay is None:
            return nullcontext()
        from fabnet.reading.overlay import drawing  # imports PyAV, which photos do not need

        return drawing(self.inputs.found, local(self.options.overlay, "overlays"), self.eyes.reader.tasks)

    def _rows(self) -> Iterator[ReadingRow]:
        for name, reason in self.inputs.failed:
            yield _failure_row(name, reason)
        for each in read_faces(self.inputs.found, self.eyes, self.options):
            if isinstance(each, Remark):
                self.result.notes.append(f"{each.name}: {each.text}")
            elif isinstance(each, Failure):
                self.result.failed.append(each)
                yield _failure_row(each.name, each.reason)
            else:
                yield each

    def _batch(self, rows: Sequence[ReadingRow]) -> pa.RecordBatch:
        """Rows with their attributes; null where there is no face."""
        batch, attributes = read_batch(rows, self._columns, self.eyes.reader, self._person)
        if self._linker is not None and attributes:
            self._linker.see([row.row for row in rows if row.seen is not None], attributes)
        self.result.rows += len(rows)
        self.result.faces += sum(row.seen is not None for row in rows)
        self.result.in_range += int(attributes["in_range"].sum()) if attributes else 0
        return batch

    def _why_nothing(self) -> str:
        failed = self.result.failed
        if failed:
            name, reason = failed[0]
            first = reason if reason.startswith(name) else f"{name}: {reason}"
            others = f" (and {len(failed) - 1} more inputs cannot be read)" if len(failed) > 1 else ""
            return f"nothing was read: {first}{others}"
        return "no face was found in any input; --min-face finds smaller ones"


def _linker(options: ReadOptions) -> PeopleLinker | None:
    """What links tracks to people, if a face-recognition model is named."""
    if not is_recogniser(options.people):
        if options.people_distance is not None:
            raise InputError(f"people_distance needs a face-recognition model as people: {RECOGNISERS}")
        return None
    recogniser = load_recogniser(options.people, device=options.device)
    distance = options.people_distance or recogniser.distance
    if distance is None:
        raise InputError(
            f"{options.people} has no default distance between people: choose --people-distance on faces that you know"
        )
    return PeopleLinker(recogniser, distance)


def _failure_row(name: str, reason: str) -> ReadingRow:
    names = ("person", "track", "frame", "time_s", "score", "box_px")
    row = {"source": name} | dict.fromkeys(names)
    return ReadingRow(row | {"reason": f"cannot be read: {reason}"}, None)
