"""What a browser keeps of faces: nothing on disk, but shown pictures in memory, so that the page stays fast."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

import fabnet
from fabnet.retrieval.gallery import Gallery

from .browser import Browser, chromium
from .conftest import serving

program = chromium()
pytestmark = pytest.mark.skipif(program is None, reason="no Chromium or Chrome is installed to drive the page with")
SHOWN = "[...document.querySelectorAll('#gallery .tile img')].every((image) => image.naturalWidth === 96)"


def asked_for(browser: Browser) -> list[str]:
    """The pictures that were requested since the last call."""
    browser.run("1")
    urls = [
        each["params"]["request"]["url"] for each in browser.events if each["method"] == "Network.requestWillBeSent"
    ]
    browser.events.clear()
    return [url for url in urls if url.startswith("http") and ("/thumbnail" in url or "/crop" in url)]


def test_no_face_is_left_on_disk(server: str, faces_data: Path, tmp_path: Path) -> None:
    assert program is not None
    with Browser(program, tmp_path) as browser:
        browser.resize(1280, 800)
        browser.open(f"{server}/#gallery/3")
        browser.until("document.querySelectorAll('#nearest img[src]').length === 30")
        browser.until(SHOWN)
        browser.open(f"{server}/#map")
        browser.open(f"{server}/#timeline")
        browser.until("document.querySelector('.beside img')?.naturalWidth > 0")
        time.sleep(1)  # Chromium writes its cache a moment later
    rows = Gallery(faces_data).take(range(80), ["thumbnail"])
    marks = [row["thumbnail"][-64:] for row in rows]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 10
    assert [file for file in files if any(mark in file.read_bytes() for mark in marks)] == []


def test_shown_pictures_are_not_requested_again(ten_thousand: Path, tmp_path: Path) -> None:
    assert program is not None
    with serving(str(ten_thousand)) as (url, _), Browser(program, tmp_path) as browser:
        browser.resize(1280, 800)
        browser.open(f"{url}/#gallery")
        browser.until(f"document.querySelectorAll('#gallery .tile').length > 50 && {SHOWN}")
        first = asked_for(browser)
        assert len(first) == len(set(first)) > 50
        row = "document.querySelector('#gallery .tile[data-row]')?.dataset.row"
        for top in (1500, 3000, 1500, 0):
            before = browser.run(row)
            browser.run(f"document.querySelector('#gallery').scrollTop = {top}")
            browser.until(f"{row} !== undefined && {row} !== '{before}' && {SHOWN}")
        again = asked_for(browser)
        assert len(again) == len(set(again)) > 50
        assert not set(again) & set(first)
        browser.run("document.querySelector('#gallery').scrollTop = 1500")
        began = time.monotonic()
        browser.until(SHOWN)
        print(f"a screen of faces that were shown before: {1000 * (time.monotonic() - began):.0f} ms")
        browser.run("location.hash = '#gallery/3'")
        browser.until("document.querySelectorAll('#nearest img').length === 30")
        browser.until("[...document.querySelectorAll('#nearest img')].every((image) => image.naturalWidth === 96)")
        assert not {each for each in asked_for(browser) if "/thumbnail" in each} & {*first, *again}


def test_a_page_reloads_after_people_were_removed(faces_data: Path, tmp_path: Path) -> None:
    """Its row numbers, including the one in its address, then refer to other rows."""
    assert program is not None
    data = Path(shutil.copytree(faces_data, tmp_path / "faces.lance"))
    with serving(str(data)) as (url, _), Browser(program, tmp_path / "browser") as browser:
        browser.resize(1280, 800)
        browser.open(f"{url}/#gallery")
        browser.ungroup()
        browser.run("location.hash = '#gallery/3'")
        browser.until(f"document.querySelectorAll('#nearest img[src]').length === 30 && {SHOWN}")
        person = browser.run("document.querySelector('#panel h2').textContent")
        fabnet.remove(data, [person])
        browser.click('#gallery .tile[data-row="5"]')
        browser.until(f"document.querySelector('#count')?.textContent === '70 of 70 faces' && {SHOWN}")
        browser.until("document.querySelectorAll('#gallery .tile[data-row]').length > 20")
        assert browser.run("location.hash") in ("", "#gallery")
        assert browser.run("document.querySelector('#panel').hidden")
        labels = "[...document.querySelectorAll('#gallery .tile')].map(tile => tile.ariaLabel)"
        assert not any(label.startswith(person) for label in browser.run(labels))
