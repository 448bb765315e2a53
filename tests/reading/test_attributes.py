"""The shipped probes on a real face: as columns, in Python, and drawn over a video."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import lance
import numpy as np
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest

import fabnet
from fabnet.cli import main
from fabnet.encoders.load_encoder import carried_probes
from fabnet.encoders.saved_probe import SavedProbe, load_probes, save_probes
from fabnet.errors import InputError, ModelError
from fabnet.faces.find import crop_faces
from fabnet.models.model_folder import PROBES_FILE
from fabnet.reading.overlay import draw_axes
from fabnet.video import encode
from fabnet.video.decode import Frame, read_frames, video_info
from fabnet.video.encode import VideoWriter
from fabnet.weights import shipped_models

TASKS = {"landmarks68", "pose", "mouth", "eyes", "landmarks5", "smile", "expression", "units"}


@pytest.fixture(scope="module")
def man(carphone: Path) -> np.ndarray:
    """(144, 192, 3) uint8 RGB: he leans to the image's left, so that his head turns anticlockwise."""
    return next(read_frames(carphone)).image


def save(image: np.ndarray, file: Path) -> Path:
    cv2.imwrite(str(file), image[:, :, ::-1])
    return file


def test_the_shipped_probes_belong_to_the_shipped_encoder_and_have_scores() -> None:
    folder = shipped_models()["small"]
    probes = carried_probes("small")
    assert {probe.task for probe in probes} == TASKS
    for probe in probes:
        (headline,) = [row for row in probe.scores if row["headline"]]
        assert headline["low"] < headline["value"] < headline["high"]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 40e6


def test_the_attributes_of_a_real_face_are_plausible(man: np.ndarray) -> None:
    encoder = fabnet.load("small")
    (face,) = crop_faces(man)
    read = encoder.attributes(encoder.embed([face.image]), [face.crop_box_px])
    points = read["landmarks68_px"][0]
    assert points.shape == (68, 2)
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    between = float(np.linalg.norm(eyes[1] - eyes[0]))
    np.testing.assert_allclose(eyes, face.landmarks5_px[:2], atol=0.25 * between)
    np.testing.assert_allclose(read["landmarks5_px"][0], face.landmarks5_px, atol=0.35 * between)
    assert 3 < read["pose_roll_deg"][0] < 30
    assert abs(read["pose_yaw_deg"][0]) < 40
    shares = [read[f"expression_{name}"][0] for name in ("neutral", "happy", "surprise", "sad", "anger", "disgust")]
    rare = [read["expression_fear"][0], read["expression_contempt"][0]]
    assert sum(shares) + sum(rare) == pytest.approx(1, abs=1e-5)
    assert read[f"expression_{read['expression'][0]}"][0] == max(*shares, *rare)
    assert 0 <= read["units_AU12"][0] <= 1
    assert 0 <= read["smile"][0] <= 1
    assert -0.05 < read["mouth_opening"][0] < 0.4
    assert 0 < read["eyes_opening"][0] < 0.15


def test_a_photo_without_a_face_has_columns_without_rows() -> None:
    encoder = fabnet.load("small")
    read = encoder.attributes(encoder.embed([]), [])
    assert read["landmarks68_px"].shape == (0, 68, 2)
    assert all(len(values) == 0 for values in read.values())


@pytest.mark.parametrize("file_format", ["csv", "parquet", "lance"])
def test_every_attribute_has_its_columns(man: np.ndarray, tmp_path: Path, file_format: str) -> None:
    out = tmp_path / f"faces.{file_format}"
    fabnet.embed([save(man, tmp_path / "man.png")], out, attributes=True)
    if file_format == "csv":
        table = pyarrow.csv.read_csv(out)
    else:
        table = parquet.read_table(out) if file_format == "parquet" else lance.dataset(str(out)).to_table()
    expected = {
        "pose_yaw_deg",
        "expression",
        "expression_happy",
        "units_AU12",
        "smile",
        "mouth_opening",
        "eyes_opening",
    }
    points = {"landmarks68_x67", "landmarks68_y67", "landmarks5_y4"} if file_format == "csv" else {"landmarks68_px"}
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


def test_a_model_without_probes_explains_how_to_fit_some(
    tiny_run: Path, carphone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["embed", str(carphone), "--model", str(tiny_run), "--attributes", "--out", str(tmp_path / "out.csv")]
    assert main(args) == 6
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert "fabnet probe --save mine.safetensors" in said
    assert not list(tmp_path.iterdir())
    with pytest.raises(ModelError, match="has no probes"):
        fabnet.load("pixels").attributes(np.zeros((1, 3)), [np.array([0, 0, 1, 1])])


def test_probes_of_another_encoder_are_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in shipped_models()["small"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"window": [0.5, 0.5, 0.6]}))
    with pytest.raises(InputError, match=f"{PROBES_FILE} was fitted on another encoder"):
        fabnet.load(folder).required_probes()


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


def short_clip(carphone: Path, file: Path, count: int = 8) -> Path:
    with VideoWriter(file, fps=25) as writer:
        for frame in read_frames(carphone):
            if frame.index < count:
                writer.write(frame)
    return file


@pytest.mark.parametrize("fps", [None, 8])
def test_an_overlay_is_the_video_drawn_on(carphone: Path, tmp_path: Path, fps: float | None) -> None:
    clip = short_clip(carphone, tmp_path / "clip.mp4")
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


def test_overlays_that_cannot_be_drawn_are_refused(carphone: Path, man: np.ndarray, tmp_path: Path) -> None:
    photo = save(man, tmp_path / "man.png")
    clip = short_clip(carphone, tmp_path / "clip.mp4", 2)
    content = clip.read_bytes()
    for inputs, over, options, said in (
        ([photo], "over.mp4", {"attributes": True}, "drawn on one video; got 1 inputs, the first man.png"),
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
