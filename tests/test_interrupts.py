"""Who hears Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from fabnet.interrupts import STOPS, interruptible, unheard
from fabnet.training.stopping import stop_requests


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_each_request_to_stop_is_an_interrupt_with_a_word_on_how_to_go_on(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def stopped() -> None:
        with interruptible("the same command goes on"):
            os.kill(os.getpid(), number)
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        stopped()
    assert signal.getsignal(number) is before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a terminal's end is no signal here")
def test_a_hangup_that_nohup_has_ignored_stays_ignored() -> None:
    with unheard(signal.SIGHUP):
        with interruptible("kept"), stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not asked.is_set()
    with stop_requests() as asked:
        os.kill(os.getpid(), signal.SIGHUP)
        assert asked.wait(10)


def test_what_is_started_unheard_lives_on() -> None:
    before = signal.getsignal(signal.SIGTERM)
    script = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('alive')"
    with unheard(signal.SIGTERM):
        child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.stdout == "alive\n"
    assert signal.getsignal(signal.SIGTERM) is before
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.returncode == -signal.SIGTERM


def test_outside_the_main_thread_nothing_is_changed() -> None:
    found = []

    def look() -> None:
        with unheard(signal.SIGINT), interruptible("kept"):
            found.append(signal.getsignal(signal.SIGINT))

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
