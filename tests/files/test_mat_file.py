"""MATLAB files: those that scipy can read are still read; those that would crash the process are refused."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from fabnet.errors import InputError
from fabnet.files.mat_file import read_arrays

CONTENT: dict[str, Any] = {
    **{f"of_{kind}": np.arange(-2, 10).astype(kind).reshape(3, 4) for kind in ("f8", "f4", "i1", "u2", "i4", "u8")},
    "complex": np.array([[1 + 2j, 3]]),
    "is_true": np.array([True, False]),
    "word": "nose",
    "words": np.array(["left", "right"]),
    "empty": np.zeros((0, 3)),
    "cells": np.array([np.eye(2), "x", np.array([1, "y"], dtype=object)], dtype=object),
    "record": {"name": "conv1_1", "weights": np.ones((2, 3, 4), np.float32), "inner": {"a": 1}},
}


@pytest.mark.parametrize("do_compression", [False, True])
def test_reads_what_scipy_reads(tmp_path: Path, do_compression: bool) -> None:
    file = tmp_path / "a.mat"
    savemat(file, CONTENT, do_compression=do_compression)
    expected = loadmat(file)
    found = read_arrays(file, list(CONTENT))
    assert found.keys() == CONTENT.keys()
    for name, value in found.items():
        assert value.dtype == expected[name].dtype
        assert repr(value) == repr(expected[name])  # NumPy does not compare nested arrays
    assert read_arrays(file, ["word", "nobody"]).keys() == {"word"}


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(tmp_path: Path, order: str) -> None:
    file = tmp_path / "a.mat"
    mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    array = struct.pack(f"{order}IIII", 6, 8, 6, 0)  # class 6: double
    array += struct.pack(f"{order}IIii", 5, 8, 1, 2)
    array += struct.pack(f"{order}II8s", 1, 5, b"angle")
    array += struct.pack(f"{order}IIdd", 9, 16, 0.25, -3)
    file.write_bytes(b"MATLAB".ljust(124) + mark + struct.pack(f"{order}II", 14, len(array)) + array)
    np.testing.assert_array_equal(read_arrays(file, ["angle"])["angle"], [[0.25, -3]])


def test_no_changed_byte_crashes_the_process(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"Pose_Para": np.zeros((1, 3)), "word": "x", "cells": np.array([1, "y"], dtype=object)})
    script = """
import sys
from pathlib import Path
from fabnet.errors import InputError
from fabnet.files.mat_file import read_arrays
file = Path("a.mat")
whole = file.read_bytes()
counts = [0, 0]
for place in range(124, len(whole)):
    for value in (20, 119, 255):
        file.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        try:
            read_arrays(file, ("Pose_Para", "word", "cells"))
            counts[0] += 1
        except InputError:
            counts[1] += 1
print(*counts)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    taken, refused = map(int, done.stdout.split())
    assert taken > 100
    assert refused > 100


def test_invalid_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    savemat(file, {"x": np.arange(100.0)}, do_compression=True)
    whole = file.read_bytes()
    for content, message in (
        (b"", r"MATLAB 5 \(save -v6 or -v7\)"),
        (b"no Matlab file" * 20, r"MATLAB 5 \(save -v6 or -v7\)"),
        (whole[:-20], r"an array at byte 128 has \d+ bytes, but the file ends at \d+"),
        (whole[:150] + bytes(len(whole) - 150), r"a\.mat is not a MATLAB 5 file: "),
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_arrays(file, ["x"])
    with pytest.raises(InputError, match=r"b\.mat is not a MATLAB 5 file: .*No such file"):
        read_arrays(tmp_path / "b.mat", ["x"])
