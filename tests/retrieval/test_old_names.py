"""Attributes under the names that they had before `fabnet read`."""

from __future__ import annotations

from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.reading.columns import schema
from fabnet.retrieval.columns import in_names_of
from fabnet.retrieval.gallery import Gallery
from fabnet.serving.conditions import Range, read_condition


def dataset(out: Path, unit: str, about: dict[str, str]) -> Path:
    """Ten faces, the later ones with a higher probability of the unit."""
    columns = schema(4, [pa.field(unit, pa.float32())], about=about)
    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    rows = [
        {"id": f"v/0/{frame}", "identity": "a", "video": "v", "track": "0", "frame": frame, "time_s": frame / 10,
         "source": "v", "reason": "", unit: frame / 10, "embedding": vectors[frame]}
        for frame in range(10)
    ]  # fmt: skip
    lance.write_dataset(pa.Table.from_pylist(rows, schema=columns), str(out))
    return out


@pytest.mark.parametrize("asked", ["AU12", "units_AU12"])
@pytest.mark.parametrize("stored", ["AU12", "units_AU12"])
def test_a_condition_may_use_either_name(tmp_path: Path, asked: str, stored: str) -> None:
    data = dataset(tmp_path / "faces.lance", stored, {})
    result = fabnet.search(data, "v/0/0", k=9, where=f"{asked} > 0.65 AND video != 'AU12'")
    assert {row["frame"] for row in result.neighbours} == {7, 8, 9}
    said = [note for note in result.notes if "is read as" in note]
    assert said == ([] if asked == stored else [
        f"the condition {f'{asked} > 0.65 AND video != {chr(39)}AU12{chr(39)}'!r} is read as "
        f"{f'{stored} > 0.65 AND video != {chr(39)}AU12{chr(39)}'!r}"
    ])  # fmt: skip
    assert read_condition([f"{asked}:0.5:"], [stored], {}).ranges == (Range(stored, 0.5, np.inf),)


def test_a_dataset_of_an_older_fabnet_is_read_with_a_note(tmp_path: Path) -> None:
    old = Gallery(dataset(tmp_path / "old.lance", "units_AU12", {}))
    (note,) = old.notes
    assert "attributes of an older fabnet" in note
    assert Gallery(dataset(tmp_path / "new.lance", "AU12", {"fabnet.version": "9"})).notes == []
    own_probe = dataset(tmp_path / "own.lance", "units_AU12", {"fabnet.version": "9"})
    assert Gallery(own_probe).notes == []


def test_names_that_the_dataset_has_stay() -> None:
    both = ["AU12", "units_AU12"]
    assert in_names_of(both, "AU12 > units_AU12") == "AU12 > units_AU12"
    assert in_names_of(["AU12"], "`units_AU12` > 0.5 AND id = 'units_AU12'") == "`AU12` > 0.5 AND id = 'units_AU12'"
    assert in_names_of(["units_AU1"], "AU01 > AU012") == "units_AU1 > AU012"
