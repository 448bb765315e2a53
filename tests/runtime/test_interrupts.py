"""Which processes handle Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from threading import Thread

import pytest

from fabnet.models.find_model import list_checkpoints
from fabnet.runtime.interrupts import STOPS, held, interruptible, raising, stop_requests, unheard


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


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_a_module_is_imported_whole_before_the_interrupt(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(0.2)\nIS_WHOLE = True\n"
    (tmp_path / "interrupted_here.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)

    def imports() -> None:
        with raising():
            import_module("interrupted_here")
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        imports()
    assert sys.modules.pop("interrupted_here").IS_WHOLE


def test_a_script_that_is_itself_imported_can_be_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os, signal, time\nfrom fabnet.runtime.interrupts import raising\n"
        "with raising():\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(10)\n"
    )
    (tmp_path / "works_at_import.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        import_module("works_at_import")
    assert time.monotonic() - began < 5


def test_what_is_held_is_not_interrupted_until_its_end() -> None:
    done = []

    def works() -> None:
        with raising():
            with held():
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.2)
                done.append(True)
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        works()
    assert done == [True]


def test_ctrl_c_while_the_command_starts_gives_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'fabnet.cli':\n"
        "            import os, signal\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "fabnet", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the end of a terminal is not a signal here")
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
