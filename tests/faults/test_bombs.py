"""Small files that would take gigabytes; the memory of the real process that reads each is measured."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if sys.platform == "win32":
    pytest.skip("cannot say how much memory a process took", allow_module_level=True)

LARGEST_PEAK_MB = 900
"""Memory of the libraries, and of an unpacked file of 128 MiB twice."""
GIGABYTES = 3 * 2**29
MEASURED = """
import os, resource, sys
from pathlib import Path
from fabnet.encoders.digest import file_digest
from fabnet.encoders.saved_probe import load_probes
from fabnet.errors import FabnetError
from fabnet.files.csv_file import csv_rows
from fabnet.files.mat_file import read_arrays
from fabnet.files.numpy_file import read_npz
from fabnet.models.model_folder import read_card
if sys.argv[1:] == ["torch"]:
    import torch
    from fabnet.models.torch_file import read_torch_file
    from fabnet.objectives.model_io import load_objective
for line in sys.stdin:
    call, name = line.strip().split(chr(9))
    if not os.fork():
        file, said = Path(name), "read"
        try:
            eval(call)
        except FabnetError as error:
            said = str(error)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        if sys.platform == "linux":  # there, the value above includes the parent process
            peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 2**10
        print(round(peak), said, flush=True)
        os._exit(0)
    _, status = os.wait()
    if status:
        print(0, "ended with the status", status, flush=True)
"""
"""Reads each file in a fork of its own; the imports, which take longer than the readers, are done once."""


def zipped(path: Path, name: str, start: bytes, others: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=1) as archive:
        for other, content in (others or {}).items():
            archive.writestr(other, content)
        with archive.open(name, "w", force_zip64=True) as member:
            member.write(start)
            for _ in range(GIGABYTES // 2**24):
                member.write(bytes(2**24))
    return path


def npz_bomb(path: Path) -> Path:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (GIGABYTES,)})
    return zipped(path / "a.npz", "a.npy", header.getvalue())


def npz_that_lies(path: Path) -> Path:
    """An array whose header states far more data than the file has."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(path / "a.npz", "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(800))
    return path / "a.npz"


def npz_of_many(path: Path) -> Path:
    """One small member under many names, which zip64 allows to overlap."""
    with zipfile.ZipFile(path / "one.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(2**20))
    data = (path / "one.npz").read_bytes()
    end = data.index(b"PK\x05\x06")
    start = data.index(b"PK\x01\x02")
    entry = data[start:end]
    count = 400
    listed = b"".join(entry.replace(b"a.npy", b"%05d" % number) for number in range(count))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(listed), start, 0)
    (path / "a.npz").write_bytes(data[:start] + listed + tail)
    return path / "a.npz"


def npz_with_a_long_list(path: Path) -> Path:
    """A central directory of 60 MB, with empty files only."""
    with zipfile.ZipFile(path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"")
    data = (path / "a.npz").read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    listed = data[start:end] * 1_000_000
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(listed), start, 0)
    (path / "a.npz").write_bytes(data[:start] + listed + tail)
    return path / "a.npz"


def npz_with_a_hidden_list(path: Path) -> Path:
    """The same, said in a 64-bit record whose locator holds a second signature, which Python does not look at."""
    data = npz_with_a_long_list(path).read_bytes()
    start, end = data.index(b"PK\x01\x02"), len(data) - 22
    size, number = end - start, 0xFFFF
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, number, number, size, start)
    locator = struct.pack("<4sI8sI", b"PK\x06\x07", 0, b"PK\x06\x07\0\0\0\0", 1)
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, number, number, 2**32 - 1, 2**32 - 1, 0)
    (path / "a.npz").write_bytes(data[:end] + record + locator + last)
    return path / "a.npz"


