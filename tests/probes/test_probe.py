"""The verb on real photos: scores, saved probes, and an unchanged encoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pytest
import torch

import fabnet
from fabnet.cli import main
from fabnet.encoders.saved_probe import SavedProbe, load_probes, save_probes
from fabnet.errors import InputError, ModelError
from fabnet.faces.crop import CropSpec
from fabnet.models.find_model import find_model
from fabnet.probes.probe import ProbeReport


@pytest.fixture
def scored(labelled_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ProbeReport]:
    cache = tmp_path_factory.getbasetemp() / "probe-cache"

    def score(model: Any, **options: Any) -> ProbeReport:
        table = labelled_photos / "labels.csv"
        return fabnet.probe(model, str(table), labelled_photos, cache=cache, num_workers=0, **options)

    return score


def headline(report: ProbeReport, task: str, probe: str) -> float:
    (row,) = [row for row in report.rows if (row["task"], row["probe"], row["headline"]) == (task, probe, True)]
    return float(row["value"])


def test_every_task_is_scored_by_both_probes(scored: Callable[..., ProbeReport]) -> None:
    report = scored("pixels", split="test", seeds=2)
    assert (report.protocol, report.num_faces, report.num_not_found) == ("labels.csv", 48, 0)
    probes = {(row["task"], row["probe"]) for row in report.rows}
    regressions = {(task, probe) for task in ("landmarks", "width") for probe in ("paper", "ridge")}
    assert probes == regressions | {(task, probe) for task in ("side", "high") for probe in ("paper", "logistic")}
    row = next(row for row in report.rows if row["task"] == "landmarks" and row["probe"] == "ridge")
    assert row["metric"] == "error, % of points' box side"
    assert (row["n"], row["people"]) == (8, 2)
    assert row["low"] <= row["value"] <= row["high"]
    for each in report.scored:
        assert len(each.by_seed) == (2 if each.probe == "paper" else 1)
        assert len(each.predicted) == 8


def test_informative_features_beat_uninformative_ones(scored: Callable[..., ProbeReport]) -> None:
    nothing, pixels = (scored(model, split="test", seeds=1, probe="ridge") for model in ("mean", "pixels"))
    assert headline(pixels, "landmarks", "ridge") < 0.9 * headline(nothing, "landmarks", "ridge")
    assert headline(nothing, "high", "logistic") == 50


def test_a_run_embeds_after_probing_as_before(scored: Callable[..., ProbeReport], tiny_run: Path) -> None:
    encoder = fabnet.load(tiny_run, backend="torch")
    images = list(np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8))
    before = encoder.embed(images)
    scored(encoder, split="test", seeds=1)
    np.testing.assert_array_equal(encoder.embed(images), before)


def test_batch_norms_are_unchanged_by_probing(scored: Callable[..., ProbeReport]) -> None:
    encoder = fabnet.load("random")
    cells = [cell.cell_contents for cell in encoder._encode.__closure__ or ()]
    (network,) = [each for each in cells if isinstance(each, torch.nn.Module)]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    scored(encoder, split="test", seeds=1)
    assert not network.training
    after = network.state_dict()
    assert any("running_mean" in name for name in after)
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


def test_a_saved_probe_reads_new_photos(
    scored: Callable[..., ProbeReport], labelled_photos: Path, tiny_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "probes.safetensors"
    report = scored(tiny_run, split="test", seeds=1, save=file)
    assert {probe.task: probe.kind for probe in load_probes(file)} == {
        "landmarks": "points", "side": "classes", "high": "units", "width": "values",
    }  # fmt: skip
    tested = [f"{number}.png" for number in range(48) if number % 12 >= 10]
    fabnet.embed([labelled_photos / name for name in tested], tmp_path / "out.csv", model=tiny_run, probe=[file])
    table = pyarrow.csv.read_csv(tmp_path / "out.csv").to_pydict()
    by_task = {each.task: each for each in report.scored if each.probe != "paper"}
    points = np.array([[table[f"landmarks_{axis}{i}"][row] for i in range(5) for axis in "xy"] for row in range(8)])
    # The scored probe was fitted on the same faces, so both must agree on faces that neither saw.
    np.testing.assert_allclose(points, by_task["landmarks"].predicted, atol=0.05)
    np.testing.assert_allclose(table["width"], by_task["width"].predicted[:, 0], rtol=1e-3)
    labels = pyarrow.csv.read_csv(labelled_photos / "labels.csv").to_pydict()
    is_training = np.array(labels["split"]) != "test"
    high, left = (
        np.mean(np.array(labels["high"])[is_training]),
        np.mean(np.array(labels["side"])[is_training] == "left"),
    )
    logits = by_task["high"].predicted[:, 0] + np.log(high / (1 - high))
    np.testing.assert_allclose(table["high"], 1 / (1 + np.exp(-logits)), atol=1e-3)
    sides = by_task["side"].predicted + np.log([left, 1 - left])
    assert table["side"] == [("left", "right")[row.argmax()] for row in sides]
    np.testing.assert_allclose(np.array(table["side_left"]) + np.array(table["side_right"]), 1, atol=1e-5)


def test_a_probe_of_another_encoder_is_refused(
    scored: Callable[..., ProbeReport], labelled_photos: Path, tiny_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "probes.safetensors"
    scored(tiny_run, split="test", seeds=1, probe="ridge", save=file)
    with pytest.raises(InputError, match="was fitted on another encoder than --model"):
        fabnet.embed([labelled_photos / "0.png"], tmp_path / "out.csv", model="small", probe=[file])
    with pytest.raises(InputError, match="is predicted twice"):
        fabnet.embed([labelled_photos / "0.png"], tmp_path / "out.csv", model=tiny_run, probe=[file, file])
    assert not (tmp_path / "out.csv").exists()


def test_files_without_probes_are_reported(tmp_path: Path, tiny_run: Path) -> None:
    with pytest.raises(InputError, match="no such probe file"):
        load_probes(tmp_path / "none")
    (tmp_path / "junk").write_bytes(b"\x08\0\0\0\0\0\0\0{}      junk")
    with pytest.raises(InputError, match="junk"):
        load_probes(tmp_path / "junk")
    weights = next(tiny_run.rglob("model.safetensors"))
    with pytest.raises(InputError, match="contains no probes"):
        load_probes(weights)


def test_a_probe_is_saved_without_test_people(labelled_photos: Path, tiny_run: Path, tmp_path: Path) -> None:
    text = (labelled_photos / "labels.csv").read_text().replace(",test,", ",val,")
    (tmp_path / "own.csv").write_text(text)
    file = tmp_path / "probes.safetensors"
    fabnet.probe(
        tiny_run,
        str(tmp_path / "own.csv"),
        labelled_photos,
        probe="ridge",
        cache=tmp_path,
        save=file,
        num_workers=0,
    )
    assert [probe.source for probe in load_probes(file)] == ["own.csv, 48 faces"] * 4


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("score", "predicts score, which is a column of embeddings"),
        ("thumbnail", "predicts thumbnail, which is a column of embeddings"),
        ("rank", "predicts rank, which is a column of embeddings"),
        ("e0", "predicts e0, which is a column of embeddings"),
        ("box_x0", "predicts box_x0, which is a column of embeddings"),
        ("landmarks_x0", "landmarks_x0 is predicted twice"),
        ("au.12", "predicts 'au.12', which cannot be the name of a column"),
        ("a`b", "predicts 'a`b', which cannot be the name of a column"),
        ("", "predicts '', which cannot be the name of a column"),
    ],
)
def test_a_label_that_is_not_a_valid_column_is_refused_by_embed(
    labelled_photos: Path, tmp_path: Path, label: str, said: str
) -> None:
    def kept(task: str, kind: str, columns: tuple[str, ...]) -> SavedProbe:
        zeros = np.zeros(len(columns), np.float32)
        return SavedProbe(task, kind, columns, zeros, zeros, np.zeros((256, len(columns))), zeros, "given", "nothing")

    file = tmp_path / "probes.safetensors"
    save_probes([kept("landmarks", "points", ("x0", "y0")), kept(label, "values", (label,))], file)
    with pytest.raises(InputError, match=said):
        fabnet.embed([labelled_photos / "0.png"], tmp_path / "out.csv", model="small", probe=[file])


def test_a_class_that_is_not_a_valid_column_is_refused_before_its_probe_is_fitted(
    labelled_photos: Path, tiny_run: Path, tmp_path: Path
) -> None:
    text = (labelled_photos / "labels.csv").read_text().replace("left", "Mr. Left")
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(InputError, match=r"predicts 'side_Mr\. Left', .*rename this label, or the class in it"):
        fabnet.probe(tiny_run, str(tmp_path / "own.csv"), labelled_photos, save=tmp_path / "own.safetensors")


def test_zero_seeds_are_refused(scored: Callable[..., ProbeReport]) -> None:
    with pytest.raises(InputError, match="seeds must be 1 or more; got 0"):
        scored("mean", seeds=0)


def test_components_of_pixels_cannot_be_saved(scored: Callable[..., ProbeReport], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="depend on components"):
        scored("pixels", seeds=1, save=tmp_path / "no")


def of_crop(tiny_run: Path, folder: Path, centre_y: float = 0.5, **crop: Any) -> Path:
    """The run's model, as if its training crops and window had been other ones."""
    shutil.copytree(find_model(tiny_run), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"crop": CropSpec(**crop).to_json(), "window": [0.5, centre_y, 0.7]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_faces_are_cut_as_the_model_was_trained(
    scored: Callable[..., ProbeReport], labelled_photos: Path, tiny_run: Path, tmp_path: Path
) -> None:
    model = of_crop(tiny_run, tmp_path / "model", shift_y=0.3)
    report = scored(model, seeds=1, save=tmp_path / "probes.safetensors")
    usual = scored(of_crop(tiny_run, tmp_path / "usual"), seeds=1)
    assert [row["value"] for row in report.rows] != [row["value"] for row in usual.rows]
    assert report.notes == usual.notes == ()
    # The probe is saved, because embed cuts faces for this model alike.
    result = fabnet.embed(
        [labelled_photos / "0.png"], tmp_path / "o.csv", model=model, probe=(tmp_path / "probes.safetensors",)
    )
    assert result.embedded == 1


def test_a_model_of_crops_of_unknown_framing_says_so(
    scored: Callable[..., ProbeReport], labelled_photos: Path, tiny_run: Path, tmp_path: Path
) -> None:
    model = of_crop(tiny_run, tmp_path / "model", framing="unknown")
    assert "ready crops of unknown framing" in scored(model, seeds=1).notes[0]
    photo = labelled_photos / "0.png"
    assert "unknown framing" in fabnet.embed([photo], tmp_path / "a.csv", model=model).notes[0]
    assert fabnet.embed([photo], tmp_path / "b.csv", model=model, crop="none").notes == []
    known = of_crop(tiny_run, tmp_path / "known", smoothing_s=0.0)
    former = of_crop(tiny_run, tmp_path / "former", 0.402, smoothing_s=0.0)  # VoxCeleb's crops, as recorded before
    assert "off the middle" in fabnet.embed([photo], tmp_path / "d.csv", model=former).notes[0]
    assert fabnet.embed([photo], tmp_path / "c.csv", model=known).notes == []


def test_networks_from_scratch_and_other_tools(scored: Callable[..., ProbeReport]) -> None:
    with pytest.raises(ModelError, match=r"did you mean scratch:vgg11\?"):
        scored("scratch:vgg12")
    with pytest.raises(ModelError, match="size is '20'; expected a whole number of pixels, 32 to 1024"):
        scored("scratch:vgg11:20")
    with pytest.raises(InputError, match="has no embedding"):
        scored("scratch:fabnet", save="x")
    report = scored("landmarks:dlib", split="test")
    (row,) = [row for row in report.rows if row["headline"]]
    assert (row["task"], row["probe"], report.embedding_dim) == ("landmarks", "none", None)
    assert row["value"] < 25  # dlib's points against MTCNN's, in per cent of their box


@pytest.mark.slow
def test_a_network_from_scratch_is_scored_like_embeddings(scored: Callable[..., ProbeReport]) -> None:
    report = scored("scratch:fabnet:32", split="test", seeds=2)
    assert {each.task for each in report.scored} == {"landmarks", "side", "high", "width"}
    assert all(len(each.by_seed) == 2 and each.chosen.startswith("epoch ") for each in report.scored)
    assert headline(report, "landmarks", "none") < 80  # 32 photos teach little more than where a face is


def test_the_command_prints_one_json_object_that_a_table_takes(
    labelled_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = [
        "probe",
        "--model",
        "mean",
        "--protocol",
        str(labelled_photos / "labels.csv"),
        "--data",
        str(labelled_photos),
    ]
    args += ["--cache", str(tmp_path), "--num-workers", "0"]
    assert main([*args, "--probe", "ridge", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["protocol"], found["split"], found["model"]) == ("labels.csv", "val", "mean")
    assert found["embedding_dim"] == 1
    assert {"task", "metric", "value", "low", "high", "n", "people", "probe", "headline"} == set(found["results"][0])
    assert main([*args, "--probe", "paper"]) == 0
    assert "landmarks" in capsys.readouterr().out
