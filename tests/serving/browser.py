"""A headless Chromium, driven by the DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

import websocket

__all__ = ["Browser", "chromium"]

TIMEOUT_S = 120
"""Time to wait for the browser, which a busy machine slows down."""


def chromium() -> str | None:
    """Path of Chromium or Chrome; None: not installed."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """A page of a browser; use it as a context manager.

    Args:
        program: the browser.
        profile: an empty folder of its own.
        flags: further flags of the browser.
    """

    def __init__(self, program: str, profile: Path, *flags: str) -> None:
        self._process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0",
             "--remote-allow-origins=*", f"--user-data-dir={profile}", *flags, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        try:
            port_file = profile / "DevToolsActivePort"
            _until(lambda: port_file.is_file() and port_file.read_text().count("\n") > 0, "the browser did not start")
            port = port_file.read_text().splitlines()[0]
            with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            self._socket = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=TIMEOUT_S)
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol; events that arrive before its answer are kept."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        _until(lambda: self.run(f"Boolean({condition})"), f"never came true: {condition}")

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is ready."""
        self.call("Page.navigate", url=url)
        self.until("document.body?.dataset.ready === 'yes'")

    def ungroup(self) -> None:
        """Show each face in the gallery, not one of each track; the tab remembers this."""
        if self.run("document.querySelector('#group').checked"):
            self.click("#group")

    def resize(self, width: int, height: int, *, is_dark: bool = False) -> None:
        """Set the size and the colour scheme of the screen."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        script = f"""(() => {{
          const element = document.querySelector({json.dumps(selector)});
          element.scrollIntoView({{ block: "nearest" }});
          const box = element.getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = self.run(script)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key: "Enter", "ArrowDown", "c"."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
                "Tab": 9}.get(key, ord(key[0].upper()))  # fmt: skip
        down = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def choose(self, selector: str, file: Path) -> None:
        """Choose a file for an input."""
        document = self.call("DOM.getDocument")["root"]["nodeId"]
        button = self.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=button, files=[str(file)])

    def picture(self, file: Path) -> None:
        """Save a screenshot as PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


def _until(is_true: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        if is_true():
            return
        time.sleep(0.05)
    raise AssertionError(complaint)
