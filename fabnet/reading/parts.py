"""Embeds in parts on an engine: finished parts are kept, so that a restart skips them.

A part is a video, some photos, or a range of a store's rows. Its rows are written as data files of the Lance dataset,
and a note beside them lists these files. One commit at the end makes them the dataset, in the order of the inputs, so
that the dataset appears completely or not at all and no part is in it twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fabnet.encoders.digest import file_digest, model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import carried_reader, load
from fabnet.errors import ModelError, StoreError
from fabnet.files.lance import (
    append_table,
    has_dataset,
    lance_reads,
    lance_writes,
    merge_files,
    open_dataset,
    put_fragments,
    sweep,
    write_rows,
)
from fabnet.files.lance_lock import REMOVING, locked
from fabnet.files.lance_package import lance_package
from fabnet.files.lance_reading import new_generation
from fabnet.files.lance_versions import TruncatedError, check_files
from fabnet.files.limits import check_file
from fabnet.files.output import output_errors
from fabnet.files.places import is_remote, remove
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import INT8_FILE, READER_FILE
from fabnet.reading.attributes import ATTRIBUTES_MODEL, Predictor, predictor
from fabnet.reading.columns import Row, schema
from fabnet.reading.inputs import Failure, Input, Remark, num_rows
from fabnet.reading.options import EmbedOptions
from fabnet.reading.pipeline import embedded
from fabnet.reading.rows import NOTES, check_place, to_batches
from fabnet.runtime.interrupts import interruptible
from fabnet.runtime.memory import give_back_freed_blocks
from fabnet.runtime.outcome import Engine
from fabnet.runtime.progress import progress
from fabnet.runtime.threads import batched
from fabnet.store.spool import drop_spool, spool_path, spools
from fabnet.store.track_store import open_store

if TYPE_CHECKING:
    from lance.fragment import FragmentMetadata

__all__ = ["Note", "Part", "Recipe", "embed_in_parts", "embed_part", "parts_of"]

PHOTOS_A_PART = 128
ROWS_A_PART = 4096
PARTS_A_STORE = 1000
"""Maximum number of parts per store; a store with more than this times `ROWS_A_PART` rows gets larger parts."""
DECIDING = ("crop", "faces", "fps", "detector", "min_face", "thumbnails", "batch_size", "precision")
"""The options that decide what the rows hold; batch_size, because it changes the last digits."""
_NOTES_SCHEMA = pa.schema([("key", pa.string()), ("note", pa.string())])


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings that a worker needs to embed."""

    model: str | Path
    digest: str
    """Digest of the model."""
    options: EmbedOptions


@dataclass(frozen=True, slots=True)
class Part:
    """A task: some inputs, in order."""

    inputs: tuple[Input, ...]
    recipe: Recipe
    key: str
    """Digest of inputs, model and settings, the same for the same rows."""
    spool: Path
    """File that its rows are written to."""

    @property
    def name(self) -> str:
        """Description of the inputs for messages."""
        first, rows = self.inputs[0], self.inputs[0].rows
        if rows is not None:
            return f"{first.name}, rows {rows[0]} to {rows[1] - 1}"
        return first.name if len(self.inputs) == 1 else f"{first.name} and {len(self.inputs) - 1} more"


@dataclass(frozen=True, slots=True)
class Note:
    """The result of a part."""

    rows: int
    embedded: int
    failed: tuple[Failure, ...]
    fragments: tuple[str, ...] = ()
    """Lance's metadata of the dataset's fragments that contain its rows."""
    remarks: tuple[str, ...] = ()
    """Remarks on its videos."""


