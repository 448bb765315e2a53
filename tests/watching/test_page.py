"""The page of `live` in a real browser: it follows a camera, shows its readings, and says when it ends."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("websocket", reason="websocket-client is not installed")

from tests.serving.browser import Browser, chromium

PROGRAM = chromium()


@pytest.fixture(scope="module")
def running(long: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[str], Path]]:
    """The address of the page of a camera, its process, and the file that this writes its rows to."""
    out = tmp_path_factory.mktemp("live") / "rows.csv"
    command = [sys.executable, "-m", "fabnet", "live", str(long), "--as-camera", "--page", "--port", "0", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        line = next(line for line in iter(process.stderr.readline, "") if line.startswith("open "))
        yield line.split()[1], process, out
        if process.poll() is None:
            process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.skipif(PROGRAM is None, reason="no browser is installed")
def test_the_page_follows_a_camera(running: tuple[str, subprocess.Popen[str], Path], tmp_path: Path) -> None:
    assert PROGRAM is not None
    url, process, out = running
    with Browser(PROGRAM, tmp_path / "profile") as browser:
        for width in (1280, 390):
            browser.resize(width, 844)
            browser.open(url)
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
            browser.until("document.querySelector('#picture').naturalWidth === 192")  # once it is decoded
        browser.until("(window.words = document.body.innerText).includes('Face ')")
        words = browser.run("window.words")
        assert "long.ts" in words
        assert "frames/s" in words
        assert "°" in words
        read = "document.querySelector('#state').innerText"
        before = browser.run(read)
        browser.until(f"{read} !== {json.dumps(before)}")
        browser.click("#pause")
        browser.until("document.querySelector('#pause').ariaPressed === 'true'")
        still = browser.run("document.querySelector('#picture').src")
        time.sleep(1)
        assert browser.run("document.querySelector('#picture').src") == still
        browser.click("#pause")
        browser.until(f"document.querySelector('#picture').src !== {json.dumps(still)}")
        asked = [
            each["params"]["request"]["url"] for each in browser.events if each["method"] == "Network.requestWillBeSent"
        ]
        assert all(each.startswith((url, "data:")) for each in asked)
        logged = [
            each["params"] for each in browser.events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")
        ]
        assert logged == []
        process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        browser.until("document.body.dataset.ended === 'yes'")
        assert "has ended" in browser.run("document.querySelector('#say').textContent")
    assert process.wait(60) == 0
    with out.open(newline="") as file:
        tracks = {row["track"] for row in csv.DictReader(file)}
    # A machine too busy for a frame a second makes several tracks of a face.
    assert set(re.findall(r"Face (\d+)", words)) <= tracks
    assert "0" in tracks


def test_other_sites_cannot_watch(long: Path) -> None:
    from fabnet.watching.live import live

    refused: list[int] = []

    def ask(port: int, **headers: str) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/live", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def on_frame(now: object) -> None:
        if not refused:
            refused.append(ask(port, Host="evil.example"))
            refused.append(ask(port, Origin="http://evil.example"))

    live(long, as_camera=True, page=True, port=port, seconds=3, on_frame=on_frame)
    assert refused == [421, 403]
