"""Pages that are written and served, and pictures of the clip that ships."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
import pytest

from fabnet.browser.page import export_page
from fabnet.browser.web_runtime import PACKAGE, VERSION
from fabnet.models.model_folder import INT8_FILE
from fabnet.video.decode import read_frames
from fabnet.weights import shipped_models


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm package onnxruntime-web: the file that FABNET_WEB_RUNTIME names, or from npm's cache."""
    if named := os.environ.get("FABNET_WEB_RUNTIME"):
        return Path(named)
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("npm")
    command = [npm or "npm", "pack", f"onnxruntime-web@{VERSION}", "--offline"]
    if npm is None or subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip(f"no {PACKAGE} at hand: run npm pack onnxruntime-web@{VERSION} and set FABNET_WEB_RUNTIME to it")
    return folder / PACKAGE


@pytest.fixture(scope="session")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder that reads attributes, in float32 alone."""
    folder = tmp_path_factory.mktemp("models") / "exact"
    shutil.copytree(shipped_models()["base"], folder)
    (folder / INT8_FILE).unlink()
    return folder


@pytest.fixture(scope="session")
def frames(smiling: Path) -> list[np.ndarray]:
    """The frames of the clip, (192, 192, 3) uint8 RGB."""
    return [frame.image for frame in read_frames(smiling)]


class _Handler(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, format: str, *args: Any) -> None:
        self.asked.append(self.path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A static server of a folder: its address, and the paths that are asked for."""
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def page(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page with the encoder in int8, as `read` uses it."""
    folder = tmp_path_factory.mktemp("page") / "page"
    export_page("base", folder, runtime=package)
    with served(folder) as (address, _):
        yield address


@pytest.fixture(scope="session")
def exact_page(package: Path, exact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page with the encoder in float32, in a folder below the server's root."""
    folder = tmp_path_factory.mktemp("page")
    export_page(exact, folder / "below" / "page", runtime=package)
    with served(folder) as (address, _):
        yield f"{address}below/page/"


def write_png(image: np.ndarray, file: Path) -> Path:
    """Write an RGB image."""
    cv2.imwrite(str(file), image[:, :, ::-1])
    return file
