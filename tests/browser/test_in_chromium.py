"""The page as people use it, in a real browser: its numbers are those of `fabnet read`, and nothing leaves it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.errors import NoFaceError
from fabnet.models.model_folder import INT8_FILE, read_card
from fabnet.weights import shipped_models
from tests.serving.browser import Browser, chromium

from .conftest import served, write_png

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome is installed to open the page with"),
]
FAKE = "--use-fake-device-for-media-stream"
GRANTED = "--use-fake-ui-for-media-stream"


@contextmanager
def opened(address: str, profile: Path, *flags: str) -> Iterator[Browser]:
    """The page in a browser; every request must go to its own folder, and nothing may be logged as an error."""
    program = chromium()
    assert program is not None
    with Browser(program, profile, *flags) as browser:
        browser.resize(1280, 900)
        browser.open(address)
        yield browser
        browser.run("0")  # takes the events that are left
        events = browser.events
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((address, "about:", f"blob:{address.split('/', 3)[0]}"))] == []
    said = [each["params"] for each in events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert [each for each in said if each.get("entry", {}).get("level", "error") == "error"] == []


def shown(page: Browser) -> dict[str, Any]:
    address = page.run("new URL('main.js', document.baseURI).href")
    found: dict[str, Any] = page.run(f"import('{address}').then((main) => main.shown)")
    return found


def read_photo(page: Browser, file: Path) -> dict[str, Any]:
    """The row that the page gives for a photo."""
    page.choose("#file", file)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = shown(page)
        if found["name"] == file.name and found["row"]:
            return dict(found["row"])
        time.sleep(0.05)
    raise AssertionError(f"not read: {file.name}; the page says {said(page)!r}")


def said(page: Browser) -> str:
    return str(page.run("document.querySelector('#say').textContent"))


def differences(row: dict[str, Any], expected: dict[str, Any]) -> dict[str, float]:
    """How far two rows lie apart: points and box in pixels, angles in degrees, the rest as they are."""
    apart = {}
    for name, value in expected.items():
        if name in row and not isinstance(value, str | bool):
            apart[name] = float(np.abs(np.asarray(row[name]) - np.asarray(value)).max())
    return apart


def test_a_photo_gives_the_numbers_of_read(
    exact_page: str, exact: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    with opened(exact_page, tmp_path / "profile") as page:
        for number, times in ((0, 1), (60, 1), (100, 1), (75, 3)):
            side = 192 * times
            image = cv2.resize(frames[number], (side, side), interpolation=cv2.INTER_CUBIC)
            file = write_png(image, tmp_path / f"{number}.png")
            (expected,) = fabnet.read(file, model=exact).to_pylist()
            row = read_photo(page, file)
            apart = differences(row, expected)
            assert {"landmarks68_px", "pose_yaw_deg_pm", "smile", "AU26", "landmarks68_pm_px"} <= apart.keys()
            assert apart["landmarks68_px"] < 0.5 * times, number
            assert apart["box_px"] < 0.5 * times
            for name in ("yaw", "pitch", "roll"):
                assert apart[f"pose_{name}_deg"] < 0.5, name
                assert apart[f"pose_{name}_deg_pm"] < 0.1
            assert max(apart[name] for name in apart if name.startswith(("AU", "smile", "expression"))) < 0.06
            assert apart["mouth_opening"] < 0.002
            assert apart["score"] < 0.01
            for name in ("expression", "in_range", "out_of_range"):
                assert row[name] == expected[name]


def test_a_photo_in_int8_gives_nearly_the_numbers_of_read(page: str, frames: list[np.ndarray], tmp_path: Path) -> None:
    with opened(page, tmp_path / "profile") as browser:
        for number in (0, 40, 90):
            file = write_png(frames[number], tmp_path / f"{number}.png")
            (expected,) = fabnet.read(file).to_pylist()
            apart = differences(read_photo(browser, file), expected)
            assert apart["landmarks68_px"] < 1.5, number
            assert max(apart[f"pose_{name}_deg"] for name in ("yaw", "pitch", "roll")) < 1.0
            assert max(apart[name] for name in apart if name.startswith(("AU", "smile", "expression"))) < 0.2
        # What is shown is what was read.
        text = browser.run("document.querySelector('[data-column=pose_yaw_deg]').textContent")
        row = shown(browser)["row"]
        assert text == f"{row['pose_yaw_deg']:.1f} ± {row['pose_yaw_deg_pm']:.1f}".replace("-", "\u2212")
        assert browser.run("document.querySelector('#range').textContent") == "In range."
        assert browser.run("document.querySelectorAll('#numbers abbr').length") == 2
        links = "[...document.querySelectorAll('footer a')].filter((link) => link.checkVisibility())"
        assert browser.run(f"Promise.all({links}.map((link) => fetch(link.href).then(({{ ok }}) => ok)))") == [True] * 4


def test_an_encoder_of_another_size_gives_the_numbers_of_read(
    package: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    model = tmp_path / "small"
    shutil.copytree(shipped_models()["small"], model)
    (model / INT8_FILE).unlink()
    assert read_card(model).size != read_card(shipped_models()["base"]).size
    fabnet.export_page(model, tmp_path / "site" / "page", runtime=package)
    file = write_png(cv2.resize(frames[60], (500, 500)), tmp_path / "a.png")
    (expected,) = fabnet.read(file, model=model).to_pylist()
    with served(tmp_path / "site") as (address, _), opened(f"{address}page/", tmp_path / "profile") as page:
        row = read_photo(page, file)
    apart = differences(row, expected)
    assert apart["landmarks68_px"] < 1.0
    assert max(apart[f"pose_{name}_deg"] for name in ("yaw", "pitch", "roll")) < 0.5
    assert row["in_range"] == expected["in_range"]


def camera(frames: list[np.ndarray], file: Path) -> list[str]:
    """Flags for a camera that shows these frames, over and over."""
    jpegs = [cv2.imencode(".jpg", each[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes() for each in frames]
    file.write_bytes(b"".join(jpegs))
    return [FAKE, GRANTED, f"--use-file-for-fake-video-capture={file}"]


def watched(page: Browser, count: int) -> list[dict[str, Any]]:
    """Rows that the page gives for a camera, once it has shown that number of frames."""
    page.click("#camera")
    rows = []
    end = time.monotonic() + 60
    while (found := shown(page))["frames"] < count:
        assert time.monotonic() < end, said(page)
        rows.append(found["row"])
        time.sleep(0.05)
    return rows[-len(rows) * 3 // 4 :]


def test_a_camera_is_read_as_the_same_picture(
    exact_page: str, exact: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    large = cv2.copyMakeBorder(cv2.resize(frames[100], (480, 480)), 0, 0, 80, 80, cv2.BORDER_REPLICATE)
    (expected,) = fabnet.read(write_png(large, tmp_path / "a.png"), model=exact).to_pylist()
    with opened(exact_page, tmp_path / "profile", *camera([large], tmp_path / "still.mjpeg")) as page:
        rows = watched(page, 30)
        assert page.run("document.querySelector('#video').videoWidth") == 640
        apart = differences(rows[-1], expected)
        # The camera's picture goes through a JPEG with colours at half size, and the window may stay within 3 %.
        assert apart["landmarks68_px"] < 4
        assert max(apart[f"pose_{name}_deg"] for name in ("yaw", "pitch", "roll")) < 2
        assert rows[-1]["expression"] == expected["expression"]
        page.click("#camera")
        page.until("document.querySelector('#video').srcObject === null")
        assert shown(page)["row"] is None


def test_a_camera_is_followed(page: str, smiling: Path, frames: list[np.ndarray], tmp_path: Path) -> None:
    table = fabnet.read(smiling).to_pydict()
    with opened(page, tmp_path / "profile", *camera(frames, tmp_path / "clip.mjpeg")) as browser:
        rows = [row for row in watched(browser, 130)]
    assert len(rows) > 20
    assert sum(row is None for row in rows) <= len(rows) / 20
    for name in ("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg"):
        values = [row[name] for row in rows if row]
        assert min(table[name]) - 3 < min(values)
        assert max(values) < max(table[name]) + 3
        assert max(values) - min(values) > 0.4 * (max(table[name]) - min(table[name]))


def test_what_cannot_be_read_is_said_in_one_sentence(page: str, tmp_path: Path) -> None:
    text, plain = tmp_path / "words.jpg", tmp_path / "grey.png"
    text.write_text("not a picture")
    write_png(np.full((300, 400, 3), 128, np.uint8), plain)
    with pytest.raises(NoFaceError):
        fabnet.read(plain)
    with opened(page, tmp_path / "profile") as browser:
        browser.choose("#file", text)
        browser.until("document.querySelector('#say.error')?.textContent.startsWith('words.jpg is not a picture')")
        browser.choose("#file", plain)
        browser.until("document.querySelector('#say.error')?.textContent.startsWith('No face was found in grey.png')")
        assert shown(browser)["row"] is None
        assert browser.run("document.querySelector('#save').disabled")


@pytest.mark.parametrize(
    ("flags", "permission", "sentence"),
    [((FAKE,), "denied", "The camera was refused"), ((GRANTED,), "granted", "No camera was found")],
)
def test_a_camera_that_cannot_be_used_is_said(
    page: str, tmp_path: Path, flags: tuple[str, ...], permission: str, sentence: str
) -> None:
    with opened(page, tmp_path / "profile", *flags) as browser:
        browser.call("Browser.setPermission", permission={"name": "camera"}, setting=permission)
        browser.click("#camera")
        browser.until(f"document.querySelector('#say.error')?.textContent.startsWith({json.dumps(sentence)})")


def test_the_page_cannot_reach_other_sites(page: str, frames: list[np.ndarray], tmp_path: Path) -> None:
    with served(tmp_path) as (other, asked), opened(page, tmp_path / "profile") as browser:
        read_photo(browser, write_png(frames[0], tmp_path / "a.png"))
        socket = other.replace("http", "ws")
        for script in (
            f"fetch('{other}x', {{ mode: 'no-cors' }}).then(() => 'sent', () => 'refused')",
            f"import('{other}x.js').then(() => 'sent', () => 'refused')",
            f"new Promise((done) => {{ const image = new Image(); image.onload = () => done('sent');"
            f" image.onerror = () => done('refused'); image.src = '{other}x.png'; }})",
            f"new Promise((done) => {{ const socket = new WebSocket('{socket}'); socket.onopen = () => done('sent');"
            " socket.onerror = () => done('refused'); }).catch(() => 'refused')",
        ):
            assert browser.run(script) == "refused"
        browser.run(f"navigator.sendBeacon('{other}x', 'x')")
        time.sleep(0.5)
        assert asked == []
        browser.events[:] = [each for each in browser.events if other[:-1].split(":")[-1] not in str(each)]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_screen(page: str, frames: list[np.ndarray], tmp_path: Path, width: int) -> None:
    with opened(page, tmp_path / "profile") as browser:
        browser.resize(width, 844)
        read_photo(browser, write_png(frames[90], tmp_path / "a.png"))
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.querySelector('#numbers').getBoundingClientRect().right") <= width


def test_a_page_is_whole(package: Path, tmp_path: Path) -> None:
    made = fabnet.export_page("base", tmp_path / "page", runtime=package)
    files = {file.relative_to(tmp_path / "page").as_posix() for file in (tmp_path / "page").rglob("*")}
    assert {"index.html", "page.json", "models/NOTICE.md", "models/LICENSE-yunet.txt", "ort/LICENSE.txt"} <= files
    assert f"models/{made['encoder']}" in files
    assert made["bytes"] < 25e6


def test_a_photo_of_a_lying_head_gives_the_numbers_of_read(
    exact_page: str, exact: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    lying = cv2.rotate(frames[0][:, :120], cv2.ROTATE_90_CLOCKWISE)
    file = write_png(lying, tmp_path / "lying.png")
    (expected,) = fabnet.read(file, model=exact).to_pylist()
    assert abs(expected["pose_roll_deg"] + 90) < 10
    with opened(exact_page, tmp_path / "profile") as page:
        row = read_photo(page, file)
    apart = differences(row, expected)
    assert apart["landmarks68_px"] < 0.5
    assert max(apart[f"pose_{name}_deg"] for name in ("yaw", "pitch", "roll")) < 0.5
    assert row["in_range"]
