"""A small real dataset with a video and made-up probes, and servers for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from fabnet.serving.site import Site

    from .asking import Client


@pytest.fixture(scope="session")
def faces_data(store: Path, smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 faces of a store and a video at 5 frames a second, with meaningless pose, mouth and expression."""
    from fabnet.encoders.saved_probe import SavedProbe, save_probes
    from fabnet.reading.embed import embed

    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(3)  # a seed for which each expression occurs

    def probe(task: str, kind: str, columns: tuple[str, ...]) -> SavedProbe:
        ones = np.ones(len(columns), np.float32)
        coef = rng.normal(scale=0.05, size=(256, len(columns))).astype(np.float32)
        return SavedProbe(task, kind, columns, ones, 0 * ones, coef, 0 * ones, "given", "nothing")

    probes = [
        probe("pose", "angles", ("roll", "pitch", "yaw")),
        probe("mouth", "values", ("opening",)),
        probe("expression", "classes", ("neutral", "happiness", "surprise")),
    ]
    save_probes(probes, folder / "probes.safetensors")
    embed([store, smiling], folder / "faces.lance", fps=5, probe=[folder / "probes.safetensors"])
    return folder / "faces.lance"


@pytest.fixture(scope="module")
def site(faces_data: Path, store: Path) -> Site:
    """The dataset with its store, as the server opens it."""
    from fabnet.serving.site import open_site

    return open_site(faces_data, store=store)


@pytest.fixture(scope="module")
def client(site: Site) -> Client:
    """Requests to `site` without a network."""
    from .asking import Client

    return Client(site)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, int]]:
    """A server in its own process: its address and process id."""
    command = [sys.executable, "-m", "fabnet", "serve", *arguments, "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        assert server.stderr is not None
        lines = iter(server.stderr.readline, "")
        first = next((line for line in lines if line.startswith("open ")), None)
        assert first is not None, f"the server ended with {server.wait()}"
        yield first.split()[1], server.pid
    finally:
        server.terminate()
        server.wait(20)
        if server.stderr is not None:
            server.stderr.close()


@pytest.fixture(scope="session")
def server(faces_data: Path, store: Path) -> Iterator[str]:
    """The address of a server for the dataset, with its store."""
    with serving(str(faces_data), "--store", str(store)) as (url, _):
        yield url


@pytest.fixture(scope="session")
def ten_thousand(faces_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's 80 faces repeated under other names, 10,000 rows in all."""
    import lance
    import pyarrow as pa

    table = lance.dataset(str(faces_data)).to_table()
    again = []
    for number in range(125):
        names = {name: pa.array([f"{value} {number}" for value in table[name].to_pylist()]) for name in ("id", "video")}
        part = table
        for name, column in names.items():
            part = part.set_column(part.schema.get_field_index(name), part.schema.field(name), column)
        again.append(part)
    path = tmp_path_factory.mktemp("many") / "faces.lance"
    lance.write_dataset(pa.concat_tables(again), str(path))
    return path
