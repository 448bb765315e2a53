"""The image: it is built, reads a photo and serves, where a builder of images works."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import fabnet

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
BUILDERS = ("docker", "podman")


def call(*command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def builder() -> str:
    """A command that builds and runs images here."""
    for name in BUILDERS:
        if shutil.which(name) and call(name, "info").returncode == 0:
            return name
    pytest.skip(f"none of {', '.join(BUILDERS)} works here")


@pytest.fixture(scope="module")
def image(builder: str) -> Iterator[str]:
    """The image, from the base that FABNET_TEST_BASE names, or else the Dockerfile's."""
    base = os.environ.get("FABNET_TEST_BASE")
    if base is None and call(builder, "pull", "python:3.13-slim", timeout=900).returncode:
        pytest.skip("the base image cannot be fetched")
    name = f"fabnet-test-{uuid.uuid4().hex[:8]}"
    arguments = ["--build-arg", f"BASE={base}"] if base else []
    built = call(builder, "build", *arguments, "--tag", name, ".", timeout=3600)
    assert built.returncode == 0, built.stderr
    yield name
    call(builder, "rmi", "--force", name)


@pytest.fixture(scope="module")
def folder(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo and an embeddings dataset."""
    import cv2

    from fabnet.video.decode import read_frames

    place = tmp_path_factory.mktemp("data")
    (place / "photos").mkdir()
    assert cv2.imwrite(str(place / "photos/man.jpg"), next(iter(read_frames(smiling))).image[:, :, ::-1])
    fabnet.embed([smiling], place / "faces.lance", fps=2.0)
    for each in (place, *place.rglob("*")):
        each.chmod(0o777 if each.is_dir() else 0o666)
    return place


def test_the_image_is_small_and_runs_as_no_root(builder: str, image: str) -> None:
    size = int(call(builder, "image", "inspect", "--format", "{{.Size}}", image).stdout)
    assert size < 1.5e9
    found = call(builder, "run", "--rm", "--entrypoint", "id", image, "-u")
    assert found.stdout == "1000\n", found.stderr
    assert "usage: fabnet VERB" in call(builder, "run", "--rm", image).stdout


def test_it_reads_a_folder(builder: str, image: str, folder: Path) -> None:
    mount = f"{folder}:/data"
    done = call(builder, "run", "--rm", "-v", mount, image, "read", "photos", "--out", "photos.csv", timeout=600)
    assert done.returncode == 0, done.stderr
    header, row = (folder / "photos.csv").read_text().splitlines()
    assert "pose_yaw_deg" in header
    assert "man.jpg" in row


def test_it_serves(builder: str, image: str, folder: Path) -> None:
    command = ["run", "--rm", "--detach", "-p", "127.0.0.1::8000", "-v", f"{folder}:/data", image]
    started = call(builder, *command, "serve", "faces.lance", "--host", "0.0.0.0")
    assert started.returncode == 0, started.stderr
    name = started.stdout.strip()
    try:
        port = call(builder, "port", name, "8000").stdout.split(":")[-1].strip()
        for _ in range(60):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
                    assert b"fabnet" in page.read()
                break
            except OSError:
                time.sleep(1)
        else:
            pytest.fail(call(builder, "logs", name).stderr)
    finally:
        call(builder, "rm", "--force", name)
