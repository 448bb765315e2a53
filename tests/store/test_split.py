from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.store.split import moments_cut, read_splits, split_of, splits_for


def test_the_hash_never_changes() -> None:
    names = [
        "Aaron",
        "Berta",
        "Cem",
        "Dora",
        "Emil",
        "id00012",
        "talk.mp4",
        "日本",
        "",
        "b/a.mp4",
        "q7",
        "q21",
        "clip.mp4",
        "id00004",
    ]
    assert {name: split_of(name) for name in names} == PINNED


PINNED = {
    "Aaron": "train",
    "Berta": "train",
    "Cem": "train",
    "Dora": "train",
    "Emil": "train",
    "id00012": "val",
    "talk.mp4": "train",
    "日本": "val",
    "": "val",
    "b/a.mp4": "val",
    "q7": "train",
    "q21": "train",
    "clip.mp4": "test",
    "id00004": "test",
}


def test_the_shares_are_75_15_10() -> None:
    splits = [split_of(f"person {number}") for number in range(20_000)]
    assert splits.count("train") / 20_000 == pytest.approx(0.75, abs=0.01)
    assert splits.count("val") / 20_000 == pytest.approx(0.15, abs=0.01)
    assert splits.count("test") / 20_000 == pytest.approx(0.10, abs=0.01)


def test_adding_people_moves_nobody() -> None:
    few = splits_for(["a", "b", "c"], "hash")
    many = splits_for([chr(ord("a") + number) for number in range(26)], "hash")
    assert few.items() <= many.items()


@pytest.mark.parametrize("header", ["identity,split", "person,split", "split,identity,note"])
def test_a_split_file_is_used(tmp_path: Path, header: str) -> None:
    file = tmp_path / "people.csv"
    values = {"identity": "Ann Other", "person": "Ann Other", "split": "test", "note": "x"}
    file.write_text(header + "\n" + ",".join(values[name] for name in header.split(",")) + "\n", encoding="utf-8-sig")
    assert read_splits(file) == {"Ann Other": "test"}
    assert splits_for(["Ann Other"], file) == {"Ann Other": "test"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("identity,split\na,train\n", "no split for the identity b and 1 more: add a line `b,train`"),
        ("identity,split\na,dev\n", "line 2: split is 'dev'; expected train, val, test"),
        ("identity,split\na,train\na,val\n", "line 3: a is in train and in val"),
        ("identity,split\n\na,train\n\na,val\n", "line 5: a is in train and in val"),
        ("name,part\na,train\n", "expected the header identity,split .* found name,part"),
        ("", "found nothing"),
        ("identity,split\n\0\xff", "split"),
    ],
)
def test_a_wrong_split_file_is_explained(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        splits_for(["a", "b", "c"], file)


def test_a_missing_split_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such split file: .*nowhere\.csv"):
        splits_for(["a"], tmp_path / "nowhere.csv")


def test_moments_cut_at_three_quarters_of_the_time() -> None:
    assert moments_cut(np.arange(8.0)) == 6
    assert moments_cut(np.array([0.0, 1.0, 2.0, 10.0])) == 3
    assert moments_cut(np.array([0.0, 4.0])) == 1
    assert moments_cut(np.array([3.0])) == 1
    assert moments_cut(np.array([3.0, 3.0])) == 2
