"""A trained model for the tests of embedding."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps."""
    from fabnet.training import train

    run = tmp_path_factory.mktemp("run") / "run"
    train(store, run, size=32, width=4, embedding_dim=16, batch_size=8, max_steps=10, num_val_pairs=8, num_workers=0)
    return run
