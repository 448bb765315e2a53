"""The whole chain on a real clip."""

from __future__ import annotations

from pathlib import Path

import pytest

import fabnet
from fabnet.errors import InputError
from fabnet.tracks import open_store


@pytest.mark.slow
def test_the_demo_runs_the_whole_chain_twice(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    fabnet.demo(out, minutes=0.1)
    result = fabnet.demo(out, minutes=0.5)
    page = Path(result.page).read_text()
    assert "other moments of the same people" in page
    summary = open_store(result.store).summary()
    assert summary["rows"] >= 100
    assert result.val_loss is not None
    assert result.val_loss_unwarped is not None
    assert result.val_loss < result.val_loss_unwarped
    assert result.seconds < 300


def test_the_demo_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="holds something else"):
        fabnet.demo(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"
