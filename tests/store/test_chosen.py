from __future__ import annotations

import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.store.chosen import Chosen, ChosenRows
from fabnet.store.evenly import evenly
from fabnet.store.track_store import TrackStore, open_store

from .conftest import fill


def test_the_rows_of_a_split_and_of_a_sample(store: TrackStore) -> None:
    for number, split in enumerate(("train", "val", "train", "val")):  # names in another order than the rows
        fill(store, f"v{9 - number}", split=split, identity=f"p{number}")
    opened = open_store(store.path)
    table = opened.read_rows(range(opened.num_rows), ["split"])["split"].to_pylist()
    val = np.flatnonzero(np.array(table) == "val")
    assert 0 < len(val) < len(table)
    whole = ChosenRows(opened, Chosen("val", None, 0))
    assert len(whole) == len(val)
    np.testing.assert_array_equal(whole.between(0, len(whole)), val)
    np.testing.assert_array_equal(whole.between(3, 7), val[3:7])
    np.testing.assert_array_equal(ChosenRows(opened, Chosen(None, None, 0)).between(0, 9), np.arange(9))
    drawn = ChosenRows(opened, Chosen("val", 5, 1))
    rows = drawn.between(0, 5)
    np.testing.assert_array_equal(drawn.at(np.array([1, 4])), rows[[1, 4]])
    assert len(drawn) == 5 == len(set(rows.tolist()) & set(val.tolist()))
    assert rows.tolist() == sorted(rows.tolist())
    np.testing.assert_array_equal(ChosenRows(opened, Chosen("val", 5, 1)).between(0, 5), rows)
    assert ChosenRows(opened, Chosen("val", 5, 2)).between(0, 5).tolist() != rows.tolist()
    assert len(ChosenRows(opened, Chosen("val", 10**6, 1))) == len(val)
    with pytest.raises(InputError, match="has no rows in test to embed"):
        ChosenRows(opened, Chosen("test", None, 0))


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (9, 3, [0, 4, 8]), (8, 3, [0, 3, 7])]
)
def test_some_are_chosen_evenly(count: int, most: int, expected: list[int]) -> None:
    assert evenly(count, most).tolist() == expected
    assert len(evenly(10**6 + 7, 1000)) == 1000
