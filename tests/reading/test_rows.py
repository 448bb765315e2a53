"""A Lance dataset of embeddings never takes the place of what another command made there meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabnet.errors import InputError, StoreError
from fabnet.files.lance_lock import locked
from fabnet.reading.columns import schema
from fabnet.reading.parts import embed_in_parts
from fabnet.reading.rows import write_rows
from fabnet.retrieval.gallery import Gallery
from fabnet.store.track_store import open_store

COLUMNS = schema(8, thumbnails=False)


def rows() -> Iterator[dict[str, Any]]:
    for frame in range(3):
        yield {
            "id": f"v/{frame}", "identity": "p", "video": "v", "track": "0", "frame": frame, "source": "v.mp4",
            "reason": "", "embedding": np.ones(8, np.float32),
        }  # fmt: skip


class Unread:
    """Rows that must not be read."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        raise AssertionError


def test_a_store_that_was_made_meanwhile_stays_and_the_embeddings_are_beside_it(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.lance"

    def while_a_store_is_made() -> Iterator[dict[str, Any]]:
        yield from rows()
        shutil.copytree(store, out)

    with pytest.raises(StoreError, match=r"another command has written to .*x\.lance meanwhile.* in .*/x-2\.lance"):
        write_rows(while_a_store_is_made(), out, file_format="lance", columns=COLUMNS)
    assert open_store(out).num_rows == 60
    assert Gallery(tmp_path / "x-2.lance").num_rows == 3
    assert sorted(os.listdir(tmp_path)) == ["x-2.lance", "x.lance"]


def test_a_command_that_has_begun_meanwhile_keeps_its_place(tmp_path: Path) -> None:
    out = tmp_path / "x.lance"
    (tmp_path / "x-2.lance").mkdir()
    with ExitStack() as other:

        def while_another_begins() -> Iterator[dict[str, Any]]:
            yield from rows()
            other.enter_context(locked(out))

        with pytest.raises(StoreError, match=r"the embeddings are in .*/x-3\.lance"):
            write_rows(while_another_begins(), out, file_format="lance", columns=COLUMNS)
        assert os.listdir(out) == ["_lock"]
    assert Gallery(tmp_path / "x-3.lance").num_rows == 3


def test_parts_of_a_run_that_goes_on_are_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "x.lance"
    part = out / "data" / "part.lance"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"rows")
    with locked(out), pytest.raises(StoreError, match="another command is writing to"):
        write_rows(Unread(), out, file_format="lance", columns=COLUMNS)
    assert part.read_bytes() == b"rows"


def test_leftovers_are_locked_until_they_are_replaced(tmp_path: Path) -> None:
    out = tmp_path / "x.lance"
    (out / "data").mkdir(parents=True)

    def while_another_tries() -> Iterator[dict[str, Any]]:
        yield from rows()
        with pytest.raises(StoreError, match="another command is writing to"), locked(out):
            raise AssertionError

    write_rows(while_another_tries(), out, file_format="lance", columns=COLUMNS)
    assert Gallery(out).num_rows == 3
    assert os.listdir(tmp_path) == ["x.lance"]


def embedded_in_parts(out: Path) -> None:
    def engine(*_: object, **__: object) -> Iterator[Any]:
        raise AssertionError

    embed_in_parts([], out, COLUMNS, engine)


def embedded_in_one(out: Path) -> None:
    write_rows(Unread(), out, file_format="lance", columns=COLUMNS)


@pytest.mark.parametrize("write", [embedded_in_one, embedded_in_parts])
def test_a_store_that_was_made_since_the_place_was_checked_is_not_replaced(
    store: Path, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    out = Path(shutil.copytree(store, tmp_path / "x.lance"))
    with pytest.raises(InputError, match="is a track store, which embed would replace"):
        write(out)
    assert open_store(out).num_rows == 60
