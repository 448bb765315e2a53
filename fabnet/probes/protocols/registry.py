"""Protocols: one module per benchmark, each with a function `read(data: Path) -> Benchmark`."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from fabnet.errors import InputError
from fabnet.faces.picture import picture_size
from fabnet.files.limits import read_bytes
from fabnet.files.places import as_place, fetched, local
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.table import read_table

__all__ = ["PROTOCOLS", "read_benchmark"]

PROTOCOLS = {
    "300w": "fabnet.probes.protocols.w300",
    "affectnet": "fabnet.probes.protocols.affectnet",
    "affectnet-all": "fabnet.probes.protocols.affectnet_all",
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
"""Module of each protocol by name, imported on first use."""


def read_benchmark(name: str, data: Path) -> Benchmark:
    """Read a benchmark's labels and the names of its images.

    Args:
        name: name of the protocol, a key of `PROTOCOLS`; or the path of a CSV file (`fabnet.probes.protocols.table`).
        data: its folder, in the layout of the module's docstring.

    Raises:
        InputError: unknown protocol or folder, or a file in it is missing or invalid.
    """
    data = local(data, "labelled pictures")
    if name.lower().endswith(".csv"):
        return _with_images(_readable(read_table(fetched(as_place(name)), data), data), data)
    if name not in PROTOCOLS:
        known = sorted([*PROTOCOLS, "retrieval"])
        near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        raise InputError(f"no protocol is called {name!r}: {hint}")
    if not data.is_dir():
        raise InputError(f"no such folder: {data}; the protocol {name} reads its data from it")
    benchmark: Benchmark = import_module(PROTOCOLS[name]).read(data)
    return _with_images(benchmark, data)


def _readable(benchmark: Benchmark, data: Path) -> Benchmark:
    """Leave out rows whose images are missing or unreadable, with the reason; if all are, none is left out."""
    within = os.path.join(os.path.realpath(data), "")
    kept, left_out = list[int](), list[tuple[str, str]]()
    for place, (name, image) in enumerate(zip(benchmark.names, benchmark.images, strict=True)):
        assert isinstance(image, Path)
        try:
            if not os.path.realpath(image).startswith(within):
                raise InputError(f"{image} leads out of {data}")
            picture_size(read_bytes(image))
        except (InputError, OSError) as error:
            left_out.append((name, getattr(error, "strerror", None) or str(error)))
        else:
            kept.append(place)
    return benchmark.part(kept, left_out) if kept and left_out else benchmark


def _with_images(benchmark: Benchmark, data: Path) -> Benchmark:
    """Check that every image that is a file exists inside the data folder."""
    files = [image for image in benchmark.images if isinstance(image, Path)]
    root = os.path.realpath(data)
    within = os.path.join(root, "")
    outside = [file for file in files if not os.path.realpath(file).startswith(within)]
    if outside:
        raise InputError(
            f"{benchmark.name}: the labels name {outside[0]}, which is not in {data}: paths must be relative to it and "
            "symlinks must stay inside it"
        )
    missing = [file for file in files if not os.path.isfile(file)]  # False also for names that are too long
    if missing:
        raise InputError(
            f"{benchmark.name}: {len(missing)} of {len(files)} labelled images are missing, for example {missing[0]}"
        )
    return benchmark