def parts_of(inputs: Sequence[Input], recipe: Recipe, out: Path) -> list[Part]:
    """Divide inputs into parts, deterministically.

    Args:
        inputs: from `list_inputs`.
        recipe: settings for the workers.
        out: the dataset to write.
    """
    options = recipe.options
    readers = [find_model(ATTRIBUTES_MODEL) / file for file in (READER_FILE, INT8_FILE)] if options.attributes else []
    if options.attributes and carried_reader(recipe.model) is not None:
        readers.append(find_model(recipe.model) / READER_FILE)
    probes = [file_digest(file) for file in (*readers, *options.probe)]
    about = [recipe.digest, probes, {name: getattr(options, name) for name in DECIDING}]
    seen = {each: _digest(_signature(each)) for each in inputs}  # a store names all its videos
    parts = []
    for number, each in enumerate(_divided(inputs)):
        key = _digest([about, [[seen[replace(one, rows=None, generation=None)], one.rows] for one in each]])
        parts.append(Part(each, recipe, key, spool_path(out, number)))
    return parts


def _divided(inputs: Sequence[Input]) -> Iterator[tuple[Input, ...]]:
    for kind, group in groupby(inputs, lambda each: each.kind):
        for each in batched(group, PHOTOS_A_PART if kind == "image" else 1):
            if kind != "store":
                yield tuple(each)
                continue
            store = open_store(each[0].path)
            count, generation = num_rows(each[0], store), store.generation
            size = max(ROWS_A_PART, -(-count // PARTS_A_STORE))
            for first in range(0, count, size):
                yield (replace(each[0], rows=(first, min(first + size, count)), generation=generation),)


def _signature(each: Input) -> list[Any]:
    """Values that change when an input does."""
    where = [str(each.path.absolute()), each.name]
    if each.kind != "store":
        try:
            status = each.path.stat()
        except OSError:  # deleted since it was listed, which reading it will report
            return where
        return [*where, status.st_size, status.st_mtime]
    store = open_store(each.path)
    entries = sorted((entry.video, entry.rows, entry.size_bytes, entry.mtime) for entry in store.ledger().values())
    chosen = [] if each.chosen is None else [each.chosen]
    return [*where, store.num_rows, store.generation, store.metadata, entries, *chosen]


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def _loaded(recipe: Recipe) -> tuple[Embedder, Predictor]:
    give_back_freed_blocks()
    if model_digest(recipe.model) != recipe.digest:
        raise ModelError(f"{recipe.model} is another model on this worker than where the command was given: copy it")
    options = recipe.options
    encoder = load(recipe.model, device=options.device, precision=options.precision)
    return encoder, predictor(encoder, recipe.digest, options.probe, attributes=options.attributes)


def embed_part(part: Part, report: Callable[[float], None]) -> Note:
    """Write the rows of a part to its spool, in a worker.

    Args:
        part: the task.
        report: called with the number of rows done since the last call.

    Raises:
        ModelError: the model cannot be loaded, or is another one than where the command was given.
        OutputError: the disk is full.
    """
    encoder, predicting = _loaded(part.recipe)
    failed, remarks = list[Failure](), list[str]()
    count = {"rows": 0, "embedded": 0}

    def rows() -> Iterator[Row]:
        for row in embedded(part.inputs, encoder, predicting, part.recipe.options, num_threads=1):
            if isinstance(row, Failure):
                failed.append(row)
                continue
            if isinstance(row, Remark):
                remarks.append(f"{row.name}: {row.text}")
                continue
            count["rows"] += 1
            count["embedded"] += row["embedding"] is not None
            report(1)
            yield row

    columns = schema(encoder.embedding_dim, predicting.fields(), thumbnails=part.recipe.options.thumbnails)
    with output_errors(part.spool):
        part.spool.parent.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(part.spool), "wb") as sink, pa.ipc.new_file(sink, columns) as writer:
            for batch in to_batches(rows(), columns):
                writer.write_batch(batch)
    return Note(count["rows"], count["embedded"], tuple(failed), remarks=tuple(remarks))


def embed_in_parts(parts: Sequence[Part], out: Path, columns: pa.Schema, engine: Engine) -> list[Note]:
    """Embed parts on an engine into a Lance dataset.

    Args:
        parts: from `parts_of`.
        out: the dataset, a place checked by `check_place`; an existing dataset is replaced at the end.
        columns: columns of the dataset.
        engine: engine that runs the parts.

    Returns:
        The result of each part, in order; running the same command again retries failed parts.

    Raises:
        InputError: another command has made something else there since it was checked.
        StoreError: another command is writing to it, or a removal from it was interrupted.
        OutputError: the disk is full; what was finished is kept.
        FabnetError: the engine was lost; what was finished is kept.
        KeyboardInterrupt: the command was interrupted; what was finished is kept.
    """
    is_new = not has_dataset(out)
    columns = columns.with_metadata({**(columns.metadata or {}), **new_generation()})
    kept = f"stopped; the parts that were finished are in {out}: the same command goes on from there"
    lost: dict[str, Note] = {}
    with locked(out):
        if (out / REMOVING).is_file():
            raise StoreError(f"{out}: a removal was interrupted; finish it first with `fabnet remove {out}`")
        check_place(out, "lance")  # again, because another command may have made something else there meanwhile
        done = _read_notes(out)
        todo = [part for part in parts if part.key not in done]
        with interruptible(kept), spools(out), progress("embedding", unit="rows") as bar:
            for number, outcome in enumerate(engine(embed_part, todo, on_progress=bar.advance), start=1):
                part: Part = outcome.task
                if outcome.error is None:
                    done[part.key] = _added(out, part, outcome.result, columns)
                else:
                    lost[part.key] = Note(0, 0, (Failure(part.name, str(outcome.error)),))
                bar.update(note=f"{number} of {len(todo)} parts")
        notes = [done.get(part.key) or lost[part.key] for part in parts]
        if any(note.embedded for note in notes):
            _commit(out, notes, columns, is_whole=not lost)
        if is_new and not has_dataset(out):
            remove(out)  # while locked, so that a waiting command finds no dataset
    return notes


def _read_notes(out: Path) -> dict[str, Note]:
    """Read the notes of parts whose files all exist; corrupt notes are removed."""
    if not has_dataset(out / NOTES):
        return {}
    try:
        with lance_reads(f"the notes in {out}"):
            rows = open_dataset(out / NOTES).to_table().to_pylist()
        return {row["key"]: note for row in rows if (note := _note(out, row["note"])) is not None}
    except (StoreError, TypeError, ValueError, KeyError):
        if not is_remote(out):  # remote notes may only be unreachable
            remove(out / NOTES)
        return {}


def _note(out: Path, text: str) -> Note | None:
    values = json.loads(text)
    values["failed"] = tuple(Failure(*each) for each in values["failed"])
    note = Note(**{**values, "fragments": tuple(values["fragments"]), "remarks": tuple(values.get("remarks", ()))})
    described = [file for each in note.fragments for file in json.loads(each)["files"]]
    if any(Path(file["path"]).name != file["path"] for file in described):
        return None
    with suppress(TruncatedError):
        check_files((out / "data" / file["path"], file.get("file_size_bytes")) for file in described)
        return note
    return None


def _added(out: Path, part: Part, result: Note, columns: pa.Schema) -> Note:
    """Write a part's rows into the dataset's folder, then write its note."""
    fragments: list[FragmentMetadata] = []
    if result.rows:
        check_file(part.spool, None)
        with pa.memory_map(str(part.spool)) as source, lance_writes(out):
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
            fragments = put_fragments(out, batches, columns)
    drop_spool(part.spool)
    note = replace(result, fragments=tuple(json.dumps(fragment.to_json()) for fragment in fragments))
    table = pa.Table.from_pylist([{"key": part.key, "note": json.dumps(asdict(note))}], schema=_NOTES_SCHEMA)
    append_table(out, NOTES, table)
    return note


def _commit(out: Path, notes: Sequence[Note], columns: pa.Schema, *, is_whole: bool) -> None:
    """Commit the rows of all notes as the dataset. The notes are kept if a part is missing."""
    fragments = [lance_package().fragment.FragmentMetadata.from_json(each) for note in notes for each in note.fragments]
    with lance_writes(out):
        write_rows(out, fragments, columns, overwrite=True)
        if is_whole:
            remove(out / NOTES)
            merge_files(out)
        sweep(out)
