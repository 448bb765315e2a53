"""The demo: the whole chain on a real clip."""

from __future__ import annotations

from pathlib import Path

import pytest

import fabnet
from fabnet.demonstration import demo, demo_clip
from fabnet.errors import InputError
from fabnet.store.summary import store_summary


def test_the_clip_ships_with_its_licence() -> None:
    clip = demo_clip()
    assert clip.is_relative_to(Path(fabnet.__file__).parent)
    assert clip.stat().st_size < 200_000
    terms = (clip.parent / "LICENSE.txt").read_text()
    assert clip.name in terms
    assert "Permission is hereby granted, free of charge" in terms


def test_files_that_no_demo_made_are_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="was not made by a demo"):
        demo(tmp_path)
    with pytest.raises(InputError, match="was not made by a demo"):
        demo(tmp_path / "thesis.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_the_demo_runs_and_runs_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for minutes in (0.1, 0.5):
        result = demo(tmp_path / "demo", minutes=minutes)
        (tmp_path / "demo" / "notes.txt").write_text("mine")
        text = Path(result.page).read_text()
        assert "other moments of the same people" in text
        assert "held-out moments" in text
        assert "smiling.mp4 over time" in text
        assert Path(result.embeddings).is_dir()
        assert store_summary(result.store).rows >= 100
        assert result.seconds < 300
    assert result.val_loss is not None
    assert result.val_loss_unwarped is not None
    assert result.val_loss < result.val_loss_unwarped
    assert (tmp_path / "demo" / "notes.txt").read_text() == "mine"
    assert "other moments, not other people" in capsys.readouterr().err
