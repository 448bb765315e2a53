"""Answers of `serve` after another command rewrote its dataset or store."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pytest

import fabnet
from fabnet.reading.embed import embed
from fabnet.serving.site import open_site
from fabnet.store.track_store import open_store

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")

from .asking import Client


@pytest.fixture
def data(faces_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(faces_data, tmp_path / "faces.lance"))


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(store, tmp_path / "own"))


@pytest.fixture
def client(data: Path, own: Path) -> Client:
    return Client(open_site(data, store=own))


def ids(path: Path) -> list[str]:
    return list(lance.dataset(str(path)).to_table(columns=["id"]).column("id").to_pylist())


def shown(client: Client) -> list[str]:
    return [face["id"] for face in client.json("/api/v1/faces", params={"count": 200})["faces"]]


BY_ROW = ["/api/v1/faces/5", "/api/v1/faces/5/thumbnail", "/api/v1/faces/5/crop", "/api/v1/faces/5/nearest",
          "/api/v1/faces", "/api/v1/faces/mask", "/api/v1/map/pca", "/api/v1/columns/pose_yaw_deg",
          "/api/v1/compare?target=5&source=6"]  # fmt: skip


def asked(client: Client, path: str, version: str) -> int:
    return int(client.get(f"{path}{'&' if '?' in path else '?'}v={version}").status_code)


def test_a_removal_from_the_dataset_shows_with_the_next_request(client: Client, data: Path) -> None:
    version = client.json("/api/v1/dataset")["version"]
    assert all(asked(client, path, version) == 200 for path in BY_ROW[:-1])
    person = client.json("/api/v1/faces/5")["identity"]
    fabnet.remove(data, [person])
    found = client.json("/api/v1/dataset")
    assert (found["rows"], found["version"] != version) == (70, True)
    assert shown(client) == ids(data)
    assert person not in {client.json(f"/api/v1/faces/{row}")["identity"] for row in range(0, 70, 10)}
    for path in BY_ROW:  # the page's row numbers refer to other rows
        assert asked(client, path, version) == 410
        assert "was rewritten" in client.refused(path, 410, params={"v": version}) if "?" not in path else True
        assert asked(client, path, found["version"]) == 200 or "compare" in path
    assert len(client.get("/api/v1/map/pca").content) == 70 * 8
    assert [file.name for file in data.parent.glob("faces.lance.pca-*")] == [f"faces.lance.pca-{found['version']}.npy"]


def test_embedding_again_into_the_dataset(client: Client, data: Path, smiling: Path, own: Path) -> None:
    version = client.json("/api/v1/dataset")["version"]
    embed([smiling], data, fps=5)
    assert client.json("/healthz")["rows"] == 20
    assert shown(client) == ids(data)
    assert client.json("/api/v1/dataset")["attributes"] == []
    assert asked(client, "/api/v1/faces/5/thumbnail", version) == 410
    nearest = client.json("/api/v1/faces/3/nearest", params={"other_people": False})["faces"]
    assert {face["video"] for face in nearest} == {smiling.name}


def test_a_dataset_that_disappears_and_comes_back(client: Client, data: Path, tmp_path: Path) -> None:
    data.rename(tmp_path / "away")
    assert "there is no embeddings dataset at" in client.refused("/api/v1/faces/5", 400)
    (tmp_path / "away").rename(data)
    assert client.json("/healthz")["rows"] == 80


def test_a_removal_from_the_store_shows_with_the_next_request(client: Client, data: Path, own: Path) -> None:
    """The store's row numbers change; a face is found by its names, or shown as the dataset's thumbnail."""
    faces = {row: client.json(f"/api/v1/faces/{row}") for row in range(60)}
    crops = {row: client.get(f"/api/v1/faces/{row}/crop").content for row in faces}
    fabnet.remove(own, ["person0", "person3"])
    for row, face in faces.items():
        answer = client.get(f"/api/v1/faces/{row}/crop").content
        is_removed = face["identity"] in ("person0", "person3")
        thumbnail = client.get(f"/api/v1/faces/{row}/thumbnail").content
        assert answer == (thumbnail if is_removed else crops[row])
    fabnet.remove(own, ["person1", "person2", "person4", "person5"])
    assert client.get("/api/v1/faces/0/crop").content == client.get("/api/v1/faces/0/thumbnail").content
    shutil.rmtree(own)
    assert client.get("/api/v1/faces/0/crop").content == client.get("/api/v1/faces/0/thumbnail").content


def test_merging_files_and_building_an_index_keep_the_page(client: Client, data: Path, own: Path) -> None:
    def answers() -> list[Any]:
        return [client.get(path).content for path in BY_ROW[:6]]

    version, before = client.json("/api/v1/dataset")["version"], answers()
    open_store(own).append([], [])
    fabnet.compact(data)
    fabnet.compact(own)
    lance.dataset(str(data)).create_scalar_index("identity", "BITMAP", replace=True)
    fabnet.compact(data)
    assert client.json("/api/v1/dataset")["version"] == version
    assert answers() == before


def test_a_dataset_without_a_generation(data: Path) -> None:
    """Such a dataset is read again after any change."""
    table = lance.dataset(str(data)).to_table()
    metadata = {key: value for key, value in table.schema.metadata.items() if b"generation" not in key}
    table = table.replace_schema_metadata(metadata)
    shutil.rmtree(data)
    lance.write_dataset(table, str(data))
    client = Client(open_site(data))
    version = client.json("/api/v1/dataset")["version"]
    order = np.random.default_rng(0).permutation(len(table))
    lance.write_dataset(table.take(order), str(data), mode="overwrite")
    assert shown(client) == ids(data)
    assert asked(client, "/api/v1/faces/5", version) == 410
