"""Which processes handle Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from fabnet.models.find_model import list_checkpoints
from fabnet.runtime.interrupts import STOPS, interruptible, stop_requests, unheard


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_each_request_to_stop_is_an_interrupt_that_says_how_to_continue(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def stopped() -> None:
        with interruptible("the same command goes on"):
            os.kill(os.getpid(), number)
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        stopped()
    assert signal.getsignal(number) is before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a terminal's end is no signal here")
def test_a_hangup_ignored_by_nohup_stays_ignored() -> None:
    with unheard(signal.SIGHUP):
        with interruptible("kept"), stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not asked.is_set()
    with stop_requests() as asked:
        os.kill(os.getpid(), signal.SIGHUP)
        assert asked.wait(10)


@pytest.mark.skipif(not hasattr(os, "forkpty"), reason="needs a terminal of its own")
def test_a_run_whose_terminal_is_closed_saves_a_checkpoint(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ["--size=16", "--width=4", "--embedding-dim=16", "--batch-size=8", "--num-val-pairs=8", "--num-workers=1"]
    command = [sys.executable, "-m", "fabnet", "train", str(store), f"--out={run}", *flags, "--max-steps=999999"]
    ours, theirs = os.openpty()
    code = (
        "import os, sys; os.setsid(); os.close(os.open(os.ttyname(2), os.O_RDWR)); os.execv(sys.argv[1], sys.argv[1:])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, *command], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while not re.search(rb"[1-9][\d,]*/999,999 steps", seen):  # a request while workers start is not heard
        seen += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(120) == 130
    assert len(list_checkpoints(run)) == 1


def test_a_process_started_unheard_survives() -> None:
    before = signal.getsignal(signal.SIGTERM)
    script = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('alive')"
    with unheard(signal.SIGTERM):
        child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.stdout == "alive\n"
    assert signal.getsignal(signal.SIGTERM) is before
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.returncode == -signal.SIGTERM


def test_outside_the_main_thread_nothing_changes() -> None:
    found = []

    def look() -> None:
        with unheard(signal.SIGINT), interruptible("kept"):
            found.append(signal.getsignal(signal.SIGINT))

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
