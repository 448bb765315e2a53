"""`fabnet read` in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabnet.cli import main


def test_the_table_of_a_video_fits_80_columns(
    smiling: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["read", str(smiling), "--fps", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("smiling.mp4: degrees with")
    rows = [line for line in lines if line.startswith("│")]
    assert len(rows) == 4  # one a second, each on a line of its own
    assert [row.split()[1] for row in rows] == ["0.00", "1.00", "2.00", "3.00"]
    assert all(" neutral " in row or " happy " in row for row in rows)
    assert not any("…" in line for line in lines)
