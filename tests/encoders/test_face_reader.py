"""What a face reader makes of embeddings, in closed form; its file, whole, corrupt and wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.encoders.face_reader import (
    ARRAYS,
    FIRST,
    NUM_SIGNS,
    FaceReader,
    ReaderTask,
    load_face_reader,
    save_face_reader,
)
from fabnet.errors import InputError
from fabnet.faces.pose import ANGLES, rotation_matrix
from fabnet.weights import shipped_models

TASKS = (
    ReaderTask("smile", "probabilities", ("smile",), "made"),
    ReaderTask("landmarks68", "points", tuple(f"{axis}{point}" for point in range(68) for axis in "xy"), "made"),
    ReaderTask("pose", "values", ("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg"), "made"),
    ReaderTask("mood", "classes", ("glad", "sad", "calm"), "made", is_experimental=True),
)
NUM_OUTPUTS = FIRST + 1 + 136 + 3 + 3
SMILE, POINTS, POSE, MOOD = FIRST, FIRST + 1, FIRST + 137, FIRST + 140


@pytest.fixture
def reader() -> FaceReader:
    """A reader whose outputs are the first numbers of the embedding; the last two say how unlike a face is."""
    coef = np.eye(NUM_OUTPUTS + 2, NUM_OUTPUTS, dtype=np.float32)
    whiten = np.zeros((len(coef), 2), np.float32)
    whiten[-2:] = np.eye(2)
    return FaceReader(
        tasks=TASKS, model="digest", version="0", coef=coef, waves=np.zeros((len(coef), 2), np.float32),
        phases=np.zeros(2, np.float32), wave_coef=np.zeros((2, NUM_OUTPUTS), np.float32),
        intercept=np.zeros(NUM_OUTPUTS, np.float32),
        mean=np.zeros(len(coef), np.float32), whiten=whiten, limits=np.array([5.0, 36.0], np.float32),
        signs_mean=np.zeros(NUM_SIGNS, np.float32), signs_scale=np.ones(NUM_SIGNS, np.float32),
        spread=np.zeros((NUM_SIGNS + 1, 4), np.float32),
    )  # fmt: skip


def seen(
    outputs: dict[int | range, Any] | None = None,
    count: int = 1,
    side: float = 100.0,
    light: float = 0.5,
    shown: tuple[float, float] = (200, 200),
) -> EncodedFaces:
    """Faces in windows from (10, 20) of a picture, with these outputs of the made reader; a face, not covered, if not
    told."""
    embeddings = np.zeros((count, NUM_OUTPUTS + 2), np.float32)
    embeddings[:, 3], embeddings[:, 4] = 2.0, -2.0
    for place, value in (outputs or {}).items():
        embeddings[:, list(place) if isinstance(place, range) else place] = value
    boxes = np.tile(np.array([10, 20, 10 + side, 20 + side], np.float32), (count, 1))
    return EncodedFaces(
        embeddings,
        boxes,
        np.zeros(count, np.float32),
        np.full(count, light, np.float32),
        np.full(count, 0.2, np.float32),
        np.full(count, 0.3, np.float32),
        np.tile(np.array([0, 0, *shown], np.float32), (count, 1)),
    )


def test_a_window_is_placed_by_shift_and_scale(reader: FaceReader) -> None:
    outputs = np.zeros((4, 6), np.float32)
    outputs[1, :3] = 0.1, -0.2, 0.0
    outputs[2, 2] = np.log(1.2)
    outputs[3, :3] = 9.0, -9.0, 9.0  # at most half a side, and e^0.5
    boxes = np.tile(np.array([10, 20, 110, 120], np.float32), (4, 1))
    half = 50 * np.exp(0.5)
    expected = [
        [10, 20, 110, 120],
        [20, 0, 120, 100],
        [0, 10, 120, 130],
        [110 - half, 20 - half, 110 + half, 20 + half],
    ]
    placed, turns = reader.placed(outputs, boxes, np.zeros(4, np.float32))
    np.testing.assert_allclose(placed, expected, rtol=1e-5, atol=1e-4)
    assert placed.dtype == turns.dtype == np.float32
    assert not turns.any()


def test_a_window_turns_with_a_head_that_leans(reader: FaceReader) -> None:
    outputs = np.zeros((6, 6), np.float32)
    outputs[:, -1] = 9, 12, -40, 9, -9, 12
    before = np.array([0, 0, 0, 20, 11, -20], np.float32)
    boxes = np.tile(np.array([0, 0, 100, 100], np.float32), (6, 1))
    _, turns = reader.placed(outputs, boxes, before)
    assert turns.tolist() == [0, 12, -40, 20, 11, 0]  # the last stands upright again
    outputs = np.array([[0.1, 0.2, 0, 0, 0, 0]], np.float32)
    placed, _ = reader.placed(outputs, boxes[:1], np.array([90], np.float32))
    np.testing.assert_allclose(placed, [[20, -10, 120, 90]], atol=1e-4)  # down in the window is right in the picture


def test_points_and_pose_of_a_turned_window_are_those_of_the_picture(reader: FaceReader) -> None:
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (68, 2)).astype(np.float32)
    given: dict[int | range, Any] = {
        range(POINTS, POINTS + 136): points.reshape(-1),
        POSE: 5.0,
        POSE + 1: -12.0,
        POSE + 2: 30.0,
    }
    upright, turned = seen(given), seen(given)._replace(turns_deg=np.array([25], np.float32))
    one, other = reader.columns(upright), reader.columns(turned)
    angle = np.radians(25)
    about = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    expected = (one["landmarks68_px"].reshape(68, 2) - [60, 70]) @ about.T + [60, 70]
    np.testing.assert_allclose(other["landmarks68_px"].reshape(68, 2), expected, rtol=1e-4)
    first, second = (
        rotation_matrix(np.radians([float(read[f"pose_{name}_deg"][0]) for name in ANGLES])) for read in (one, other)
    )
    np.testing.assert_allclose(second, rotation_matrix(np.array([angle, 0, 0])) @ first, atol=1e-5)
    same = {name for name in one if np.array_equal(one[name], other[name])}
    assert set(one) - same == {"landmarks68_px", "pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg"}


def test_a_face_is_one_from_a_probability_of_a_half(reader: FaceReader) -> None:
    outputs = np.zeros((3, NUM_OUTPUTS), np.float32)
    outputs[:, 3] = -1e-3, 0.0, 1e-3
    assert reader.is_face(outputs).tolist() == [False, False, True]


def test_points_are_in_pixels_of_the_picture(reader: FaceReader) -> None:
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (68, 2)).astype(np.float32)
    faces = seen({range(POINTS, POINTS + 136): points.reshape(-1)})
    read = reader.columns(faces)["landmarks68_px"].reshape(68, 2)
    expected = np.array([60, 70]) + 50 * points
    np.testing.assert_allclose(read, expected, rtol=1e-5)
    five = reader.points5(reader.outputs(faces.embeddings), faces)[0]
    eyes = [expected[36:42].mean(axis=0), expected[42:48].mean(axis=0)]
    np.testing.assert_allclose(five, [*eyes, expected[30], expected[48], expected[54]], rtol=1e-5)


def test_values_probabilities_and_classes(reader: FaceReader) -> None:
    read = reader.columns(seen({SMILE: 3.0, POSE: 1.0, POSE + 1: -2.0, POSE + 2: 3.0, MOOD: 0.5, MOOD + 1: 2.0}))
    assert list(read) == [field.name for field in reader.fields()]
    assert read["smile"][0] == pytest.approx(1 / (1 + np.exp(-3)))
    assert [float(read[f"pose_{name}_deg"][0]) for name in ("roll", "pitch", "yaw")] == [1, -2, 3]
    shares = np.exp([0.5, 2, 0]) / np.exp([0.5, 2, 0]).sum()
    assert [float(read[name][0]) for name in ("glad", "sad", "calm")] == pytest.approx(shares)
    assert read["mood"].tolist() == ["sad"]
    assert read["in_range"].tolist() == [True]
    assert read["out_of_range"].tolist() == [""]


def test_outputs_of_any_size_give_finite_numbers(reader: FaceReader) -> None:
    for size in (1e4, -1e4):
        read = reader.columns(seen({range(NUM_OUTPUTS): size, MOOD: -size}))
        assert all(np.isfinite(values).all() for values in read.values() if values.dtype.kind == "f")
        assert sum(float(read[name][0]) for name in ("glad", "sad", "calm")) == pytest.approx(1)


def test_signs_of_difficulty(reader: FaceReader) -> None:
    faces = seen({POSE: -10.0, POSE + 1: 20.0, POSE + 2: -30.0, -2: 3.0, -1: 4.0}, light=0.4)
    made = {f"pose_{name}_deg": np.array([value]) for name, value in (("roll", -10.0), ("pitch", 20.0), ("yaw", -30.0))}
    expected = [np.log2(100), 0.4, 0.2, 30, 900 / 45, 20, 10, 5]
    np.testing.assert_allclose(reader.raw_signs(faces, made, np.array([5.0])), [expected], rtol=1e-5)
    scaled = replace(
        reader, signs_mean=np.array(expected, np.float32) - 1, signs_scale=np.full(NUM_SIGNS, 2, np.float32)
    )
    np.testing.assert_allclose(scaled.signs(faces, made, np.array([5.0])), np.full((1, NUM_SIGNS), 0.5), rtol=1e-3)
    assert reader.signs(faces, made, np.array([5.0])).max() == 4  # however far from those that it was fitted on


def test_half_widths(reader: FaceReader) -> None:
    spread = np.zeros((NUM_SIGNS + 1, 4), np.float32)
    spread[-1] = np.log([0.02, 1, 2, 3])  # of the points, in sides; of roll, pitch, yaw
    spread[-2] = np.log(2)  # twice as wide for each unit of distance
    wide = replace(reader, spread=spread)
    for distance in (0.0, 1.0):
        read = wide.columns(seen({-1: distance}, side=200))
        assert read["landmarks68_pm_px"][0] == pytest.approx(0.02 * 200 * 2**distance)
        pose = [float(read[f"pose_{name}_deg_pm"][0]) for name in ("roll", "pitch", "yaw")]
        assert pose == pytest.approx(np.array([1, 2, 3]) * 2**distance)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outputs": {3: -1.0}}, "no face"),
        ({"outputs": {POSE + 2: -66.0}}, "turned"),
        ({"outputs": {POSE + 1: 41.0}}, "turned"),
        ({"outputs": {POSE: 46.0}}, "turned"),
        ({"side": 35.0}, "small"),
        ({"light": 0.07}, "dark"),
        ({"outputs": {4: 0.1}}, "covered"),
        ({"shown": (55, 200)}, "cut off"),
        ({"outputs": {-1: 5.1}}, "unlike"),
        ({"outputs": {POSE: 46.0, 4: 0.1}, "side": 35.0}, "turned, small, covered"),
    ],
)
def test_each_reason_out_of_range(reader: FaceReader, change: dict[str, Any], said: str) -> None:
    read = reader.columns(seen(**change))
    assert read["out_of_range"].tolist() == [said]
    assert read["in_range"].tolist() == [False]


def test_faces_are_read_each_by_itself(reader: FaceReader) -> None:
    rng = np.random.default_rng(0)
    many = seen(count=7)._replace(embeddings=rng.normal(size=(7, NUM_OUTPUTS + 2)).astype(np.float32))
    together = reader.columns(many)
    for place in range(7):
        alone = reader.columns(many.at(slice(place, place + 1)))
        for name, values in alone.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values[0], together[name][place], rtol=1e-5, atol=1e-5, err_msg=name)
            else:
                assert values[0] == together[name][place]


def test_no_faces_are_no_rows(reader: FaceReader) -> None:
    read = reader.columns(seen(count=0))
    assert list(read) == [field.name for field in reader.fields()]
    assert all(len(values) == 0 for values in read.values())


def test_other_embeddings_are_refused(reader: FaceReader) -> None:
    with pytest.raises(InputError, match=r"embeddings of 150 numbers; these have 7"):
        reader.columns(seen()._replace(embeddings=np.zeros((1, 7), np.float32)))


def test_a_file_is_read_as_it_was_written(reader: FaceReader, tmp_path: Path) -> None:
    file = tmp_path / "reader.safetensors"
    reader = replace(reader, errors={"women": {"faces": 3, "yaw_deg": [2.1, 1.9, 2.4]}})
    save_face_reader(reader, file)
    again = load_face_reader(file)
    assert (again.tasks, again.model, again.version) == (reader.tasks, reader.model, reader.version)
    assert again.errors == reader.errors
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(reader, name))
    assert [path.name for path in tmp_path.iterdir()] == ["reader.safetensors"]


def test_the_shipped_reader_is_sound() -> None:
    files = [folder / "reader.safetensors" for folder in shipped_models().values()]
    assert any(file.exists() for file in files)
    for file in filter(Path.exists, files):
        reader = load_face_reader(file)
        units = [task for task in reader.tasks if task.name.startswith("units")]
        assert sum(len(task.columns) for task in units) == 11
        assert all(task.source for task in reader.tasks)


def corrupted(file: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], object]) -> None:
    """The same file after a change of what its header says and of its arrays."""
    with safe_open(file, framework="numpy") as content:
        metadata, arrays = content.metadata(), {name: content.get_tensor(name) for name in ARRAYS}
    said = json.loads(metadata["reader"])
    change(said, arrays)
    save_file(arrays, file, metadata={"format": metadata["format"], "reader": json.dumps(said)})


def replace_array(name: str, array: np.ndarray, said: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    arrays[name] = array


def one_line(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_face_reader(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_wrong_shapes_types_and_values_are_refused(reader: FaceReader, tmp_path: Path, name: str) -> None:
    file = tmp_path / "reader.safetensors"
    array = getattr(reader, name)
    unknown = array.copy()
    unknown.flat[0] = np.nan
    wrong = {
        "empty": array[:0],
        "longer": np.concatenate([array, array]),
        "flatter": array.reshape(-1)[:-1],
        "deeper": array[None],
    }
    for change in wrong.values():
        save_face_reader(reader, file)
        corrupted(file, partial(replace_array, name, change.copy("C")))
        assert re.search("is corrupt|cannot be read as a face reader", one_line(file))
    save_face_reader(reader, file)
    corrupted(file, partial(replace_array, name, array.astype(np.float64)))
    assert f"{name} is float64" in one_line(file)
    save_face_reader(replace(reader, **{name: unknown}), file)
    assert f"{name} has numbers that are not finite" in one_line(file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda said: said.pop("model"), "model"),
        (lambda said: said.pop("version"), "version"),
        (lambda said: said.update(tasks=None), "cannot be read"),
        (lambda said: said.update(tasks=["pose"]), "cannot be read"),
        (lambda said: said.update(errors=[1]), "cannot be read"),
        (lambda said: said["tasks"][0].update(kind="guesses"), "'guesses'"),
        (lambda said: said["tasks"][0].update(columns=[1]), "cannot be read"),
        (lambda said: said["tasks"][0].update(columns=["pose_yaw_deg"]), "two of its columns are called pose_yaw_deg"),
        (lambda said: said["tasks"][1].update(name="points"), "expected landmarks68 with 136"),
        (lambda said: said["tasks"][2].update(columns=["pose_roll_deg", "pose_pitch_deg", "yaw"]), "no pose_yaw_deg"),
        (lambda said: said["tasks"].pop(0), "coef is float32"),
        (lambda said: said["tasks"].reverse(), None),
    ],
)
def test_tasks_that_do_not_fit_are_refused(
    reader: FaceReader, tmp_path: Path, change: Callable[[Any], object], said: str | None
) -> None:
    file = tmp_path / "reader.safetensors"
    save_face_reader(reader, file)
    corrupted(file, lambda metadata, arrays: change(metadata))
    if said is None:
        assert load_face_reader(file).tasks == TASKS[::-1]
    else:
        assert said in one_line(file)


def test_a_scale_of_zero_is_refused(reader: FaceReader, tmp_path: Path) -> None:
    file = tmp_path / "reader.safetensors"
    save_face_reader(replace(reader, signs_scale=np.zeros(NUM_SIGNS, np.float32)), file)
    assert "not positive" in one_line(file)


def test_other_files_are_refused(reader: FaceReader, tmp_path: Path) -> None:
    file = tmp_path / "reader.safetensors"
    with pytest.raises(InputError, match="no such file"):
        load_face_reader(file)
    save_face_reader(reader, file)
    content = file.read_bytes()
    for wrong in (b"", b"text", content[:100], content[:-1], content[8:], b"\xff" * 8 + content[8:], bytes(1000)):
        file.write_bytes(wrong)
        one_line(file)
    save_file({"coef": np.zeros(3, np.float32)}, file)
    assert "format" in one_line(file)
    save_file({"coef": np.zeros(3, np.float32)}, file, metadata={"format": "fabnet-reader-1", "reader": "[" * 100_000})
    assert "cannot be read" in one_line(file)
    with file.open("wb") as sparse:  # 8 GB that take no space
        sparse.truncate(8 * 2**30)
    one_line(file)
    file.unlink()
    file.mkdir()
    one_line(file)


def test_random_damage_of_the_header_is_refused_or_harmless(reader: FaceReader, tmp_path: Path) -> None:
    file, rng = tmp_path / "reader.safetensors", np.random.default_rng(0)
    save_face_reader(reader, file)
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(200):
        damaged = bytearray(content)
        damaged[rng.integers(header)] = rng.integers(256)
        file.write_bytes(damaged)
        with suppress(InputError):
            load_face_reader(file)


def test_cosines_of_the_embedding_are_further_features(reader: FaceReader) -> None:
    rng = np.random.default_rng(0)
    waves, phases, weights = (
        rng.normal(size=(NUM_OUTPUTS + 2, 2)),
        rng.normal(size=2),
        rng.normal(size=(2, NUM_OUTPUTS)),
    )
    made = replace(reader, waves=waves, phases=phases, wave_coef=weights)
    x = rng.normal(size=(3, NUM_OUTPUTS + 2))
    expected = x[:, :NUM_OUTPUTS] + np.cos(x @ waves + phases) @ weights
    np.testing.assert_allclose(made.outputs(x), expected, rtol=1e-4, atol=1e-4)
