from __future__ import annotations

from pathlib import Path

import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.label_files import lines_of, numbers_of
from fabnet.probes.protocols.registry import PROTOCOLS, read_benchmark


@pytest.mark.parametrize(
    ("name", "near"), [("alfw", "aflw"), ("WFLW", "wflw"), ("300-w", "300w"), ("retreival", "retrieval")]
)
def test_an_unknown_name_gets_the_nearest_one(name: str, near: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no protocol is called '{name}': did you mean {near}"):
        read_benchmark(name, tmp_path)


def test_an_unknown_name_without_a_near_one_gets_the_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of 300w, affectnet, affectnet-all, aflw, aflw2000, biwi, "):
        read_benchmark("xyzzy", tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder: .*nowhere; the protocol mafl"):
        read_benchmark("mafl", tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name", ["300w", "affectnet", "aflw", "aflw2000", "biwi", "emotionet", "mafl", "rafdb", "wflw"]
)
def test_an_empty_folder_is_one_clear_error(name: str, tmp_path: Path) -> None:
    assert name in PROTOCOLS
    with pytest.raises(InputError, match=f"^{name}: no "):
        read_benchmark(name, tmp_path)


def test_invalid_numbers_are_reported_with_their_line(tmp_path: Path) -> None:
    for text in ("1 2", "1 2 x", "1 2 nan"):
        with pytest.raises(InputError, match=f"labels.txt, line 7: expected 3 numbers, found '{text}'"):
            numbers_of(tmp_path / "labels.txt", 7, text.split(), 3)


def test_a_file_that_is_not_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"labels.txt cannot be read as text"):
        list(lines_of(tmp_path / "labels.txt"))
