"""The file of decoded images of a run: bounded over all machines, and gone afterwards."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fabnet.faces.window import Window
from fabnet.store.track_store import open_store
from fabnet.training.config import preset
from fabnet.training.kept_images import kept_images
from fabnet.training.processes import Processes
from fabnet.training.train import train

TINY: dict[str, Any] = {
    "size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 16, "num_workers": 0,
}  # fmt: skip


def test_machines_share_the_limit(store: Path, tmp_path: Path) -> None:
    tracks, window = open_store(store), Window(0.5, 0.5, 0.5)
    with kept_images(tracks, tmp_path, preset("small"), window, Processes()) as kept:
        assert kept is not None
    config = preset("small").with_changes({"decoded_gb": 1.5e-9 * kept.num_bytes})
    for world_size, is_kept in ((4, True), (5, False), (8, False)):
        with kept_images(tracks, tmp_path, config, window, Processes(0, world_size, 0, 4)) as found:
            assert (found is not None) is is_kept


def test_files_that_killed_runs_left_are_removed(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "_frames"
    folder.mkdir(parents=True)
    for name in ("0", "1", "4"):
        (folder / name).write_bytes(bytes(9))
    train(store, tmp_path / "run", **TINY, max_steps=1)
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files are mapped")
def test_no_process_maps_the_file_when_it_is_removed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows would not remove it."""
    unlink, mapping = Path.unlink, []

    def looked(self: Path, missing_ok: bool = False) -> None:
        if self.parent.name == "_frames" and self.exists():
            own = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
            mapping.append([each for each in own if str(self) in Path(f"/proc/{each}/maps").read_text()])
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", looked)
    train(store, tmp_path / "run", **TINY | {"num_workers": 1}, max_steps=3, validate_every=2)
    assert mapping == [[]]
