"""Attributes of real faces: as columns of embeddings, in Python, and drawn over a video."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import lance
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest

import fabnet
from fabnet.encoders.saved_probe import SavedProbe, load_probes, save_probes
from fabnet.errors import InputError
from fabnet.faces.find import crop_faces
from fabnet.reading.attributes import shipped_eyes
from fabnet.reading.overlay import draw_axes
from fabnet.video import encode
from fabnet.video.decode import Frame, read_frames, video_info
from fabnet.video.encode import VideoWriter
from fabnet.weights import shipped_models


@pytest.fixture(scope="module")
def man(smiling: Path) -> np.ndarray:
    """(192, 192, 3) uint8 RGB: he leans to the image's left, so that his head turns anticlockwise."""
    return next(frame.image for frame in read_frames(smiling) if frame.index == 118)


def save(image: np.ndarray, file: Path) -> Path:
    cv2.imwrite(str(file), image[:, :, ::-1])
    return file


def test_shipped_models_are_small() -> None:
    for folder in shipped_models().values():
        assert sum(file.stat().st_size for file in folder.iterdir()) < 40e6


def test_the_attributes_of_a_real_face_are_plausible(man: np.ndarray) -> None:
    (face,) = crop_faces(man)
    read = fabnet.attributes([face])
    points = read["landmarks68_px"][0]
    assert points.shape == (68, 2)
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    between = float(np.linalg.norm(eyes[1] - eyes[0]))
    np.testing.assert_allclose(eyes, face.landmarks5_px[:2], atol=0.25 * between)
    assert 3 < read["pose_roll_deg"][0] < 30
    assert abs(read["pose_yaw_deg"][0]) < 40
    assert read["pose_yaw_deg_pm"][0] > 0
    shares = {name: float(values[0]) for name, values in read.items() if name.startswith("expression_")}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert shares[f"expression_{read['expression'][0]}"] == max(shares.values())
    assert 0 <= read["AU12"][0] <= 1
    assert 0 <= read["smile"][0] <= 1
    assert read["in_range"][0] == (read["out_of_range"][0] == "")


