"""Merging fragments keeps the order of rows, although Lance moves rewritten fragments to the end."""

from __future__ import annotations

from pathlib import Path

import lance
import pyarrow as pa
import pytest

from fabnet.files import lance as commit


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ((2, 2, 2, 2), [8]),
        ((30, 2, 2), [30, 4]),
        ((10,) * 6, [30, 30]),
        ((2, 2, 30, 2, 2), [2, 2, 30, 4]),  # merged, the first two would move behind the large one
        ((2, 2, 30), [2, 2, 30]),
    ],
)
def test_merging_keeps_the_order(
    sizes: tuple[int, ...], merged: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "ROWS_PER_FRAGMENT", 25)
    numbers = iter(range(sum(sizes)))
    for size in sizes:
        table = pa.table({"number": [next(numbers) for _ in range(size)]})
        lance.write_dataset(table, str(tmp_path), mode="append" if commit.has_dataset(tmp_path) else "create")
    commit.merge_files(tmp_path)
    dataset = lance.dataset(str(tmp_path))
    assert [fragment.count_rows() for fragment in dataset.get_fragments()] == merged
    assert dataset.to_table()["number"].to_pylist() == list(range(sum(sizes)))
    dataset.delete("number = 1")  # only in the first fragment
    commit.merge_files(tmp_path, with_deletions=True)
    dataset = lance.dataset(str(tmp_path))
    assert dataset.to_table()["number"].to_pylist() == [0, *range(2, sum(sizes))]
    assert not any(fragment.metadata.deletion_file for fragment in dataset.get_fragments())


def test_half_written_files_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    lance.write_dataset(pa.table({"number": [1, 2]}), str(tmp_path))
    left = [tmp_path / folder / ".tmpA1b2C3" for folder in ("data", "_versions", "_transactions")]
    for file in left:
        file.write_bytes(b"half a face")
    commit.sweep(tmp_path, leftovers=False)  # another writer may be running
    assert all(file.is_file() for file in left)
    commit.sweep(tmp_path)
    assert not any(file.exists() for file in left)
    assert lance.dataset(str(tmp_path)).count_rows() == 2