def pth_bomb(path: Path) -> Path:
    import torch

    whole = io.BytesIO()
    torch.save({"a": torch.zeros(1000)}, whole)
    with zipfile.ZipFile(whole) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    data = content.pop("archive/data/0")
    pickled = content["archive/data.pkl"].replace(b"M\xe8\x03", b"\x8a\x05" + (GIGABYTES // 4).to_bytes(5, "little"))
    return zipped(path / "a.pth", "archive/data/0", data, content | {"archive/data.pkl": pickled})


def pth_of_one_number(path: Path) -> Path:
    """A tensor that repeats one stored number very often."""
    import torch

    torch.save({"fc6.weight": torch.zeros(1).expand(2**31), "fc6.bias": torch.zeros(1)}, path / "a.pth")
    return path / "a.pth"


def pth_of_views(path: Path) -> Path:
    """Ten thousand tensors that share their storage."""
    import torch

    shared = torch.zeros(2**20)
    torch.save({f"{number}.weight": shared[:] for number in range(10_000)}, path / "a.pth")
    return path / "a.pth"


def pth_that_asks(path: Path) -> Path:
    """A pickle that allocates zeros."""
    pickled = b"\x80\x02cbuiltins\nbytearray\n\x8a\x05" + (GIGABYTES // 2).to_bytes(5, "little") + b"\x85R."
    with zipfile.ZipFile(path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    return path / "a.pth"


def mat_bomb(path: Path) -> Path:
    sides = (2**14, 3 * 2**12)
    count = 8 * sides[0] * sides[1]
    array = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, *sides) + struct.pack("<II8s", 1, 5, b"angle")
    array += struct.pack("<II", 9, count % 2**32)
    deflate = zlib.compressobj(1)
    parts = [deflate.compress(struct.pack("<II", 14, (len(array) + count) % 2**32) + array)]
    parts += [deflate.compress(bytes(2**24)) for _ in range(GIGABYTES // 2**24)]
    parts.append(deflate.flush())
    packed = b"".join(parts)
    (path / "a.mat").write_bytes(b"MATLAB".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed)
    return path / "a.mat"


def sparse_weights(path: Path) -> Path:
    """A sparse weights file of 1.5 GB with the card of a small model."""
    from fabnet.weights import shipped_models

    (path / "config.json").write_bytes((shipped_models()["small"] / "config.json").read_bytes())
    header = json.dumps({"a": {"dtype": "U8", "shape": [GIGABYTES], "data_offsets": [0, GIGABYTES]}}).encode()
    with (path / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + GIGABYTES)
    return path


def safetensors_of_many(path: Path) -> Path:
    """A header that lists a million empty tensors."""
    entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = ("{" + ",".join(f'"{number}":{entry}' for number in range(1_000_000)) + "}").encode()
    (path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return path / "a.safetensors"


def table_of_rows(path: Path) -> Path:
    (path / "a.csv").write_bytes(b"a,b\n" + b"1,2\n" * 5_000_000)
    return path / "a.csv"


def table_of_columns(path: Path) -> Path:
    (path / "a.csv").write_bytes(b"ab," * 40_000_000 + b"\n1\n")
    return path / "a.csv"


def sparse_digest(path: Path) -> Path:
    with (path / "a.pth").open("wb") as file:
        file.truncate(300 * 2**30)
    return path / "a.pth"


def deep_json(path: Path) -> Path:
    (path / "config.json").write_bytes(b"[" * 4_000_000)
    return path


def wide_json(path: Path) -> Path:
    (path / "config.json").write_bytes(b"[" + b"[]," * 20_000_000 + b"[]]")
    return path


NPZ = "read_npz(file, ['a'])"
PTH = "read_torch_file(file, 'expected weights')"
MODEL = "load_objective(file)"
CARD = "read_card(file)"
CSV = "list(csv_rows(file))"
BOMBS: list[tuple[Callable[[Path], Path], str, str]] = [
    (npz_bomb, NPZ, "bytes unpack to"),
    (npz_that_lies, NPZ, "bytes cannot hold"),
    (npz_of_many, NPZ, "overlap"),
    (npz_with_a_long_list, NPZ, "its list of files has"),
    (npz_with_a_hidden_list, NPZ, "its list of files has"),
    (pth_bomb, PTH, "bytes unpack to"),
    (pth_of_one_number, PTH, "takes more than the file has"),
    (pth_of_views, PTH, "takes more than the file has"),
    (pth_that_asks, PTH, "builtins.bytearray"),
    (mat_bomb, "read_arrays(file, ['angle'])", "unpacks to more bytes"),
    (sparse_weights, MODEL, "the limit for such a file"),
    (safetensors_of_many, "load_probes(file)", "a header of"),
    (table_of_rows, CSV, "more than 4,000,000 rows"),
    (table_of_columns, CSV, "line 1: more than 1,048,576 characters"),
    (sparse_digest, "file_digest(file)", "the limit for such a file"),
    (deep_json, CARD, "cannot be read"),
    (wide_json, CARD, "the limit for such a file"),
]


Readers = dict[bool, subprocess.Popen[str]]


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    """A process without torch, whose memory would count for every file, and one with it."""
    commands = ([sys.executable, "-c", MEASURED, *more] for more in ([], ["torch"]))
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(next(commands), **pipes) as light, subprocess.Popen(next(commands), **pipes) as heavy:
        yield {False: light, True: heavy}


@pytest.mark.parametrize(("make", "call", "said"), BOMBS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_bomb_is_one_line_and_takes_no_memory(
    make: Callable[[Path], Path], call: str, said: str, readers: Readers, tmp_path: Path
) -> None:
    reader = readers[call in (PTH, MODEL)]
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(f"{call}\t{make(tmp_path)}\n")
    reader.stdin.flush()
    peak, _, line = reader.stdout.readline().strip().partition(" ")
    assert said in line
    assert int(peak) < LARGEST_PEAK_MB
