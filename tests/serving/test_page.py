"""The page as people use it, in a real browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.video.decode import read_frames

from .browser import Browser, chromium
from .conftest import serving

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome is installed to drive the page with")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium()
    assert program is not None
    with Browser(program, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Browser]:
    """The opened page; it must raise no error and send no request to other hosts."""
    browser.events.clear()
    browser.resize(1280, 800)
    browser.call("Page.navigate", url="about:blank")
    browser.open(f"{server}/#gallery")
    browser.ungroup()
    yield browser
    said = [
        each["params"] for each in browser.events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")
    ]
    assert [each for each in said if each.get("entry", {}).get("level", "error") == "error"] == []
    asked = [each["params"]["request"]["url"] for each in browser.events
             if each["method"] == "Network.requestWillBeSent"]  # fmt: skip
    assert [url for url in asked if not url.startswith((server, "data:", "about:"))] == []


def test_the_page_opens_on_the_gallery(page: Browser) -> None:
    page.until("document.querySelectorAll('#gallery .tile[data-row]').length > 20")
    page.until("[...document.querySelectorAll('#gallery .tile img')].every(image => image.naturalWidth === 96)")
    assert page.run("document.querySelector('#count').textContent") == "80 of 80 faces"
    assert page.run("document.documentElement.scrollWidth") == 1280


def test_a_click_shows_the_nearest_faces_of_other_people(page: Browser) -> None:
    page.until("document.querySelector('#gallery .tile[data-row=\"3\"]')")
    page.click('#gallery .tile[data-row="3"]')
    page.until("document.querySelectorAll('#nearest .tile').length === 30")
    assert page.run("location.hash") == "#gallery/3"
    person = page.run("document.querySelector('#panel h2').textContent")
    labels = "[...document.querySelectorAll('#nearest .tile')].map(tile => tile.ariaLabel)"
    assert not any(label.startswith(person) for label in page.run(labels))
    page.click("#others")
    page.until(f"{labels}.some(label => label.startsWith({json.dumps(person)}))")
    page.click("#nearest .tile:nth-child(2)")
    page.until("location.hash !== '#gallery/3' && document.querySelectorAll('#nearest .tile').length === 30")


def test_a_dropped_photo_is_searched_for(page: Browser, smiling: Path, tmp_path: Path) -> None:
    image = next(iter(read_frames(smiling))).image
    data = base64.b64encode(cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes()).decode()
    page.run(f"""(() => {{
      const bytes = Uint8Array.from(atob("{data}"), (letter) => letter.charCodeAt(0));
      const carried = new DataTransfer();
      carried.items.add(new File([bytes], "photo.jpg", {{ type: "image/jpeg" }}));
      for (const kind of ["dragenter", "dragover", "drop"]) {{
        document.body.dispatchEvent(new DragEvent(kind, {{ bubbles: true, cancelable: true, dataTransfer: carried }}));
      }}
    }})()""")
    page.until("document.querySelectorAll('#nearest .tile').length === 30")
    assert page.run("document.querySelector('#nearest .tile').title").startswith("smiling.mp4")
    assert page.run("document.querySelector('#panel .large').naturalWidth") == 256
    assert page.run("document.querySelector('#drop').hidden")


def test_a_file_that_is_not_a_photo_is_refused_in_words(page: Browser, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_text("no picture at all")
    page.choose("#photo-file", file)
    page.until("document.querySelector('#nearest-say')?.textContent.includes('expected a JPEG')")
    assert page.run("document.querySelectorAll('#panel img').length") == 0
    page.events[:] = [each for each in page.events if "status of 400" not in str(each)]


def test_a_slider_filters_what_is_shown(page: Browser) -> None:
    slider = "input[data-column=pose_yaw_deg][data-bound=from]"
    page.run(f"document.querySelector('{slider}').focus()")
    for _ in range(3):
        page.call("Input.dispatchKeyEvent", type="keyDown", key="PageUp", windowsVirtualKeyCode=33)
    page.until("parseInt(document.querySelector('#count').textContent) < 80")
    least = page.run(f"Number(document.querySelector('{slider}').value)")
    rows = page.run("[...document.querySelectorAll('#gallery .tile[data-row]')].map(tile => tile.dataset.row)")
    for row in rows[:5]:
        yaw = page.run(f"fetch('/api/v1/faces/{row}').then(a => a.json()).then(f => f.attributes.pose_yaw_deg)")
        assert yaw >= least - 1e-4
    page.click("#clear")
    page.until("document.querySelector('#count').textContent === '80 of 80 faces'")
    page.run("""(() => { const s = document.querySelector('select[data-column=expression]');
      s.value = 'surprise'; s.dispatchEvent(new Event('input', { bubbles: true })); })()""")
    page.until("parseInt(document.querySelector('#count').textContent) < 80")


def test_the_page_can_be_used_by_keyboard(page: Browser) -> None:
    page.until("document.querySelector('#gallery .tile[data-row=\"0\"]')")
    page.run("document.querySelector('#gallery .tile').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.press(key)
    row = page.run("document.activeElement.dataset.row")
    assert int(row) > 2
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter")
    page.until(f"location.hash === '#gallery/{row}' && document.querySelectorAll('#nearest .tile').length === 30")
    page.press("Escape")
    page.until("document.querySelector('#panel').hidden")
    assert page.run("document.activeElement.dataset.row") == row
    page.press("c")
    page.press("ArrowRight")
    page.press("c")
    page.until("document.querySelector('#compared .strip')")


def test_faces_are_compared(page: Browser) -> None:
    pytest.importorskip("torch")
    for row in (60, 66, 75):
        page.run(f"location.hash = '#gallery/{row}'")
        page.until(f"document.querySelector('#panel .large')?.dataset.picture.includes('/{row}/')")
        page.click("#to-compare")
    page.until("location.hash === '#compare' && document.querySelectorAll('#compared .strip').length === 2")
    captions = page.run("[...document.querySelectorAll('#compared .strip figcaption b')].map(b => b.textContent)")
    assert captions[:5] == ["source 1", "target", "reconstruction", "flow", "movement"]
    assert page.run("[...document.querySelectorAll('#compared img')].every(image => image.naturalWidth > 0)")


def test_the_map_is_drawn_and_can_be_used_by_keyboard(page: Browser) -> None:
    page.click("#tab-map")
    drawn = """(() => { const c = document.querySelector('#map'); if (!c.width) return 0;
      const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      return data.filter((value, place) => place % 4 === 3 && value).length; })()"""
    page.until(f"{drawn} > 5000")
    page.run("document.querySelector('#map').focus()")
    for key in ("ArrowRight", "ArrowDown", "+", "Enter"):
        page.press(key)
    page.until("/^#map.[0-9]+$/.test(location.hash) && document.querySelectorAll('#nearest .tile').length === 30")


def test_a_timeline_shows_the_face_beside_it(page: Browser) -> None:
    page.run("location.hash = '#gallery/70'")
    page.until("document.querySelector('#to-timeline')")
    page.click("#to-timeline")
    page.until("document.querySelectorAll('#timeline .uplot').length === 3")
    assert page.run("document.querySelector('.beside img').dataset.picture").find("/70/") > 0
    page.run("document.querySelector('.time').focus()")
    page.press("ArrowRight")
    page.until("document.querySelector('.beside img').dataset.picture.includes('/71/')")


def test_times_have_the_digits_that_their_step_needs(page: Browser) -> None:
    asked = {(0.25, 0.25): "0.25 s", (2.5, 2.5): "2.5 s", (61.5, 0.5): "1:01.5", (3, 1): "3 s", (0.02, 0.02): "0.02 s"}
    address = page.run("[...document.querySelectorAll('script[type=module]')][0].src.replace('main', 'chart')")
    for (time, step), text in asked.items():
        assert page.run(f"import('{address}').then((chart) => chart.clock({time}, {step}))") == text


def test_a_link_to_a_moment_of_a_video_shows_it(page: Browser, server: str) -> None:
    page.call("Page.navigate", url="about:blank")
    page.open(f"{server}/#timeline/70")
    page.until("document.querySelector('.beside img')?.dataset.picture.includes('/70/')")
    page.until("!document.querySelector('#panel').hidden")
    page.click("#panel .close")
    page.until("document.querySelector('#panel').hidden && location.hash === '#timeline'")
    page.run("new Promise(requestAnimationFrame)")
    assert page.run("document.querySelector('#view-timeline').scrollTop") == 0


@pytest.mark.parametrize("is_dark", [False, True])
def test_the_page_fits_a_phone_in_light_and_dark(page: Browser, is_dark: bool) -> None:
    page.resize(390, 844, is_dark=is_dark)
    for view in ("gallery", "gallery/3", "map", "timeline", "compare"):
        page.run(f"location.hash = '#{view}'")
        page.until(f"location.hash === '#{view}' && !document.querySelector('#view-{view.split('/')[0]}').hidden")
        assert page.run("document.documentElement.scrollWidth") <= 390, view
        if view == "gallery/3":
            page.until("document.querySelector('#views').inert && document.activeElement.id === 'panel'")
            page.press("Escape")
            page.until("!document.querySelector('#views').inert")
            page.run("location.hash = '#gallery'")
    lightness = page.run("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)[0]")
    assert (lightness < 60) == is_dark


def test_ten_thousand_faces_scroll_smoothly(browser: Browser, ten_thousand: Path) -> None:
    with serving(str(ten_thousand)) as (url, _):
        browser.resize(1280, 800)
        browser.open(f"{url}/#gallery")
        browser.ungroup()
        browser.until("document.querySelector('#count').textContent === '10,000 of 10,000 faces'")
        times = browser.run("""new Promise((done) => {
          const gallery = document.querySelector("#gallery"), times = [];
          function frame(now) {
            times.push(now);
            gallery.scrollTop += 400;
            if (times.length < 120) requestAnimationFrame(frame);
            else done(times);
          }
          requestAnimationFrame(frame);
        })""")
        frames = np.diff(times)
        print(f"frames: median {np.median(frames):.0f} ms, 95 % under {np.percentile(frames, 95):.0f} ms")
        assert np.median(frames) < 100
        browser.run("document.querySelector('#gallery').scrollTop = 1e9")
        browser.until("document.querySelector('#gallery .tile[data-row=\"9999\"] img')?.naturalWidth === 96")
        assert browser.run("document.querySelectorAll('#gallery .tile').length") < 200
