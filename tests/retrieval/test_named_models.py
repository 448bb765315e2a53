"""A dataset cannot choose what is opened or downloaded: the model that it names is used only if that is safe."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import fabnet
from fabnet.errors import FabnetError, InputError, ModelError
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.query import model_of
from fabnet.training.train import read_run, store_of


def naming(dataset: Path, out: Path, **metadata: str) -> Gallery:
    """Copy a dataset with other metadata."""
    import lance

    table = lance.dataset(str(dataset)).to_table()
    said = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()} | metadata
    lance.write_dataset(pa.table(table.columns, schema=table.schema.with_metadata(said)), str(out))
    return Gallery(out)


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise AssertionError(f"asked for {given}")

    for name in ("fabnet.models.find_model.download", "fabnet.encoders.load_encoder.load_baseline"):
        monkeypatch.setattr(name, fail)


@pytest.mark.usefixtures("nothing_is_loaded")
@pytest.mark.parametrize(
    "name",
    ["hf:evil/model", "timm:hf-hub:evil/model", "timm:resnet18", "vgg-face:/etc/passwd", "s3://evil/model", "gs://a/b",
     "/etc", "../elsewhere", "random:7:8", "http://evil/", "{elsewhere}"],
)  # fmt: skip
def test_a_model_elsewhere_is_not_opened(name: str, faces: Path, photo: Path, tiny_run: Path, tmp_path: Path) -> None:
    place = tmp_path / "a" / "faces.lance"
    place.parent.mkdir()
    shutil.copytree(tiny_run, tmp_path / "elsewhere")
    gallery = naming(faces, place, **{"fabnet.model": name.format(elsewhere=tmp_path / "elsewhere")})
    with pytest.raises(ModelError, match="give it with --model, if you trust it"):
        model_of(gallery)
    with pytest.raises(ModelError, match="give it with --model, if you trust it"):
        fabnet.search(place, photo, k=1)


def test_a_model_beside_the_dataset_is_used_if_its_digest_fits(
    faces: Path, photo: Path, tiny_run: Path, tmp_path: Path
) -> None:
    place = tmp_path / "moved" / "faces.lance"
    shutil.copytree(faces, place)
    with pytest.raises(ModelError, match="give it with --model, if you trust it"):
        fabnet.search(place, photo, k=1, crop="none")
    assert fabnet.search(place, photo, k=1, crop="none", model=tiny_run).neighbours
    shutil.copytree(tiny_run, tmp_path / "moved" / "run")
    assert fabnet.search(place, photo, k=1, crop="none").neighbours
    shutil.rmtree(tmp_path / "moved" / "run")
    (tmp_path / "moved" / "run").symlink_to(tiny_run)
    with pytest.raises(ModelError, match="give it with --model, if you trust it"):
        fabnet.search(place, photo, k=1, crop="none")


def test_a_model_beside_the_dataset_with_another_digest_is_not_used(
    faces: Path, tiny_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    gallery = naming(faces, tmp_path / "faces.lance", **{"fabnet.model_digest": "0" * 64})
    with pytest.raises(ModelError, match="give it with --model, if you trust it"):
        model_of(gallery)


def test_shipped_models_and_light_baselines_are_used(faces: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("small", "pixels", "random:7")):
        assert model_of(naming(faces, tmp_path / f"{number}.lance", **{"fabnet.model": name})) == name


def test_a_run_cannot_make_fabnet_read_a_bucket(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    _, named = read_run(tiny_run)
    config.write_text(config.read_text().replace(named, "s3://evil/store"))
    monkeypatch.setattr("fabnet.files.places._check", lambda *given: pytest.fail("a bucket was asked"))
    assert fabnet.info(tmp_path / "run")["store"] == "s3://evil/store"
    with pytest.raises(InputError, match="s3://evil/store, which is read only for a run in the same bucket"):
        store_of(tmp_path / "run", "s3://evil/store")
    with pytest.raises(FabnetError):
        fabnet.report(tmp_path / "run")


@pytest.mark.parametrize("name", ["/etc/hostname", "../../secret.png", "link.png"])
def test_labels_name_only_pictures_of_their_folder(name: str, photo: Path, tmp_path: Path) -> None:
    data = tmp_path / "a" / "data"
    data.mkdir(parents=True)
    shutil.copyfile(photo, tmp_path / "secret.png")
    shutil.copyfile(photo, data / "own.png")
    (data / "link.png").symlink_to(tmp_path / "secret.png")
    table = tmp_path / "labels.csv"
    table.write_text(f"path,smile\nown.png,1\n{name},2\n")
    benchmark = read_benchmark(str(table), data)
    assert benchmark.images == [data / "own.png"]
    assert [(file, "leads out of" in reason) for file, reason in benchmark.left_out] == [(name, True)]
    table.write_text(f"path,smile\n{name},2\n")
    with pytest.raises(InputError, match="which is not in"):
        read_benchmark(str(table), data)
    table.write_text("path,smile\nown.png,1\n")
    assert len(read_benchmark(str(table), data).images) == 1
