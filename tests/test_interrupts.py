"""Who hears Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from fabnet.interrupts import interruptible, unheard


def test_sigterm_is_an_interrupt_with_a_word_on_how_to_go_on() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def stopped() -> None:
        with interruptible("the same command goes on"):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        stopped()
    assert signal.getsignal(signal.SIGTERM) is before


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
