"""An encoder is taught the shipped encoder's readings of a store, and reads its own attributes from then on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

import fabnet
from fabnet.encoders.digest import model_digest
from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.encoders.face_reader import FACE, is_experimental, load_face_reader
from fabnet.encoders.load_encoder import load
from fabnet.errors import InputError, ModelError
from fabnet.ingest.import_folder import import_folder
from fabnet.models.find_model import find_model
from fabnet.reading.attributes import shipped_eyes
from fabnet.reading.canonical import MAX_LOOKS, SURE, Eyes
from fabnet.store.track_store import open_store
from fabnet.teaching.agreement import judge, marked
from fabnet.teaching.lessons import Lessons, chosen_people, lessons
from fabnet.teaching.teach import TeachResult, teach
from fabnet.video.decode import read_frames
from fabnet.weights import shipped_models
from tests.encoders.checkpoints import better_checkpoint


def store_of(folder: Path, out: Path, splits: dict[str, str], **options: Any) -> Path:
    lines = [f"{person},{split}" for person, split in splits.items()]
    file = out.with_suffix(".csv")
    file.write_text("\n".join(["identity,split", *lines]) + "\n")
    import_folder(folder, out, layout="identity/video", splits=file, num_workers=0, **options)
    return out


@pytest.fixture(scope="module")
def crops(frames_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Face crops of the clip: four "people" in train, two in val."""
    out = tmp_path_factory.mktemp("crops") / "crops.lance"
    splits = {f"person{person}": "train" if person < 4 else "val" for person in range(6)}
    return store_of(frames_folder, out, splits, crop="detect")


def own_copy(model: str, folder: Path) -> Path:
    """A shipped model as if a user had trained it: a folder without a face reader."""
    shutil.copytree(shipped_models()[model], folder)
    (folder / "reader.safetensors").unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="module")
def taught(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TeachResult]:
    """A copy of `small`, taught."""
    folder = own_copy("small", tmp_path_factory.mktemp("taught") / "mine")
    return folder, teach(folder, crops)


def test_a_model_reads_what_it_was_taught(taught: tuple[Path, TeachResult], second: Path, tmp_path: Path) -> None:
    folder, result = taught
    own, shipped = fabnet.read(second, model=folder), fabnet.read(second)
    assert set(own.schema.names) == set(shipped.schema.names)
    assert own["in_range"].to_pylist() == shipped["in_range"].to_pylist() == [True] * 10
    for name, most in (("pose_yaw_deg", 4.0), ("pose_pitch_deg", 4.0), ("mouth_opening", 0.05)):
        apart = np.abs(np.array(own[name].to_pylist()) - np.array(shipped[name].to_pylist()))
        assert 0 < apart.mean() < most, name
    metadata = {key.decode(): value.decode() for key, value in own.schema.metadata.items()}
    by = json.loads(metadata["fabnet.attributes_taught"])
    assert metadata["fabnet.model_digest"] == model_digest(folder)
    assert metadata["fabnet.attributes"].startswith("taught-")
    assert by | {"faces": 0} == {
        "by": "base", "digest": model_digest("base"), "version": shipped_eyes().reader.version,
        "store": "crops.lance", "faces": 0, "people": 4, "in_range": result.in_range,
    }  # fmt: skip
    assert b"fabnet.attributes_taught" not in shipped.schema.metadata


def test_its_embeddings_come_with_its_own_attributes(
    taught: tuple[Path, TeachResult], second: Path, tmp_path: Path
) -> None:
    folder, _ = taught
    fabnet.embed(second, tmp_path / "own.parquet", model=folder, attributes=True)
    fabnet.embed(second, tmp_path / "shipped.parquet", model="small", attributes=True)
    own, shipped = pq.read_table(tmp_path / "own.parquet"), pq.read_table(tmp_path / "shipped.parquet")
    assert own["embedding"].to_pylist() == shipped["embedding"].to_pylist()
    assert own["pose_yaw_deg"].to_pylist() != shipped["pose_yaw_deg"].to_pylist()
    read = fabnet.read(second, model=folder)
    apart = np.array(own["pose_yaw_deg"].to_pylist()) - np.array(read["pose_yaw_deg"].to_pylist())
    assert np.abs(apart).mean() < 1.5
    for key in (b"fabnet.attributes", b"fabnet.attributes_taught"):
        assert own.schema.metadata[key] == read.schema.metadata[key]
    assert own.schema.metadata[b"fabnet.attributes_model_digest"].decode() == model_digest(folder)


