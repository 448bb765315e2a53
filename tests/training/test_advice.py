"""What a run says of little data and of a poor result, in the terminal and in its report."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.ingest.import_folder import import_folder
from fabnet.models.find_model import best_checkpoint
from fabnet.objectives.model_io import load_objective
from fabnet.reporting.reconstructions import _chosen, reconstructed
from fabnet.store.track_store import open_store
from fabnet.training.advice import data_notes, result_notes
from fabnet.training.config import small

TINY = ["--size", "16", "--width", "4", "--embedding-dim", "16", "--num-val-pairs", "16", "--num-workers", "0"]


@pytest.fixture(scope="module")
def two_videos(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the clip and a copy of it: a person in two videos, validated on other moments."""
    folder = tmp_path_factory.mktemp("two")
    for name in "ab":
        shutil.copy(smiling, folder / f"{name}.mp4")
    fabnet.track(folder, folder / "tracks.lance", fps=5, size=64, splits="moments", num_workers=0)
    return folder / "tracks.lance"


def test_little_data_is_said_at_the_start_and_a_poor_result_at_the_end(
    two_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", str(two_videos), "--out", str(run), *TINY, "--max-steps", "1", "--batch-size", "8"]) == 0
    said = capsys.readouterr()
    err, out = " ".join(said.err.split()), " ".join(said.out.split())
    assert re.search(r"note: training has only 2 videos: .*small", err)
    assert re.search(r"note: a batch of 8 is drawn from only 2 tracks of 2 frames or more, .*--fps", err)
    assert "validation is on" not in err  # on other moments of the same people, which the report says
    assert re.search(r"note: the validation loss, 0\.\d+, is (worse than|hardly better than) .*train longer", out)
    page = fabnet.report(run).page.read_text()
    words = " ".join(page.split())
    assert "Training has only 2 videos" in words
    assert "A batch of 8 is drawn from only 2 tracks" in words
    assert "of the unwarped source" in words
    assert "--init small" in words


def test_the_result_has_the_notes(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(store), "--out", str(tmp_path / "run"), *TINY, "--max-steps", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [note.split(":")[0] for note in found["data_notes"]] == [
        "validation is on 2 people",
        "a batch of 64 is drawn from only 4 tracks of 2 frames or more, so each is in it several times",
    ]
    assert len(found["result_notes"]) == 1


def test_plenty_of_data_and_a_good_result_need_no_word(frames_folder: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits.csv"
    splits.write_text("identity,split\n" + "".join(f"person{n},{'train' if n else 'val'}\n" for n in range(6)))
    import_folder(frames_folder, tmp_path / "store", layout="identity/video", splits=splits)
    few = data_notes(open_store(tmp_path / "store"), replace(small(), batch_size=4))
    assert [note.split(":")[0] for note in few] == ["validation is on 1 person"]
    splits.write_text("identity,split\n" + "".join(f"person{n},{'val' if n else 'train'}\n" for n in range(6)))
    import_folder(frames_folder, tmp_path / "other", layout="identity/video", splits=splits)
    one = data_notes(open_store(tmp_path / "other"), replace(small(), batch_size=1))
    assert [note.split(":")[0] for note in one] == ["training has only 1 person in 1 video"]
    assert result_notes({"val_loss": 0.04, "val_loss_unwarped": 0.06, "steps": 9}) == []
    assert result_notes({"val_loss": 0.04, "val_loss_unwarped": None}) == []
    assert "worse than" in result_notes({"val_loss": 0.07, "val_loss_unwarped": 0.06, "steps": 9})[0]


def test_no_pair_is_shown_twice(two_videos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    changes: dict[str, Any] = {"size": 16, "width": 4, "embedding_dim": 16, "num_val_pairs": 4, "num_workers": 0}
    fabnet.train(two_videos, run, max_steps=1, batch_size=2, **changes)
    objective, card = load_objective(best_checkpoint(run))
    store = open_store(two_videos)
    made = reconstructed(objective, card, store, num_pairs=64)  # type: ignore[arg-type]
    lengths = store.index("val", 2).lengths
    assert made is not None
    assert 3 < len(made.losses) <= int((lengths * (lengths - 1) // 2).sum()) < 64
    strips = [figure for figure in fabnet.report(run).page.read_text().split("<figure") if 'class="strip"' in figure]
    shown = [(*sorted(re.findall(r'src="([^"]+)"', strip)[:2]), strip.split("&middot;")[1][:9]) for strip in strips]
    assert len(shown) == len(set(shown)) >= 3  # the videos are alike, and differ in their names


@pytest.mark.parametrize("count", range(15))
def test_the_best_the_middle_and_the_worst_share_no_pair(count: int) -> None:
    chosen = dict(_chosen(np.arange(count), 4))
    shown = [number for numbers in chosen.values() for number in numbers]
    assert len(shown) == len(set(shown)) == (min(12, count - count % 3) if count > 2 else count)
    assert shown == sorted(shown)
    assert max((len(numbers) for numbers in chosen.values()), default=0) <= 4