def test_no_faces_have_no_attributes() -> None:
    read = fabnet.attributes([])
    assert read["landmarks68_px"].shape == (0, 68, 2)
    assert all(len(values) == 0 for values in read.values())
    with pytest.raises(InputError, match="the faces that crop_faces gives"):
        fabnet.attributes(np.zeros((3, 64, 64, 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize("file_format", ["csv", "parquet", "lance"])
def test_every_attribute_has_its_columns(man: np.ndarray, tmp_path: Path, file_format: str) -> None:
    out = tmp_path / f"faces.{file_format}"
    fabnet.embed([save(man, tmp_path / "man.png")], out, attributes=True)
    if file_format == "csv":
        table = pyarrow.csv.read_csv(out)
    else:
        table = parquet.read_table(out) if file_format == "parquet" else lance.dataset(str(out)).to_table()
    expected = {"pose_yaw_deg", "pose_yaw_deg_pm", "expression", "expression_happy", "AU12", "smile", "in_range"}
    points = {"x_67", "y_0", "landmarks68_pm_px"} if file_format == "csv" else {"landmarks68_px"}
    assert expected | points | {"frame", "time_s", "reason"} <= set(table.column_names)
    assert isinstance(table["expression"][0].as_py(), str)


def test_landmarks_move_and_grow_with_the_photo(man: np.ndarray, tmp_path: Path) -> None:
    """The tolerance, in eye distances, allows for slightly different boxes in other pictures."""

    def points(image: np.ndarray, name: str) -> np.ndarray:
        fabnet.embed([save(image, tmp_path / f"{name}.png")], tmp_path / f"{name}.parquet", attributes=True)
        return np.array(parquet.read_table(tmp_path / f"{name}.parquet")["landmarks68_px"][0].as_py()).reshape(68, 2)

    there = points(man, "there")
    between = float(np.linalg.norm(there[36] - there[45]))
    moved = cv2.copyMakeBorder(man, 40, 0, 70, 0, cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(points(moved, "moved"), there + (70, 40), atol=0.15 * between)
    large = cv2.resize(man, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(points(large, "large"), 2 * there, atol=0.3 * between)


@pytest.fixture(scope="module")
def tracked(second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("store") / "tracks.lance"
    fabnet.track(second, out, fps="all", num_workers=0)
    return out


def columns_of(table: pa.Table) -> pa.Table:
    return table.select([field.name for field in shipped_eyes().reader.fields()])


def test_a_store_has_the_same_attributes_for_every_model_and_as_in_read(
    tracked: Path, tiny_run: Path, tmp_path: Path
) -> None:
    tables = []
    for model in ("small", str(tiny_run), "pixels"):
        fabnet.embed([tracked], tmp_path / "faces.parquet", model=model, attributes=True)
        tables.append(columns_of(parquet.read_table(tmp_path / "faces.parquet")))
    tables.append(columns_of(fabnet.read([tracked])))
    for table in tables[1:]:
        for name in table.column_names:
            one, other = (each[name].combine_chunks() for each in (tables[0], table))
            if pa.types.is_fixed_size_list(one.type):
                one, other = one.flatten(), other.flatten()
            if pa.types.is_floating(one.type):
                np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-3, rtol=1e-4)
            else:
                assert one.to_pylist() == other.to_pylist()


def test_a_face_has_nearly_the_same_attributes_in_a_video_and_in_its_store(
    second: Path, tracked: Path, tmp_path: Path
) -> None:
    yaws = []
    for source in (second, tracked):
        fabnet.embed([source], tmp_path / "faces.parquet", attributes=True)
        yaws.append(np.asarray(parquet.read_table(tmp_path / "faces.parquet")["pose_yaw_deg"]))
    assert np.abs(yaws[0] - yaws[1]).mean() < 1


def test_a_picture_taken_as_a_crop_need_not_be_square(man: np.ndarray, tmp_path: Path) -> None:
    (face,) = crop_faces(man)
    there = fabnet.attributes([face])["landmarks68_px"][0]
    between = float(np.linalg.norm(there[36] - there[45]))
    x0, y0, x1, y1 = np.clip(face.crop_box_px, 0, None).astype(int)
    for name, image, left in (("tall", man[:, x0:x1], x0), ("wide", man[y0:y1], 0)):
        fabnet.embed([save(image, tmp_path / "man.png")], tmp_path / f"{name}.parquet", attributes=True, crop="none")
        row = parquet.read_table(tmp_path / f"{name}.parquet").to_pylist()[0]
        points = np.array(row["landmarks68_px"]).reshape(68, 2) + (left, y0 if name == "wide" else 0)
        np.testing.assert_allclose(points, there, atol=0.15 * between)


def test_attributes_do_not_change_the_embeddings(tracked: Path, tmp_path: Path) -> None:
    found = []
    for attributes in (False, True):
        fabnet.embed([tracked], tmp_path / "faces.npy", attributes=attributes)
        found.append(np.load(tmp_path / "faces.npy"))
    np.testing.assert_array_equal(*found)


def test_a_dataset_says_what_made_it(man: np.ndarray, tmp_path: Path) -> None:
    photo = save(man, tmp_path / "man.png")
    fabnet.embed([photo], tmp_path / "a.parquet", attributes=True)
    reader = shipped_eyes().reader
    told = parquet.read_schema(tmp_path / "a.parquet").metadata
    assert told[b"fabnet.version"] == fabnet.__version__.encode()
    assert told[b"fabnet.attributes"] == reader.version.encode()
    assert told[b"fabnet.attributes_model_digest"] == reader.model.encode()
    assert told[b"fabnet.crop"] == b"detector"
    assert json.loads(told[b"fabnet.options"])["detector"] == "yunet"
    fabnet.embed([photo], tmp_path / "b.parquet", crop="none")
    told = parquet.read_schema(tmp_path / "b.parquet").metadata
    assert told[b"fabnet.crop"] == b"none"
    assert b"fabnet.attributes" not in told
    fabnet.read_to([photo], tmp_path / "c.parquet")
    told = parquet.read_schema(tmp_path / "c.parquet").metadata
    assert (told[b"fabnet.model"], told[b"fabnet.crop"]) == (b"base", b"canonical")
    assert (told[b"fabnet.model_digest"], told[b"fabnet.attributes"]) == (
        reader.model.encode(), reader.version.encode(),
    )  # fmt: skip
    assert json.loads(told[b"fabnet.options"])["search_every"] == 1.0


def test_a_reader_of_another_encoder_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in shipped_models()["base"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"window": [0.5, 0.5, 0.6]}))
    with pytest.raises(InputError, match=r"reader\.safetensors was fitted on another encoder"):
        fabnet.load(folder).required_reader()


@pytest.mark.parametrize(
    ("kind", "columns", "shapes"),
    [
        ("values", ("a", "b"), {"intercept": 3}),
        ("values", ("a", "b"), {"scale": 3}),
        ("values", ("a", "b", "c"), {}),
        ("points", ("x0", "y0", "x1"), {}),
        ("classes", (), {}),
    ],
)
def test_a_probe_whose_arrays_do_not_fit_its_columns_is_refused(
    kind: str, columns: tuple[str, ...], shapes: dict[str, int], tmp_path: Path
) -> None:
    count = 2 if kind == "values" else len(columns)
    scale, centre, intercept = (np.zeros(shapes.get(name, count)) for name in ("scale", "centre", "intercept"))
    probe = SavedProbe("odd", kind, columns, scale, centre, np.zeros((256, count)), intercept, "given", "")
    save_probes([probe], tmp_path / "odd.safetensors")
    with pytest.raises(InputError, match=f"is corrupt: probe 0 is of kind '{kind}', with {len(columns)} columns"):
        load_probes(tmp_path / "odd.safetensors")


def short_clip(smiling: Path, file: Path, count: int = 8) -> Path:
    with VideoWriter(file, fps=25) as writer:
        for frame in read_frames(smiling):
            if frame.index < count:
                writer.write(frame)
    return file


@pytest.mark.parametrize("fps", [None, 8])
def test_an_overlay_is_the_video_drawn_on(smiling: Path, tmp_path: Path, fps: float | None) -> None:
    clip = short_clip(smiling, tmp_path / "clip.mp4")
    result = fabnet.embed([clip], tmp_path / "out.csv", attributes=True, overlay=tmp_path / "over.mp4", fps=fps)
    before, after = list(read_frames(clip)), list(read_frames(tmp_path / "over.mp4"))
    assert result.overlay == tmp_path / "over.mp4"
    assert result.rows == (8 if fps is None else 2)
    assert len(after) == len(before) == 8
    assert [frame.time_s for frame in after] == pytest.approx([frame.time_s for frame in before], abs=1e-3)
    for drawn, plain in zip(after, before, strict=True):
        assert drawn.image.shape == plain.image.shape
        changed = np.abs(drawn.image.astype(int) - plain.image).max(axis=2)
        x0, y0, x1, y1 = crop_faces(plain.image)[0].box_px.astype(int)
        assert (changed[y0:y1, x0:x1] > 60).mean() > 0.05
        assert (changed[:, :30] > 60).mean() < 0.005  # far from the face
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.csv", "over.mp4"]


def test_overlays_that_cannot_be_drawn_are_refused(smiling: Path, man: np.ndarray, tmp_path: Path) -> None:
    photo = save(man, tmp_path / "man.png")
    clip = short_clip(smiling, tmp_path / "clip.mp4", 2)
    content = clip.read_bytes()
    for inputs, over, options, said in (
        ([photo], "over.mp4", {"attributes": True}, "drawn on a video; man.png is not one"),
        ([clip], "over.avi", {"attributes": True}, "is an .mp4 file"),
        ([clip], "clip.mp4", {"attributes": True}, "is an .mp4 file beside the video"),
        ([clip], "over.mp4", {}, "nothing to draw on an overlay: give --attributes"),
    ):
        with pytest.raises(InputError, match=said):
            fabnet.embed(inputs, tmp_path / "out.csv", overlay=tmp_path / over, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"out\.mp4 is also the overlay"):
        fabnet.embed([clip], tmp_path / "out.mp4", attributes=True, overlay=tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "man.png"]
    assert clip.read_bytes() == content


@pytest.mark.parametrize(("encoders", "size"), [(("libx264", "mpeg4"), (63, 47)), (("mpeg4",), (64, 48))])
def test_a_video_is_written_at_its_size_and_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoders: tuple[str, ...], size: tuple[int, int]
) -> None:
    monkeypatch.setattr(encode, "ENCODERS", encoders)
    width, height = size
    times = [0.0, 0.04, 0.1, 0.3]
    monkeypatch.chdir(tmp_path)
    with VideoWriter(Path("12:30.mp4"), fps=25) as writer:
        for index, time_s in enumerate(times):
            writer.write(Frame(index, time_s, np.full((height, width, 3), 60 * index, np.uint8)))
    frames = list(read_frames(tmp_path / "12:30.mp4"))
    info = video_info(tmp_path / "12:30.mp4")
    assert (info.width, info.height) == size
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=1e-3)
    assert [round(float(frame.image.mean()) / 60) for frame in frames] == [0, 1, 2, 3]


def test_the_axes_turn_as_the_convention_says() -> None:
    """The blue axis, z, points to where the nose does: to the image's left for yaw > 0, up for pitch > 0."""

    def ends(roll: float, pitch: float, yaw: float) -> dict[str, np.ndarray]:
        image = np.zeros((200, 200, 3), np.uint8)
        draw_axes(image, np.array([100.0, 100.0]), 80.0, np.radians([roll, pitch, yaw]))
        far = {}
        for name, channel in (("x", 0), ("y", 1), ("z", 2)):
            ys, xs = np.nonzero((image.argmax(axis=2) == channel) & (image[..., channel] > 100))
            places = np.stack([xs, ys], axis=1) - 100
            far[name] = places[np.linalg.norm(places, axis=1).argmax()] if len(places) else np.zeros(2)
        return far

    rest = ends(0, 0, 0)
    assert rest["x"][0] > 70
    assert rest["y"][1] < -70
    assert ends(0, 0, 40)["z"][0] < -40
    assert ends(0, 30, 0)["z"][1] < -30
    assert ends(20, 0, 0)["x"][1] < -20  # anticlockwise, so that the axis to the right rises
