"""What the page's folder holds, and that its JavaScript computes what the Python code does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fabnet.browser.page import STATIC, export_page, settings_of
from fabnet.browser.web_runtime import PACKAGE
from fabnet.encoders.load_encoder import load_for_reading
from fabnet.errors import InputError, ModelError
from fabnet.faces.detect.detection import Detection
from fabnet.faces.detect.turned import search_turned
from fabnet.faces.detect.yunet import Yunet
from fabnet.faces.quality import STRIDE_PX, detail_of, light_of
from fabnet.models.model_folder import READER_FILE, read_card
from fabnet.reading.canonical import Eyes
from fabnet.weights import shipped_models

NODE = shutil.which("node")
LARGEST_DIFFERENCE = 1 if int(cv2.__version__.split(".")[0]) > 4 else 2
"""In grey levels. OpenCV 4 rounds positions in a picture to 1/32 of a pixel, OpenCV 5 does not."""
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed to run the page's JavaScript with")


def run_script(script: str, folder: Path) -> Any:
    """What a script prints as JSON; it finds the page's modules in STATIC and its files in FOLDER."""
    file = folder / "script.mjs"
    file.write_text(f'import fs from "fs";\nconst FOLDER = {json.dumps(str(folder))};\n' + script)
    done = subprocess.run([NODE or "node", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def module(name: str) -> str:
    return json.dumps((STATIC / name).as_uri())


def write_rgba(image: np.ndarray, file: Path) -> None:
    """Write an image's bytes as a canvas gives them."""
    file.write_bytes(np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]).tobytes())


PICTURE = """
const picture = (name, width, height) =>
  ({ width, height, data: new Uint8ClampedArray(fs.readFileSync(`${FOLDER}/${name}`)) });
"""


