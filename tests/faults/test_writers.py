"""Two commands that write to the same store, and videos that are replaced while they are read."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from fabnet.errors import VideoError
from fabnet.files.media import find_videos
from fabnet.ingest.options import TrackOptions
from fabnet.ingest.track import track
from fabnet.ingest.track_worker import TrackTask, track_one
from fabnet.store.track_store import open_store

from ..store.rows import rows_of
from .commands import TRACK, started


@pytest.mark.parametrize("times", [pytest.param(1, id="few"), pytest.param(20, id="many", marks=pytest.mark.slow)])
def test_a_second_command_on_the_same_store_is_refused(second: Path, tmp_path: Path, times: int) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(3):
        shutil.copy(second, tmp_path / "in" / f"{number}.mp4")
    track(tmp_path / "in", tmp_path / "whole.lance", fps=5.0, link_fps=10.0, size=64, num_workers=0)
    whole = rows_of(tmp_path / "whole.lance")
    for place in range(times):
        out = tmp_path / f"{place}.lance"
        both = []
        for _ in range(2):
            both.append(started("track", tmp_path / "in", "--out", out, *TRACK))
            time.sleep(random.uniform(0, 0.3))
        errors = [process.communicate(timeout=120)[1] for process in both]
        codes = [process.returncode for process in both]
        assert sorted(codes) in ([0, 0], [0, 5]), errors
        for code, text in zip(codes, errors, strict=True):
            if code:
                assert text.startswith(f"fabnet track: another command is writing to {out}: wait for it")
                assert len(text.splitlines()) == 1
        assert rows_of(out) == whole


def test_a_video_replaced_while_it_is_read_is_not_added(second: Path, smiling: Path, tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    shutil.copy(second, video)
    (found,) = find_videos([video]).found
    task = TrackTask(
        video=found.name, source=str(video), size_bytes=found.size_bytes, mtime=found.mtime, split="train",
        spool=tmp_path / "spool.arrow", path=video, identity=None,
        options=TrackOptions(size=64, fps=5.0, link_fps=10.0),
    )  # fmt: skip
    is_replaced = False

    def replace(amount: float) -> None:
        nonlocal is_replaced
        if not is_replaced:
            shutil.copy(smiling, tmp_path / "b.mp4")
            os.replace(tmp_path / "b.mp4", video)
            is_replaced = True

    with pytest.raises(VideoError, match=r"a\.mp4 was changed or replaced while it was read: run the same command"):
        track_one(task, replace)
    assert not task.spool.exists()
    entry = track_one(task, lambda amount: None).entry  # the other file, listed with the first one's size
    assert (entry.size_bytes, entry.rows) == (smiling.stat().st_size, 20)


@pytest.mark.parametrize("times", [pytest.param(1, id="few"), pytest.param(20, id="many", marks=pytest.mark.slow)])
def test_a_video_replaced_during_a_run_has_the_rows_of_the_file_that_the_ledger_names(
    second: Path, smiling: Path, tmp_path: Path, times: int
) -> None:
    random = np.random.default_rng(0)
    rows_by_size = {second.stat().st_size: 5, smiling.stat().st_size: 20}
    for place in range(times):
        folder, out = tmp_path / f"in{place}", tmp_path / f"{place}.lance"
        folder.mkdir()
        for number in range(3):
            shutil.copy(second, folder / f"{number}.mp4")
        shutil.copy(smiling, tmp_path / "new")
        process = started("track", folder, "--out", out, *TRACK)
        time.sleep(random.uniform(0.5, 3.0))
        replaced = f"{random.integers(3)}.mp4"
        os.replace(tmp_path / "new", folder / replaced)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        ledger, index = open_store(out).ledger(), open_store(out).index()
        for name, entry in ledger.items():
            found = int(index.lengths[index.video == name].sum())
            # The rows of one of the files, with that file's size; or no rows, and the ledger gives the reason.
            assert found == entry.rows == (0 if entry.status == "failed" else rows_by_size[entry.size_bytes])
            assert entry.status == "ok" or (name == replaced and "was changed or replaced" in entry.reason)
        track(folder, out, fps=5.0, link_fps=10.0, size=64, num_workers=0)
        assert {entry.status for entry in open_store(out).ledger().values()} == {"ok"}