def test_an_upright_face_is_surely_one(taught: tuple[Path, TeachResult], second: Path) -> None:
    encoder = load(str(taught[0]))
    eyes = Eyes(encoder, encoder.required_reader())
    image = next(frame.image for frame in read_frames(second))
    (face,) = fabnet.crop_faces(image)
    settled = eyes.find([image], encoder.window.inside(face.crop_box_px[None]))
    assert settled.outputs[0, FACE] > SURE
    assert settled.num_looks <= MAX_LOOKS  # no turned windows were tried


def test_every_attribute_is_judged_on_people_held_out(taught: tuple[Path, TeachResult]) -> None:
    folder, result = taught
    reader = load_face_reader(folder / "reader.safetensors")
    assert reader.taught is not None
    assert reader.taught["agreement"] == result.agreement == json.loads(json.dumps(result.to_json()))["agreement"]
    rows = {row["attribute"]: row for row in result.agreement}
    columns = {name for task in shipped_eyes().reader.tasks if task.kind != "points" for name in task.columns}
    assert set(rows) == columns | {"landmarks68", "expression"}
    assert {row["people"] for row in rows.values()} == {2}
    assert {row["n"] for row in rows.values()} == {round(result.in_range * result.held_faces)}
    assert (result.people, result.held_people) == (4, 2)
    assert rows["pose_yaw_deg"]["value"] > 0.5
    assert rows["pose_yaw_deg"]["low"] <= rows["pose_yaw_deg"]["value"] <= rows["pose_yaw_deg"]["high"]
    assert rows["pose_yaw_deg"]["experimental"] == ""
    assert "too few with it: faces 0" in rows["expression_fear"]["experimental"]
    for field in reader.fields():
        name = "landmarks68" if field.name.startswith("landmarks68") else field.name
        if name in rows and not name.startswith("expression_") and not field.name.endswith("_pm_px"):
            assert is_experimental(field) == bool(rows[name]["experimental"]), name


def test_half_widths_are_those_of_the_teacher_and_more(taught: tuple[Path, TeachResult], second: Path) -> None:
    own, shipped = fabnet.read(second, model=taught[0]), fabnet.read(second)
    for name in ("landmarks68_pm_px", "pose_yaw_deg_pm", "pose_pitch_deg_pm", "mouth_opening_pm", "eyes_opening_pm"):
        ratio = np.mean(own[name].to_pylist()) / np.mean(shipped[name].to_pylist())
        assert 0.95 < ratio < 3, name


