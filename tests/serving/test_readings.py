"""What was read off faces, with how sure it is: in the API and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import lance
import numpy as np
import pyarrow as pa
import pytest

from fabnet.encoders.face_reader import ReaderTask
from fabnet.serving.site import open_site
from fabnet.video.decode import read_frames

from .asking import Client
from .browser import Browser, chromium
from .conftest import serving

NUM_FRAMES = 40
"""Frames of the video, with two faces in each."""


@pytest.fixture(scope="module")
def read_data(faces_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two people, with columns as `read` names them; frames 10 to 19 are out of range."""
    table = lance.dataset(str(faces_data)).to_table(columns=["id", "identity", "video", "track", "frame", "time_s",
                                                             "source", "box_px", "score", "reason", "thumbnail",
                                                             "embedding"])  # fmt: skip
    count = 2 * NUM_FRAMES
    numbers = np.arange(count)
    table = table.slice(0, count)
    names = {
        "video": pa.array(["=two.mp4"] * count), "track": pa.array([str(number % 2) for number in numbers]),
        "frame": pa.array(numbers // 2), "time_s": pa.array(numbers // 2 / 10),
    }  # fmt: skip
    for name, values in names.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), values.cast(table.schema.field(name).type))
    is_out = (numbers // 2 >= 10) & (numbers // 2 < 20)
    tasks = (
        ReaderTask("pose", "values", ("pose_yaw_deg",), ""),
        ReaderTask("expression", "classes", ("expression_happy", "expression_sad"), ""),
        ReaderTask("units", "probabilities", ("AU12",), ""),
        ReaderTask("units_experimental", "probabilities", ("AU20",), "", is_experimental=True),
    )
    values = {
        "pose_yaw_deg": numbers % 50 - 20.0, "pose_yaw_deg_pm": np.full(count, 5.0), "AU12": numbers / count,
        "AU20": 1 - numbers / count, "expression": ["expression_happy"] * count,
        "expression_happy": np.full(count, 0.8), "expression_sad": np.full(count, 0.2),
    }  # fmt: skip
    for field in (field for task in tasks for field in task.fields()):
        table = table.append_column(field, pa.array(values[field.name]).cast(field.type))
    table = table.append_column("in_range", pa.array(~is_out))
    table = table.append_column("out_of_range", pa.array(np.where(is_out, "turned, dark", "").tolist()))
    path = tmp_path_factory.mktemp("read") / "faces.lance"
    lance.write_dataset(table, str(path))
    return path


@pytest.fixture(scope="module")
def client(read_data: Path) -> Client:
    return Client(open_site(read_data))


def test_half_widths_belong_to_their_numbers(client: Client) -> None:
    columns = {each["column"]: each for each in client.json("/api/v1/dataset")["attributes"]}
    assert set(columns) == {"pose_yaw_deg", "expression_happy", "expression_sad", "AU12", "AU20"}
    assert columns["pose_yaw_deg"]["half_width"] == "pose_yaw_deg_pm"
    assert columns["AU12"]["half_width"] is None
    assert [name for name, each in columns.items() if each["is_experimental"]] == ["AU20"]
    assert (columns["expression_sad"]["classes"], columns["expression_sad"]["value"]) == (
        "expression",
        "expression_sad",
    )
    assert (
        client.json("/api/v1/faces/20")["attributes"] | {"in_range": "false", "out_of_range": "turned, dark"}
        == (client.json("/api/v1/faces/20")["attributes"])
    )


def test_faces_in_range_are_filtered(client: Client) -> None:
    def total(*where: str) -> int:
        return int(client.json("/api/v1/faces", params={"where": where})["total"])

    assert total("in_range:true") == 60
    assert total("in_range:false") == total("out_of_range:turned, dark") == 20
    found = client.json("/api/v1/faces/0/nearest", params={"where": "in_range:false", "other_people": False, "k": 50})
    assert {face["row"] for face in found["faces"]} == set(range(20, 40))
    client.refused("/api/v1/faces?where=in_range:yes", 400)


def test_faces_are_grouped_by_track(client: Client, faces_data: Path) -> None:
    assert client.json("/api/v1/dataset")["tracks"] == 2
    found = client.json("/api/v1/faces", params={"by_track": True})
    assert found["total"] == 2
    assert [(face["track"], face["count"]) for face in found["faces"]] == [("0", NUM_FRAMES), ("1", NUM_FRAMES)]
    few = client.json("/api/v1/faces", params={"by_track": True, "where": "in_range:false"})
    assert [face["count"] for face in few["faces"]] == [10, 10]
    own = client.json("/api/v1/faces", params={"track_of": 1, "count": 200})
    assert [face["row"] for face in own["faces"]] == list(range(1, 80, 2))
    assert own["faces"][0]["count"] is None
    client.refused("/api/v1/faces?track_of=80", 404)
    client.refused("/api/v1/faces?track_of=x", 422)
    everything = Client(open_site(faces_data)).json("/api/v1/faces", params={"by_track": True, "count": 200})
    assert sum(face["count"] for face in everything["faces"]) == 80


def test_a_track_and_a_part_of_it_over_time(client: Client) -> None:
    def ask(**params: object) -> dict[str, Any]:
        found: dict[str, Any] = client.json("/api/v1/timeline", params={"video": "=two.mp4"} | params)
        return found

    assert ask()["all_tracks"] == [{"name": "0", "faces": NUM_FRAMES}, {"name": "1", "faces": NUM_FRAMES}]
    one = ask(track="1")
    assert one["rows"] == list(range(1, 80, 2))
    assert one["classes"]["out_of_range"][9:21] == ["", *["turned, dark"] * 10, ""]
    part = ask(track="1", first=5, last=7)
    assert (part["rows"], part["places"], part["total"]) == ([11, 13, 15], [5, 6, 7], NUM_FRAMES)
    for odd in ("first=-1", "first=x", f"last={10**30}", f"first={10**30}", "track=%00", "first=9&last=3"):
        assert client.get(f"/api/v1/timeline?video=%3Dtwo.mp4&{odd}").status_code in (200, 422), odd


def two_faces(smiling: Path) -> bytes:
    """A photo of two faces, the larger one on the left."""
    image = next(iter(read_frames(smiling))).image
    smaller = cv2.copyMakeBorder(image[10:130], 12, 12, 0, 0, cv2.BORDER_REPLICATE)
    smaller = cv2.resize(smaller, None, fx=0.8, fy=0.8)
    rest = image.shape[0] - smaller.shape[0]
    both = np.hstack([image, cv2.copyMakeBorder(smaller, rest, 0, 0, 0, cv2.BORDER_REPLICATE)])
    return cv2.imencode(".png", cv2.resize(both, None, fx=2, fy=2)[:, :, ::-1])[1].tobytes()


def test_each_face_of_a_photo_is_read_and_can_be_searched_for(client: Client, smiling: Path) -> None:
    photo = two_faces(smiling)
    first, second = (client.ask("POST", f"/api/v1/nearest?face={face}", content=photo).json() for face in (0, 1))
    assert len(first["photo"]) == len(second["photo"]) == 2
    assert first["crop"] != second["crop"]
    read = first["photo"][0]["attributes"]
    assert read["in_range"] in ("true", "false")
    assert read["pose_yaw_deg_pm"] > 0
    assert first["photo"][0]["picture"].startswith("data:image/jpeg;base64,")
    assert "no face 2" in client.refused("/api/v1/nearest?face=2", 400, "POST", content=photo)
    assert "no face" in client.refused(f"/api/v1/nearest?face={10**30}", 400, "POST", content=photo)
    client.refused("/api/v1/nearest?face=-1", 422, "POST", content=photo)


def test_a_map_says_how_far_it_is(read_data: Path) -> None:
    site = open_site(read_data)
    client = Client(site)
    seen: list[dict[str, Any]] = []
    tell = site.face_map._tell

    def watched(stage: str, share: float | None) -> None:
        tell(stage, share)
        seen.append(client.json("/api/v1/map/pca/progress"))

    site.face_map._tell = watched  # type: ignore[method-assign]
    assert client.json("/api/v1/map/pca/progress") == {"stage": "", "share": None, "seconds": 0.0}
    client.get("/api/v1/map/pca")
    assert [each["stage"] for each in seen] == ["finding the directions", "placing the faces"]
    assert all(0 <= each["share"] <= 1 for each in seen)
    assert client.json("/api/v1/map/pca/progress")["stage"] == ""
    client.refused("/api/v1/map/nothing/progress", 404)


def test_the_chart_library_comes_with_its_licence(client: Client) -> None:
    assert client.get("/uPlot.iife.min.js").headers["content-type"].startswith("text/javascript")
    assert "MIT" in client.get("/uPlot.LICENSE.txt").text


@pytest.fixture(scope="module")
def page(read_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page; it must raise no error, and its policy must block nothing."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium or Chrome is installed to drive the page with")
    with serving(str(read_data)) as (url, _), Browser(program, tmp_path_factory.mktemp("browser")) as browser:
        browser.resize(1280, 800)
        browser.open(f"{url}/#gallery")
        yield browser
        said = [
            each["params"] for each in browser.events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")
        ]
        assert [each for each in said if each.get("entry", {}).get("level", "error") == "error"] == []


def test_the_gallery_shows_a_track_as_one_tile(page: Browser) -> None:
    page.run("location.hash = '#gallery'")
    page.until("document.querySelectorAll('#gallery .stack').length === 2")
    assert page.run("document.querySelector('#count').textContent") == "2 tracks"
    page.click("#gallery .stack")
    page.until("document.querySelectorAll('#gallery .tile[data-row]').length === 40")
    assert page.run("document.querySelector('#inside').textContent") == "=two.mp4, track 0"
    page.click("#leave")
    page.until("document.querySelectorAll('#gallery .stack').length === 2")
    page.click("#group")
    page.until("document.querySelectorAll('#gallery .tile[data-row]').length === 80")
    page.click("#group")


def test_the_timeline_shows_bands_and_what_is_out_of_range(page: Browser) -> None:
    page.run("location.hash = '#timeline'")
    page.until("document.querySelectorAll('#timeline .uplot').length === 3")
    assert page.run("document.querySelector('#track').value") == "0"  # of two faces in a frame, one at a time
    assert page.run("document.querySelector('.key b').textContent") == "-20° ± 5"
    grey = """(() => { const canvas = document.querySelector('.uplot canvas'), pen = canvas.getContext('2d');
      const at = (share) => pen.getImageData(canvas.width * share, canvas.height * 0.1, 1, 1).data[3];
      return [at(0.4), at(0.9)]; })()"""
    inside, outside = page.run(grey)
    assert inside > 0
    assert outside == 0
    page.run(
        "(() => { const s = document.querySelector('.time'); s.value = 12; s.dispatchEvent(new Event('input')); })()"
    )
    assert page.run("document.querySelector('.why').textContent") == "out of range: turned, dark"
    assert page.run("document.querySelectorAll('#timeline .key').length") == 5
    page.run("document.querySelector('#choices input[value=AU12]').click()")
    page.until("document.querySelectorAll('#timeline .key').length === 4")
    keys = page.run("[...document.querySelectorAll('#timeline .key')].map(key => key.textContent)")
    assert sum("experimental" in key for key in keys) == 1


def test_the_timeline_zooms_and_what_is_shown_is_downloaded(page: Browser) -> None:
    page.run("location.hash = '#timeline'")
    page.until("document.querySelectorAll('#timeline .uplot').length >= 3")
    page.run("""(() => { window.saved = null;
      URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return "#"; };
      HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; }; })()""")
    page.click("#time-in")
    page.click("#save")
    page.until("window.saved")
    header, *lines = page.run("window.saved").strip().split("\r\n")
    assert header.startswith("time_s,track,expression,in_range,out_of_range,pose_yaw_deg,pose_yaw_deg_pm")
    assert 15 <= len(lines) <= 25
    assert any('"turned, dark"' in line for line in lines)
    assert page.run("window.savedAs") == "_two.mp4.csv"
    page.click("#time-home")
    page.click("#save")
    page.until("window.saved.split('\\r\\n').length === 42")


def test_a_video_plays_in_step_with_its_pictures(page: Browser) -> None:
    page.run("location.hash = '#timeline'")
    page.until("document.querySelectorAll('#timeline .uplot').length >= 3")
    page.run(
        "(() => { const s = document.querySelector('.time'); s.value = 0; s.dispatchEvent(new Event('input')); })()"
    )
    page.click("#play")
    shown = """(() => { const { picture } = document.querySelector('.beside img').dataset;
      return [picture.match(/faces.(\\d+)/)[1] / 2, Number(document.querySelector('.time').value)]; })()"""
    page.until("Number(document.querySelector('.time').value) > 5")
    picture, moment = page.run(shown)
    assert 0 <= moment - picture <= 8
    page.until("document.querySelector('#play').textContent.includes('Play')")
    assert page.run(shown) == [39, 39]


def test_a_face_of_a_photo_is_chosen_on_the_page(page: Browser, smiling: Path, tmp_path: Path) -> None:
    (tmp_path / "two.png").write_bytes(two_faces(smiling))
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    button = page.call("DOM.querySelector", nodeId=document, selector="#photo-file")["nodeId"]
    page.call("DOM.setFileInputFiles", nodeId=button, files=[str(tmp_path / "two.png")])
    page.until("document.querySelectorAll('#photo-faces .tile').length === 2")
    before = page.run("document.querySelector('#found').src")
    assert "± " in page.run("document.querySelector('#read').textContent")
    page.click("#photo-faces .tile:nth-child(2)")
    page.until(f"document.querySelector('#found').src !== {before!r}")
    assert page.run("document.querySelector('#photo-faces .tile:nth-child(2)').ariaPressed") == "true"
    page.press("Escape")
