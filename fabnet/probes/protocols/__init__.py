"""Protocols: one module a benchmark, each with a function `read(data: Path) -> Benchmark`."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from fabnet.errors import InputError
from fabnet.places import as_place, fetched, local
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.table import read_table

__all__ = ["PROTOCOLS", "read_benchmark"]

PROTOCOLS = {
    "300w": "fabnet.probes.protocols.w300",
    "affectnet": "fabnet.probes.protocols.affectnet",
    "aflw": "fabnet.probes.protocols.aflw",
    "aflw2000": "fabnet.probes.protocols.aflw2000",
    "biwi": "fabnet.probes.protocols.biwi",
    "ckplus": "fabnet.probes.protocols.ckplus",
    "emotionet": "fabnet.probes.protocols.emotionet",
    "ferplus": "fabnet.probes.protocols.ferplus",
    "mafl": "fabnet.probes.protocols.mafl",
    "mtfl": "fabnet.probes.protocols.mtfl",
    "rafdb": "fabnet.probes.protocols.rafdb",
    "wflw": "fabnet.probes.protocols.wflw",
    "youtube-faces": "fabnet.probes.protocols.youtube_faces",
}
"""Name of the protocol to the module that reads it, imported when asked for."""


def read_benchmark(name: str, data: Path) -> Benchmark:
    """Read a benchmark's labels and the names of its images.

    Args:
        name: of the protocol, a key of `PROTOCOLS`; or the path of a CSV file (`fabnet.probes.protocols.table`).
        data: its folder, laid out as the module's docstring says.

    Raises:
        InputError: no such protocol or folder, or a file of it is missing or wrong.
    """
    data = local(data, "labelled pictures")
    if name.lower().endswith(".csv"):
        return _with_images(read_table(fetched(as_place(name)), data), data)
    if name not in PROTOCOLS:
        known = sorted([*PROTOCOLS, "retrieval"])
        near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        raise InputError(f"no protocol is called {name!r}: {hint}")
    if not data.is_dir():
        raise InputError(f"no such folder: {data}; the protocol {name} reads its data from it")
    benchmark: Benchmark = import_module(PROTOCOLS[name]).read(data)
    return _with_images(benchmark, data)


def _with_images(benchmark: Benchmark, data: Path) -> Benchmark:
    """Check that every image that is a file is there, and in the folder that was given."""
    files = [image for image in benchmark.images if isinstance(image, Path)]
    root = os.path.realpath(data)
    within = os.path.join(root, "")
    outside = [file for file in files if not os.path.realpath(file).startswith(within)]
    if outside:
        raise InputError(
            f"{benchmark.name}: the labels name {outside[0]}, which is not in {data}: paths are relative to it, and "
            "links lead nowhere else"
        )
    missing = [file for file in files if not os.path.isfile(file)]  # a name that is too long is False to it, too
    if missing:
        raise InputError(
            f"{benchmark.name}: {len(missing)} of {len(files)} labelled images are missing, as {missing[0]}"
        )
    return benchmark