def test_a_run_is_taught_and_taught_again(
    tiny_run: Path, crops: Path, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabnet.teaching.fit.PENALTIES", (1e-1,))  # which saves most of the time
    run = shutil.copytree(tiny_run, tmp_path / "run")
    with pytest.raises(ModelError, match="no face reader: fabnet teach makes one"):
        fabnet.read(second, model=run)
    first = fabnet.teach(run, crops, num_threads=1)
    assert first.reader == find_model(run) / "reader.safetensors"
    taught, checkpoint = load_face_reader(first.reader), first.reader.parent

    def while_training(*args: Any, **options: Any) -> Lessons:
        made = lessons(*args, **options)
        better_checkpoint(run)  # which training writes meanwhile
        return made

    monkeypatch.setattr("fabnet.teaching.teach.lessons", while_training)
    again = fabnet.teach(run, crops, num_threads=2)
    assert (again.agreement, again.reader) == (first.agreement, first.reader)
    assert find_model(run) != checkpoint
    kept = load_face_reader(first.reader)
    assert (kept.version, kept.model) == (taught.version, model_digest(checkpoint))
    assert any(row["experimental"] for row in first.agreement)  # a network of a few steps
    table = fabnet.read(second, model=checkpoint)
    assert len(table) >= 10
    assert table.schema.metadata[b"fabnet.model_digest"].decode() == model_digest(checkpoint)
    out = tmp_path / "openface.csv"
    fabnet.read_to(second, out, model=checkpoint, columns="openface")
    assert "AU26_c" in out.read_text().split("\n")[0]


def test_experimental_attributes_move_to_tasks_of_their_own(taught: tuple[Path, TeachResult]) -> None:
    eyes = shipped_eyes()
    store = np.random.default_rng(0).normal(size=(5, len(eyes.reader.coef))).astype(np.float32)
    poor = [{"attribute": name, "experimental": "so"} for name in ("pose_pitch_deg", "AU04", "landmarks68", "smile")]
    reader = marked(eyes.reader, poor)
    assert [task.name for task in reader.tasks] == [
        "landmarks68", "pose", "pose_experimental", "openings", "smile_experimental", "expression", "units",
        "units_experimental", "units_experimental",
    ]  # fmt: skip
    boxes = np.tile(np.array([0, 0, 90, 90], np.float32), (5, 1))
    light, contrast = np.full(5, 0.5, np.float32), np.full(5, 0.2, np.float32)
    seen = EncodedFaces(store, boxes, np.zeros(5, np.float32), light, contrast, light, boxes)
    before, after = eyes.reader.columns(seen), reader.columns(seen)
    assert set(before) == set(after)
    for name, values in before.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(after[name], values, rtol=1e-4, atol=1e-3, err_msg=name)


def test_a_teacher_agrees_with_itself(crops: Path) -> None:
    eyes, store = shipped_eyes(), open_store(crops)
    judged = judge(store, chosen_people(store, ("val",), 100), eyes, eyes, num_threads=1)
    assert judged.in_range == 1.0
    rows = {row["attribute"]: row["value"] for row in judged.rows}
    assert rows["landmarks68"] == 0
    assert rows["pose_yaw_deg"] == rows["eyes_opening"] == pytest.approx(1)


def test_faces_are_chosen_evenly(crops: Path) -> None:
    store = open_store(crops)
    all_faces = chosen_people(store, ("train", "val"), 10_000)
    assert sorted(all_faces.rows.tolist()) == list(range(store.num_rows))
    known = store.read_rows(all_faces.rows, ["identity"]).column("identity").to_pylist()
    assert known == all_faces.person.tolist()
    few = chosen_people(store, ("train",), 8)
    assert {name: few.person.tolist().count(name) for name in few.person} == {
        f"person{number}": 2 for number in range(4)
    }
    assert set(chosen_people(store, ("train",), 2).person) == {"person0", "person3"}
    assert len(chosen_people(store, ("test",), 10).rows) == 0


def test_models_that_cannot_be_taught_are_refused(crops: Path, tmp_path: Path) -> None:
    kept = shutil.copytree(shipped_models()["base"], tmp_path / "kept")
    content = (kept / "reader.safetensors").read_bytes()
    for model, said in (
        ("small", "small ships with fabnet, whose attributes come from base; expected a run"),
        (shipped_models()["small"], "ships with fabnet"),
        ("pixels", "pixels is not a folder on this machine; expected a run"),
        ("hf:someone/model", "is not a folder on this machine"),
        (kept, "was fitted to labels and would be replaced"),
    ):
        with pytest.raises(InputError, match=said):
            teach(model, crops)
    with pytest.raises(ModelError, match="no model"):
        teach(tmp_path / "nothing", crops)
    assert (kept / "reader.safetensors").read_bytes() == content


def test_stores_that_cannot_teach_are_refused(frames_folder: Path, tiny_run: Path, crops: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    alone = tmp_path / "alone"
    shutil.copytree(frames_folder / "person0", alone / "ann")
    one = store_of(alone, tmp_path / "one.lance", {"ann": "train"}, crop="detect")
    with pytest.raises(InputError, match=r"no people in val or test .* It shows one person, ann\. Expected a store"):
        teach(run, one)
    with pytest.raises(InputError, match=r"[78] of 8 faces of its split train are in range.*; expected 30 or more"):
        teach(run, crops, faces=8)
    noise = tmp_path / "noise"
    rng = np.random.default_rng(0)
    for person in range(3):
        (noise / f"p{person}" / "0").mkdir(parents=True)
        for number in range(12):
            picture = cv2.resize(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8), (128, 128))
            cv2.imwrite(str(noise / f"p{person}" / "0" / f"{number}.png"), picture)
    unusable = store_of(noise, tmp_path / "noise.lance", {"p0": "train", "p1": "train", "p2": "val"})
    with pytest.raises(InputError, match=r"0 of 24 faces of its split train are in range \(\d+ \w.*; expected 30"):
        teach(run, unusable)
    assert not (find_model(run) / "reader.safetensors").exists()
    lone = {f"person{number}": "train" if number < 1 else "val" for number in range(6)}
    single = store_of(frames_folder, tmp_path / "single.lance", lone, crop="detect")
    with pytest.raises(InputError, match="in range"):
        teach(run, single)


def test_a_reader_of_another_encoder_is_refused(taught: tuple[Path, TeachResult], tmp_path: Path) -> None:
    """As after a run is trained further, its checkpoint overwritten."""
    folder = own_copy("small-paper", tmp_path / "other")
    shutil.copy(taught[0] / "reader.safetensors", folder)
    with pytest.raises(InputError, match="was fitted on another encoder"):
        assert load(folder).reader
