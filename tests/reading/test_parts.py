"""Embedding in parts: finished parts are not embedded again, and the rows equal those of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pytest

import fabnet
from fabnet.encoders.digest import model_digest
from fabnet.errors import FabnetError, StoreError
from fabnet.files.lance import has_dataset
from fabnet.files.lance_lock import REMOVING
from fabnet.reading.inputs import list_inputs, store_rows
from fabnet.reading.options import EmbedOptions
from fabnet.reading.parts import Part, Recipe, embed_in_parts, parts_of
from fabnet.runtime.local import run_tasks
from fabnet.runtime.outcome import Outcome
from fabnet.store.chosen import Chosen
from fabnet.store.track_store import open_store


class Breaking:
    """The local engine, which fails after a number of parts and records how many it was given."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.after = 2

    def __call__(
        self, work: Any, tasks: Sequence[Any], *, on_progress: Callable[[float], None] | None = None
    ) -> Iterator[Outcome]:
        self.given.append(len(tasks))
        for number, outcome in enumerate(run_tasks(work, tasks, num_workers=0, on_progress=on_progress)):
            if number == self.after:
                raise FabnetError("lost")
            yield outcome


@pytest.fixture
def parts(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    monkeypatch.setattr("fabnet.reading.parts.ROWS_A_PART", 10)
    recipe = Recipe("small", model_digest("small"), EmbedOptions(precision="float32", attributes=True))
    return parts_of(list_inputs([store]).found, recipe, tmp_path / "out.lance")


def test_parts_of_a_sample_are_the_sample(parts: list[Part], store: Path, tmp_path: Path) -> None:
    chosen = [replace(each, chosen=Chosen("val", 12, 0)) for each in list_inputs([store]).found]
    few = parts_of(chosen, parts[0].recipe, tmp_path / "few.lance")
    assert [part.inputs[0].rows for part in few] == [(0, 10), (10, 12)]
    assert not {part.key for part in few} & {part.key for part in parts}
    rows = [row for part in few for row in store_rows(part.inputs[0])]
    assert len({(row["identity"], row["frame"]) for row in rows}) == 12
    val = set(open_store(store).index("val", min_frames=1).identity.tolist())
    assert {row["identity"] for row in rows} <= val


def test_finished_parts_are_not_embedded_again(parts: list[Part], store: Path, tmp_path: Path) -> None:
    engine, out, whole = Breaking(), tmp_path / "out.lance", tmp_path / "whole.lance"
    fabnet.embed([store], whole, attributes=True, precision="float32")
    expected = lance.dataset(str(whole)).to_table()
    with pytest.raises(FabnetError, match="lost"):
        embed_in_parts(parts, out, expected.schema, engine)
    assert not has_dataset(out)
    done = sorted((out / "data").iterdir())
    assert len(done) == 2
    done[0].unlink()  # so that its note is no longer valid
    engine.after = 99
    notes = embed_in_parts(parts, out, expected.schema, engine)
    assert engine.given == [6, 5]
    assert sum(note.rows for note in notes) == 60
    found = lance.dataset(str(out)).to_table()
    numbers = [name for name in found.column_names if "float" in str(found.schema.field(name).type)]
    assert found.drop(numbers) == expected.drop(numbers)
    for name in numbers:
        one, other = (np.array(table.column(name).to_pylist(), float) for table in (found, expected))
        np.testing.assert_allclose(one, other, atol=1e-3)
    assert {path.name for path in out.iterdir()} == {"_lock", "_versions", "_transactions", "data"}


def test_corrupt_notes_are_ignored(parts: list[Part], store: Path, tmp_path: Path) -> None:
    engine, out = Breaking(), tmp_path / "out.lance"
    fabnet.embed([store], tmp_path / "whole.lance", attributes=True, precision="float32")
    columns = lance.dataset(str(tmp_path / "whole.lance")).schema
    with pytest.raises(FabnetError, match="lost"):
        embed_in_parts(parts, out, columns, engine)
    for file in (out / "_parts.lance" / "data").iterdir():
        file.write_bytes(b"x" * 100)
    with pytest.raises(FabnetError, match="lost"):
        embed_in_parts(parts, out, columns, engine)
    assert engine.given == [6, 6]


def test_an_interrupted_removal_must_be_finished_first(parts: list[Part], tmp_path: Path) -> None:
    (tmp_path / "out.lance").mkdir()
    (tmp_path / "out.lance" / "_lock").touch()
    lance.write_dataset({"a": [1]}, str(tmp_path / "out.lance"), mode="overwrite")
    (tmp_path / "out.lance" / REMOVING).write_text("{}")
    with pytest.raises(StoreError, match="a removal was interrupted"):
        embed_in_parts(parts, tmp_path / "out.lance", lance.dataset(str(tmp_path / "out.lance")).schema, Breaking())
