"""The size and the pages of TIFF and BigTIFF files, in both byte orders."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from fabnet.faces.num_pictures import num_pictures
from fabnet.faces.picture import picture_size
from fabnet.faces.tiff import is_tiff

KINDS = [("<", False), (">", False), ("<", True), (">", True)]


def tiff(order: str, is_big: bool, pages: list[int], *, last: int = 0) -> bytes:
    """The headers of a TIFF whose pages have these subfile types, and whose last page is followed by `last`."""
    offset, count = ("Q", "Q") if is_big else ("I", "H")
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 43 if is_big else 42)
    head += struct.pack(f"{order}HH", 8, 0) if is_big else b""
    data = head + struct.pack(order + offset, len(head) + struct.calcsize(order + offset))
    for number, kind in enumerate(pages):
        entries = b"".join(
            struct.pack(f"{order}HH{offset}", tag, 4, 1)
            + struct.pack(f"{order}I", value).ljust(8 if is_big else 4, b"\0")
            for tag, value in ((254, kind), (256, 70_000), (257, 48))
        )
        page = struct.pack(order + count, 3) + entries
        after = len(data) + len(page) + struct.calcsize(order + offset)
        data += page + struct.pack(order + offset, last if number == len(pages) - 1 else after)
    return data


@pytest.mark.parametrize(("order", "is_big"), KINDS)
def test_pages_are_counted(order: str, is_big: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.tiff"
    for pages, expected in (([0], 1), ([0, 0, 2], 3), ([0, 1, 0, 1], 2)):  # an odd type is a smaller copy
        data = tiff(order, is_big, pages)
        file.write_bytes(data)
        assert is_tiff(data)
        assert picture_size(data) == (70_000, 48)
        assert num_pictures(file) == expected


@pytest.mark.parametrize(("order", "is_big"), KINDS)
def test_corrupt_pages_count_as_one_picture(order: str, is_big: bool, tmp_path: Path) -> None:
    file, first = tmp_path / "a.tiff", 16 if is_big else 8
    file.write_bytes(tiff(order, is_big, [0, 0], last=first))
    assert num_pictures(file) == 2  # pages in a circle
    whole = tiff(order, is_big, [0, 0])
    for data in (whole[:-20], whole[:6], whole[:first] + b"\xff" * 8 + whole[first + 8 :]):
        file.write_bytes(data)
        assert num_pictures(file) == 1
    start = first - (8 if is_big else 4)
    file.write_bytes(whole[:start] + b"\xff" * (first - start) + whole[first:])  # the first page lies nowhere
    assert num_pictures(file) == 1
