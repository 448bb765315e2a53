"""Progress in a log."""

from __future__ import annotations

import re
import time

import pytest

from fabnet.runtime import progress as module
from fabnet.runtime.progress import progress


def test_units_of_an_earlier_run_do_not_count_in_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINES_EVERY_S", 0.05)
    with progress("training", total=2000, unit="steps", done=1000) as bar:
        time.sleep(0.1)
        bar.update(completed=1010)
    line = capsys.readouterr().err
    rate = re.search(r"training: 1,010/2,000 steps, ([\d.,]+) steps/s", line)
    assert rate
    assert float(rate[1].replace(",", "")) <= 100