@needs_node
def test_windows_are_those_of_python(frames: list[np.ndarray], tmp_path: Path) -> None:
    encoder = load_for_reading("base")
    eyes, size = Eyes(encoder, encoder.required_reader()), encoder.card.size
    rng, boxes, views, lights = np.random.default_rng(0), [], [], []
    for times in (1, 4, 7):
        image = cv2.resize(frames[40], None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
        write_rgba(image, tmp_path / f"{times}.rgba")
        for _ in range(6):
            side, (x, y) = rng.uniform(0.15, 0.9), rng.uniform(-0.3, 0.6, 2)
            box = (np.array([x, y, x + side, y + side]) * len(image)).astype(np.float32)
            turn = float(rng.choice([0, -60, 12, 35]))
            boxes.append((times, len(image), box.tolist(), turn))
            views.append(eyes.look([image], box[None], np.array([turn])).views[0])
            lights.append([float(each[0]) for each in light_of(views[-1][None])])
    made = run_script(
        f"import {{ detailOf, lightOf, onPixels, windowOf }} from {module('picture.js')};\n{PICTURE}"
        f"const made = {json.dumps(boxes)}.map(([times, side, box, turn]) => {{\n"
        f"  const view = windowOf(picture(`${{times}}.rgba`, side, side), onPixels(box, {size}), {size}, turn);\n"
        "  const { brightness, contrast } = lightOf(view);\n"
        f"  return [Array.from(view.data), brightness, contrast, detailOf(view, {STRIDE_PX})];\n}});\n"
        "console.log(JSON.stringify(made));\n",
        tmp_path,
    )
    for (data, *light, detail), view, expected in zip(made, views, lights, strict=True):
        found = np.reshape(data, (size, size, 4))[:, :, :3]
        difference = np.abs(found - view.astype(int))
        assert difference.max() <= LARGEST_DIFFERENCE
        assert difference.mean() < 0.2
        assert light == pytest.approx(expected, abs=1e-3)
        assert detail == pytest.approx(detail_of(found.astype(np.uint8)[None])[0], rel=1e-5)


@needs_node
def test_pictures_are_shrunk_as_opencv_does_it(frames: list[np.ndarray], tmp_path: Path) -> None:
    write_rgba(frames[0], tmp_path / "a.rgba")
    sizes = [(96, 96), (64, 48), (71, 130), (191, 101)]
    script = f"""import {{ interpolated, shrunk }} from {module("picture.js")};
{PICTURE}const given = picture("a.rgba", 192, 192);
const made = {json.dumps(sizes)}.map(([width, height]) => Array.from(shrunk(given, width, height).data));
made.push(Array.from(interpolated(given, 230, 250).data));
console.log(JSON.stringify(made));
"""
    *small, large = run_script(script, tmp_path)
    for (width, height), data in zip(sizes, small, strict=True):
        expected = cv2.resize(frames[0], (width, height), interpolation=cv2.INTER_AREA)
        assert np.abs(np.reshape(data, (height, width, 4))[:, :, :3] - expected.astype(int)).max() <= 1
    expected = cv2.resize(frames[0], (230, 250), interpolation=cv2.INTER_LINEAR)
    assert np.abs(np.reshape(large, (250, 230, 4))[:, :, :3] - expected.astype(int)).max() <= 1


@needs_node
def test_attributes_are_those_of_python(frames: list[np.ndarray], tmp_path: Path) -> None:
    encoder = load_for_reading("base")
    eyes = Eyes(encoder, encoder.required_reader())
    corners = [(60, 62, 85), (5, 3, 180), (-70, 20, 90), (60, 60, 18), (55, 60, 95)]
    boxes = np.array([[x, y, x + side, y + side] for x, y, side in corners], np.float32)
    dark = (frames[60] // 40).astype(np.uint8)
    settled = eyes.look([frames[60]] * 4 + [dark], boxes, np.array([0, 20, -50, 0, 0]))
    seen, expected = settled.seen, eyes.reader.columns(settled.seen)
    assert {"no face", "small", "dark"} <= set(", ".join(expected["out_of_range"]).split(", "))
    given = [
        {
            "embedding": each.tolist(),
            "box": box.tolist(),
            "turn": float(turn),
            "brightness": float(bright),
            "contrast": float(contrast),
            "detail": float(detail),
            "shown": shown.tolist(),
        }
        for each, box, turn, bright, contrast, detail, shown in zip(*seen, strict=True)
    ]
    settings = settings_of(encoder.card)
    made = run_script(
        f"""import {{ FaceReader }} from {module("reader.js")};
const bytes = fs.readFileSync({json.dumps(str(shipped_models()["base"] / READER_FILE))});
const reader = new FaceReader(Uint8Array.from(bytes).buffer, {json.dumps(settings["reader"])});
console.log(JSON.stringify({json.dumps(given)}.map(({{ embedding, ...seen }}) => {{
  seen.embedding = Float32Array.from(embedding);
  const outputs = reader.where(seen.embedding);
  return [reader.columns(seen), reader.placed(outputs, seen.box, seen.turn)];
}})));
""",
        tmp_path,
    )
    for place, (columns, placed) in enumerate(made):
        assert columns.keys() == expected.keys()
        assert placed["box"] == pytest.approx(settled.next_px[place].tolist(), abs=0.01)
        assert placed["turn"] == pytest.approx(float(settled.next_turns_deg[place]), abs=0.01)
        for name, values in expected.items():
            if isinstance(columns[name], str | bool):
                assert columns[name] == values[place], name
            else:
                assert columns[name] == pytest.approx(np.asarray(values[place]).tolist(), abs=2e-3, rel=1e-3), name


@needs_node
@pytest.mark.parametrize("side", [192, 1600])
def test_faces_are_found_where_python_finds_them(frames: list[np.ndarray], tmp_path: Path, side: int) -> None:
    """Also in tiles; the network itself runs in Python, and its answers are given to the page's code."""
    strip = np.concatenate([frames[0], frames[60]], axis=1)
    image = cv2.resize(strip, (2 * side, side), interpolation=cv2.INTER_LINEAR)
    write_rgba(image, tmp_path / "a.rgba")
    network, share = Yunet()._network, 1 / 64
    settings = settings_of(read_card(shipped_models()["base"]))
    script = f"""import {{ Detector }} from {module("detect.js")};
{PICTURE}const asked = [];
const file = `${{FOLDER}}/answers.json`;
const answers = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file)) : [];
const run = async (image, height, width) => {{
  fs.writeFileSync(`${{FOLDER}}/asked${{asked.length}}.bgr`, image);
  asked.push([height, width]);
  const answer = answers[asked.length - 1] ?? {{ scores: [], boxes: [] }};
  return {{ scores: Float32Array.from(answer.scores), boxes: Float32Array.from(answer.boxes) }};
}};
const detector = new Detector({json.dumps(settings["detector"])}, run);
const found = await detector.search(picture("a.rgba", {2 * side}, {side}), {share});
console.log(JSON.stringify({{ asked, found }}));
"""
    answers = []
    for number, (height, width) in enumerate(run_script(script, tmp_path)["asked"]):
        data = np.fromfile(tmp_path / f"asked{number}.bgr", np.uint8).reshape(1, height, width, 3)
        score, box, _ = network.run(None, {"image": data})
        answers.append({"scores": score.ravel().tolist(), "boxes": box.ravel().tolist()})
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    found = run_script(script, tmp_path)["found"]
    from fabnet.faces.detect.load import load_detector

    expected = sorted(
        load_detector(min_face_share=share)(image),
        key=lambda face: -float(np.prod(np.diff(face.box_px.reshape(2, 2), axis=0))),
    )
    assert len(found) == len(expected) >= 2
    for face, other in zip(found, expected, strict=True):
        assert face["box"] == pytest.approx(other.box_px.tolist(), abs=side / 400)
        assert face["score"] == pytest.approx(other.score, abs=0.01)


def test_the_page_names_no_other_site() -> None:
    for file in STATIC.iterdir():
        assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/2000/svg|localhost or https", "", file.read_text())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (STATIC / "index.html").read_text())
    assert policy is not None
    parts = dict(part.split(" ", 1) for part in policy[1].split("; "))
    assert parts.pop("default-src") == parts.pop("form-action") == parts.pop("base-uri") == "'none'"
    assert parts.pop("script-src") == "'self' 'wasm-unsafe-eval'"
    assert set(parts) == {"connect-src", "style-src", "img-src"}
    assert set(parts.values()) == {"'self'"}


def test_only_the_pinned_runtime_is_taken(tmp_path: Path) -> None:
    (tmp_path / PACKAGE).write_bytes(b"something else")
    with pytest.raises(InputError, match="its digest is another"):
        export_page("base", tmp_path / "page", runtime=tmp_path / PACKAGE)
    with pytest.raises(InputError, match="no such file"):
        export_page("base", tmp_path / "page", runtime=tmp_path / "nothing.tgz")
    with pytest.raises(InputError, match="is not empty"):
        export_page("base", tmp_path, runtime=tmp_path / PACKAGE)
    assert not (tmp_path / "page").exists()


def test_a_model_without_a_face_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="carries no face reader"):
        export_page("pixels", tmp_path / "page", runtime=tmp_path / "not-looked-for")


def test_one_output_at_a_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from fabnet.cli import main

    arguments = ["export", "base", "--out", str(tmp_path / "page"), "--browser", "npm", "--int8", str(tmp_path)]
    assert main(arguments) == InputError.exit_code
    assert "give one of them" in capsys.readouterr().err


@needs_node
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_lying_face_lies_where_python_finds_it(tmp_path: Path, quarters: int) -> None:
    """A red patch stands for a face if the green corner is at the upper left."""
    image = np.zeros((100, 140, 3), np.uint8)
    image[20:60, 30:66, 0] = image[2, 2, 1] = 255
    image = np.ascontiguousarray(np.rot90(image, quarters))

    def find(image: np.ndarray) -> list[Detection]:
        (rows, columns), (row, column) = np.nonzero(image[:, :, 0]), np.argwhere(image[:, :, 1])[0]
        if max(row, column) > 2:
            return []
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
        return [Detection(box, np.zeros((5, 2), np.float32), 0.95)]

    (expected,) = find(image) or search_turned(find, image)
    write_rgba(image, tmp_path / "a.rgba")
    settings = settings_of(read_card(shipped_models()["base"]))
    (found,) = run_script(
        f"""import {{ Detector }} from {module("detect.js")};
{PICTURE}const detector = new Detector({json.dumps(settings["detector"])});
detector.search = async ({{ width, height, data }}) => {{
  if (data[4 * (2 * width + 2) + 1] !== 255) return [];
  const xs = [], ys = [];
  for (let at = 0; at < width * height; at++) {{
    if (data[4 * at] === 255) {{ xs.push(at % width); ys.push(Math.floor(at / width)); }}
  }}
  return [{{ box: [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1], score: 0.95 }}];
}};
console.log(JSON.stringify(await detector.photo(picture("a.rgba", {image.shape[1]}, {image.shape[0]}))));
""",
        tmp_path,
    )
    assert found["box"] == expected.box_px.tolist()
    assert found.get("turn", 0) == expected.turn_deg
