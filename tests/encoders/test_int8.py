"""Encoders in int8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.cli.export import show
from fabnet.encoders.digest import model_digest
from fabnet.encoders.export import export
from fabnet.encoders.int8 import parity
from fabnet.errors import InputError
from fabnet.faces.window import decode_jpeg
from fabnet.store.track_store import open_store


@pytest.fixture(scope="module")
def int8(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("int8") / "encoder.onnx"
    result = export("small", out, int8=store)
    assert (result["precision"], result["calibrated_on"], result["compared_on"]) == ("int8", 20, 20)
    assert result["cosine"] > 0.999
    assert result["lowest_cosine"] > 0.99
    return out


def test_embeddings_are_close_to_the_originals(int8: Path, store: Path) -> None:
    encoder = fabnet.load(int8)
    assert (encoder.backend, encoder.precision) == ("onnx", "int8")
    images = [decode_jpeg(data)[:, :, ::-1] for data in open_store(store).read_images(range(60))]
    found = parity(fabnet.load("small").embed(images), encoder.embed(images))
    assert found["cosine"] > 0.999
    assert found["centred_cosine"] > 0.98
    assert int8.stat().st_size < 0.6 * (Path(fabnet.__file__).parent / "weights/small/encoder.onnx").stat().st_size


def test_the_digest_differs_from_the_originals(int8: Path) -> None:
    assert model_digest(int8) != model_digest("small")


def test_it_is_used_like_any_other_model(int8: Path, store: Path, tmp_path: Path) -> None:
    result = fabnet.embed([store], tmp_path / "out.npy", model=int8)
    assert (result.embedded, result.precision) == (60, "int8")
    assert np.load(tmp_path / "out.npy").shape == (60, 256)


def test_the_verb_calibrates_on_a_folder_and_reports(
    tiny_run: Path, frames_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["export", str(tiny_run), "--out", str(tmp_path / "a" / "encoder.onnx"), "--int8", str(frames_folder)]
    assert main([*args, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["calibrated_on"] == said["compared_on"] == 30
    assert said["cosine"] > 0.99
    show(said)
    assert "on 30 crops; int8, calibrated on 30 others" in capsys.readouterr().out


def test_too_few_crops_are_refused_and_nothing_is_written(tmp_path: Path, frames_folder: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "face.jpg").write_bytes((frames_folder / "person0" / "0" / "0.jpg").read_bytes())
    with pytest.raises(InputError, match="has 1 readable face crops; int8 needs 8 or more"):
        export("small", tmp_path / "out" / "encoder.onnx", int8=folder)
    with pytest.raises(InputError, match="no such file or folder"):
        export("small", tmp_path / "out" / "encoder.onnx", int8=tmp_path / "none")
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_reported(frames_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "onnx.py").write_text("raise ImportError('not installed')")
    code = "import sys; from fabnet.cli import main; sys.exit(main(sys.argv[1:]))"
    args = ["export", "small", "--out", str(tmp_path / "out.onnx"), "--int8", str(frames_folder)]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 9
    assert done.stderr.strip().splitlines()[-1] == (
        "fabnet export: the export needs onnx and onnxscript: pip install 'fabnet[export]'"
    )


def test_centred_parity_counts_only_differences_between_faces() -> None:
    exact = np.array([[10.0, 1.0], [10.0, -1.0]])
    assert parity(exact, exact) == {
        "cosine": 1.0, "lowest_cosine": 1.0, "centred_cosine": 1.0, "max_difference": 0.0,
    }  # fmt: skip
    turned = parity(exact, exact[::-1])
    assert turned["cosine"] > 0.98
    assert turned["centred_cosine"] == -1.0
