"""Files of `torch.save`: tensors and plain values are read; code, absurd names and endless tensors are refused."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from fabnet.errors import ModelError
from fabnet.models.torch_file import read_torch_file

CONTENT: dict[str, Any] = OrderedDict(
    weights=[torch.arange(6.0).view(2, 3), (torch.ones(2, dtype=torch.float16), {"step": torch.tensor(3)})],
    names={"a", "b"}, size=torch.Size([2, 3]), rate=0.5, nothing=None,
)  # fmt: skip


class Trap:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("sprung",))


@pytest.mark.parametrize("is_zip", [True, False])
def test_tensors_and_plain_values_are_read(tmp_path: Path, is_zip: bool) -> None:
    torch.save(CONTENT, tmp_path / "a.pt", _use_new_zipfile_serialization=is_zip)
    read = read_torch_file(tmp_path / "a.pt", "expected weights")
    assert torch.equal(read["weights"][0], CONTENT["weights"][0])
    assert torch.equal(read["weights"][1][0], CONTENT["weights"][1][0])
    assert read["weights"][1][1]["step"] == 3
    assert {name: read[name] for name in ("names", "size", "rate", "nothing")} == {
        "names": {"a", "b"}, "size": torch.Size([2, 3]), "rate": 0.5, "nothing": None,
    }  # fmt: skip


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_class_that_weights_do_not_need_is_named(tmp_path: Path, monkeypatch: Any, is_zip: bool) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save([1, Trap()], "a.pt", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ModelError, match=r"it names (posix|nt)\.mkdir\); nothing in it was run; expected weights"):
        read_torch_file(Path("a.pt"), "expected weights")
    assert not Path("sprung").exists()


@pytest.mark.parametrize(("length", "found"), [(998, "it names a"), (999, "it names a class of 1,001 characters")])
def test_a_very_long_name_is_not_shown(tmp_path: Path, length: int, found: str) -> None:
    file = tmp_path / "a.pt"
    file.write_bytes(pickle.dumps(1, protocol=2) + b"\x80\x02c" + b"a" * length + b"\nb\n.")
    with pytest.raises(ModelError, match=found):
        read_torch_file(file, "expected weights")


def test_the_names_of_all_pickles_are_seen(tmp_path: Path) -> None:
    for count in range(5):
        file = tmp_path / f"{count}.pt"
        file.write_bytes(count * pickle.dumps(1, protocol=2) + b"\x80\x02cbad\nname\n.")
        with pytest.raises(ModelError, match=r"it names bad\.name"):
            read_torch_file(file, "expected weights")


def shared(count: int) -> dict[str, torch.Tensor]:
    numbers = torch.zeros(10_000)
    return {str(number): numbers.view(100, 100) for number in range(count)}


@pytest.mark.parametrize(
    "content",
    [
        {"a": torch.zeros(1).expand(1000)},  # one number, a thousand times
        [{"a": (torch.zeros(1).expand(1000),)}],
        shared(6),
    ],
)
def test_tensors_that_take_more_than_the_file_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"takes more than the file has"):
        read_torch_file(tmp_path / "a.pt", "expected weights")


def test_a_few_tensors_may_share_numbers(tmp_path: Path) -> None:
    same = torch.zeros(10)
    torch.save({"shared": shared(3), "same": [same, same, {"again": same, "other": torch.ones(2)}]}, tmp_path / "a.pt")
    assert len(read_torch_file(tmp_path / "a.pt", "expected weights")["shared"]) == 3


def test_what_comes_after_a_tensor_seen_before_is_checked_too(tmp_path: Path) -> None:
    same = torch.zeros(10)
    torch.save([torch.zeros(1).expand(1000), same, same], tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"shape \(1000,\) takes more than the file has"):
        read_torch_file(tmp_path / "a.pt", "expected weights")
