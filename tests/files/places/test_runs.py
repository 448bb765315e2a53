"""Runs in an object store: trained, killed, resumed and used."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import lance
import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.encoders.export import export
from fabnet.errors import InputError, NoFaceError
from fabnet.files.places import as_place, fetched, send
from fabnet.models.find_model import list_checkpoints
from fabnet.training.run_log import read_metrics
from fabnet.training.train import read_run, train

SMALL: dict[str, Any] = {
    "size": 32, "width": 4, "embedding_dim": 16, "batch_size": 8, "schedule": "plateau", "num_val_pairs": 8,
    "validate_every": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def same_store(bucket: str, store: Path) -> str:
    """An exact copy of the local store in the bucket."""
    send(store, as_place(f"{bucket}/same.lance"))
    return f"{bucket}/same.lance"


@pytest.fixture(scope="module")
def local_run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("local") / "run"
    train(store, run, **SMALL, max_steps=6, num_workers=0)
    return run


@pytest.fixture(scope="module")
def run(bucket: str, same_store: str) -> str:
    """Killed after its first checkpoint."""
    uri = f"{bucket}/runs/one"
    flags = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "fabnet", "train", same_store, "--out", uri, *flags, "--num-workers", "0"]
    process = subprocess.Popen([*command, "--max-steps", "100000"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not list_checkpoints(as_place(uri)):
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    return uri


def weights(checkpoint: Path) -> dict[str, bytes]:
    names = ("model.safetensors", "optimizer.safetensors", "config.json")
    return {name: (checkpoint / name).read_bytes() for name in names}


def timeless(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k not in ("pairs_per_s", "elapsed_s")} for row in rows]


def test_a_remote_run_equals_a_local_run(bucket: str, same_store: str, local_run: Path) -> None:
    uri = f"{bucket}/runs/whole"
    result = train(same_store, uri, **SMALL, max_steps=6, num_workers=1)
    assert str(result.model).startswith(f"{uri}/checkpoints/step-")
    here, there = list_checkpoints(local_run), list_checkpoints(as_place(uri))
    assert [each.name for each in here] == [each.name for each in there]
    assert [weights(each) for each in here] == [weights(each) for each in there]
    assert timeless(read_metrics(as_place(uri))) == timeless(read_metrics(local_run))
    assert [file for file in (as_place(uri) / "tensorboard").iterdir() if file.name.startswith("events")]
    config = (as_place(uri) / "config.json").read_text()
    assert json.loads(config)["store"] == same_store
    assert "a-secret" not in config
    assert "a-key-id" not in config
    with pytest.raises(InputError, match="already contains a run"):
        train(same_store, uri, **SMALL, max_steps=6)


def test_a_killed_run_resumes_bit_for_bit(run: str, same_store: str, store: Path, tmp_path: Path) -> None:
    place = as_place(run)
    end = int(list_checkpoints(place)[-1].name.removeprefix("step-")) + 4
    for step in (end - 2, end - 1):
        half = place / "checkpoints" / f"step-{step:08d}"
        (half / "model.safetensors").write_bytes(b"as far as it was sent")
        assert half not in list_checkpoints(place)
    assert main(["train", same_store, "--out", run, "--resume", "--max-steps", str(end), "--num-workers", "0"]) == 0
    train(store, tmp_path / "whole", **SMALL, max_steps=end, num_workers=0)
    assert weights(list_checkpoints(place)[-1]) == weights(list_checkpoints(tmp_path / "whole")[-1])
    assert not half.exists()
    assert [row["step"] for row in read_metrics(place)] == list(range(2, end + 1, 2))
    assert fabnet.info(run)["step"] == end
    assert str(read_run(place)[1]) == same_store


def rows_of(dataset: str | Path) -> list[dict[str, Any]]:
    return list(lance.dataset(str(dataset)).to_table().to_pylist())


def test_remote_embedding_and_search_equal_local_ones(
    bucket: str, run: str, same_store: str, store: Path, tmp_path: Path
) -> None:
    model = fetched(list_checkpoints(as_place(run))[-1])
    uri = f"{bucket}/faces.lance"
    for _ in range(2):  # made, then replaced
        assert main(["embed", same_store, "--model", str(model), "--out", uri]) == 0
    fabnet.embed([store], tmp_path / "faces.lance", model=model)
    there, here = rows_of(uri), rows_of(tmp_path / "faces.lance")
    assert len(there) == 60
    for row, other in zip(there, here, strict=True):
        assert np.array_equal(row.pop("embedding"), other.pop("embedding"))
        assert row == other
    assert fabnet.verify(uri).problem is None
    sheet = as_place(f"{bucket}/sheet.png")
    found = fabnet.search(uri, "person0/0/0/0", k=3, other_identities=True, sheet=sheet)
    expected = fabnet.search(tmp_path / "faces.lance", "person0/0/0/0", k=3, other_identities=True)
    assert found.neighbours == expected.neighbours
    assert cv2.imdecode(np.frombuffer(sheet.read_bytes(), np.uint8), cv2.IMREAD_COLOR) is not None
    assert main(["embed", same_store, "--model", run, "--out", f"{bucket}/faces.csv"]) == 0
    with (as_place(f"{bucket}/faces.csv")).open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == 60


def test_remote_embedding_on_ray_equals_local_one(bucket: str, second: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    options = ["--precision", "float32", "--fps", "5"]
    assert main(["embed", str(second), "--out", f"{bucket}/ray.lance", "--engine", "ray", *options]) == 0
    assert main(["embed", str(second), "--out", str(tmp_path / "here.lance"), *options]) == 0
    there, here = rows_of(f"{bucket}/ray.lance"), rows_of(tmp_path / "here.lance")
    assert len(there) == len(here) > 0
    for row, other in zip(there, here, strict=True):
        np.testing.assert_allclose(row.pop("embedding"), other.pop("embedding"), atol=1e-4)
        assert row == other
    names = {entry.name for entry in as_place(f"{bucket}/ray.lance").iterdir()}
    assert names == {"_transactions", "_versions", "data"}


def test_a_failed_embedding_leaves_nothing(bucket: str, run: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64, 3), 128, np.uint8))
    for name in ("nothing.lance", "nothing.csv"):
        with pytest.raises(NoFaceError):
            fabnet.embed([tmp_path / "grey.png"], f"{bucket}/{name}", model=run)
        assert not as_place(f"{bucket}/{name}").exists()
    as_place(f"{bucket}/album/a.jpg").write_bytes(b"somebody's")
    with pytest.raises(InputError, match=r"holds other files \(a.jpg"):
        fabnet.embed([tmp_path / "grey.png"], f"{bucket}/album", model=run, format="lance")
    assert as_place(f"{bucket}/album/a.jpg").exists()
    with pytest.raises(InputError, match="not a track store"):
        fabnet.embed([f"{bucket}/talk.mp4"], tmp_path / "out.csv", model=run)


def test_a_probe_is_fitted_saved_and_used_remotely(bucket: str, run: str, frames_folder: Path, tmp_path: Path) -> None:
    lines = [
        f"person{person}/0/{number}.jpg,person{person},{split},{person + number}"
        for person, split in enumerate(("train", "train", "train", "val", "val", "test"))
        for number in range(10)
    ]
    labels = as_place(f"{bucket}/labels.csv")
    labels.write_text("path,subject,split,value\n" + "\n".join(lines) + "\n")
    saved = f"{bucket}/probe.safetensors"
    report = fabnet.probe(run, str(labels), frames_folder, probe="ridge", save=saved, cache=tmp_path, num_workers=0)
    assert report.rows
    photo = frames_folder / "person0" / "0" / "0.jpg"
    fabnet.embed([photo], f"{bucket}/photo.parquet", model=run, probe=[saved])
    assert as_place(f"{bucket}/photo.parquet").read_bytes()[:4] == b"PAR1"


def test_a_report_and_exports_are_written_remotely(bucket: str, run: str, second: Path, tmp_path: Path) -> None:
    assert main(["report", run]) == 0
    page = (as_place(run) / "report" / "index.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert list((as_place(run) / "report" / "reconstructions").iterdir())
    made = export(run, f"{bucket}/onnx/encoder.onnx")
    assert made["out"] == f"{bucket}/onnx/encoder.onnx"
    crops = [np.zeros((64, 64, 3), np.uint8)]
    from_there = fabnet.load(f"{bucket}/onnx/encoder.onnx").embed(crops)
    assert np.allclose(from_there, fabnet.load(run, precision="float32").embed(crops), atol=1e-4)
    export("small", f"{bucket}/small/encoder.onnx")
    assert fabnet.load(f"{bucket}/small/encoder.onnx").reader
    assert main(["export", run, "--out", f"{bucket}/published"]) == 0
    assert fabnet.info(f"{bucket}/published")["has_onnx"]
    assert np.array_equal(fabnet.load(f"{bucket}/published").embed(crops).shape, (1, 16))
    with pytest.raises(InputError, match="is not empty"):
        export(run, f"{bucket}/published")


def test_a_remote_dataset_is_served(bucket: str, run: str, same_store: str) -> None:
    from fabnet.serving.site import open_site

    fabnet.embed([same_store], f"{bucket}/served.lance", model=run)
    site = open_site(f"{bucket}/served.lance", store=same_store)
    assert site.face_map.positions("pca").shape == (60, 2)
    assert len(list(as_place(bucket + "/x").parent.glob("served.lance.pca-*.npy"))) == 1
    removed = fabnet.remove(f"{bucket}/served.lance", ["person0"])
    assert removed.rows == 10
    assert not list(as_place(bucket + "/x").parent.glob("served.lance.pca-*.npy"))
    assert fabnet.compact(f"{bucket}/served.lance").rows == 50
