"""The demo: the whole chain on a real clip."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fabnet.demonstration import demo, demo_clip
from fabnet.errors import InputError, MissingDependencyError
from fabnet.store.summary import store_summary


def test_the_clip_is_found_without_importing_its_package(carphone: Path) -> None:
    assert demo_clip() == carphone


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fabnet\[demo\]'"):
        demo_clip()


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
        assert "carphone_pristine.mp4 over time" in text
        assert Path(result.embeddings).is_dir()
        assert store_summary(result.store).rows >= 100
        assert result.seconds < 300
    assert result.val_loss is not None
    assert result.val_loss_unwarped is not None
    assert result.val_loss < result.val_loss_unwarped
    assert (tmp_path / "demo" / "notes.txt").read_text() == "mine"
    assert "other moments, not other people" in capsys.readouterr().err
