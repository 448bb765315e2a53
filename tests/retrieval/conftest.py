"""Embeddings datasets of real faces, with a probe's columns."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

import fabnet
from fabnet.video.decode import read_frames


@pytest.fixture(scope="session")
def photo(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frame of the clip."""
    file = tmp_path_factory.mktemp("photo") / "man.png"
    cv2.imwrite(str(file), next(read_frames(smiling)).image[:, :, ::-1])
    return file


@pytest.fixture(scope="session")
def faces(store: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six "people", ten faces each."""
    out = tmp_path_factory.mktemp("faces") / "faces.lance"
    fabnet.embed(
        [store], out, model=shutil.copytree(tiny_run, out.parent / "run")
    )  # beside the dataset, where it is found
    return out


@pytest.fixture(scope="session")
def clip(smiling: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip at ten frames per second; its rows have times."""
    out = tmp_path_factory.mktemp("clip") / "clip.lance"
    fabnet.embed([smiling], out, model=shutil.copytree(tiny_run, out.parent / "run"), fps=10)
    return out
