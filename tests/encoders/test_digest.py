"""Digests of encoders: what changes them and what does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fabnet.encoders.digest import file_digest, model_digest
from fabnet.encoders.export import export
from fabnet.encoders.load_encoder import load, load_for_reading
from fabnet.errors import InputError, ModelError
from fabnet.models.find_model import find_model
from fabnet.weights import shipped_models


def test_an_exported_encoder_has_the_digest_of_its_original(tiny_run: Path, exported_run: Path) -> None:
    digest = model_digest(tiny_run)
    assert model_digest(str(exported_run / "encoder.onnx")) == digest
    assert model_digest(exported_run) == digest
    assert model_digest(str(find_model(tiny_run))) == digest
    assert model_digest("small") != digest


def test_the_window_is_part_of_an_encoder(tiny_run: Path, exported_run: Path, tmp_path: Path) -> None:
    shutil.copytree(exported_run, tmp_path / "out")
    config = tmp_path / "out" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"window": [0.5, 0.5, 0.9]}))
    assert model_digest(tmp_path / "out") != model_digest(tiny_run)


def test_the_digest_of_a_baseline_is_its_name_and_file(tmp_path: Path) -> None:
    assert model_digest("random:3") == "random:3"
    file = tmp_path / "weights.pth"
    file.write_bytes(b"one")
    first = model_digest(f"vgg-face:{file}")
    file.write_bytes(b"other")
    assert first.startswith(f"vgg-face:{file} ")
    assert model_digest(f"vgg-face:{file}") != first
    with pytest.raises(ModelError, match="no model"):
        model_digest("randon")


def test_a_face_reader_is_exported_with_its_model(exported_small: Path, tmp_path: Path) -> None:
    export("small", tmp_path / "folder")
    carried = load("small").required_reader().tasks
    for model in (tmp_path / "folder", exported_small, exported_small / "encoder.onnx"):
        assert load(model).required_reader().tasks == carried
    assert load_for_reading(tmp_path / "folder").precision == "int8"
    assert load_for_reading(tmp_path / "folder").required_reader().tasks == carried


def test_a_face_reader_beside_an_exported_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "reader.safetensors").write_bytes(b"somebody's own")
    with pytest.raises(InputError, match=r"already contains a reader\.safetensors; export into a folder of its own"):
        export("small", tmp_path / "encoder.onnx")
    assert (tmp_path / "reader.safetensors").read_bytes() == b"somebody's own"


def test_an_export_that_was_cut_off_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("fabnet.encoders.export.write_card", stop)
        with pytest.raises(KeyboardInterrupt):
            export("small", tmp_path / "encoder.onnx")
    assert (tmp_path / "reader.safetensors").is_file()
    with pytest.raises(InputError, match="not a model folder"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"already contains a reader\.safetensors"):  # int8 does not fit it
        export("small", tmp_path / "encoder.onnx", int8=tmp_path)
    export("small", tmp_path / "encoder.onnx")
    assert load(tmp_path / "encoder.onnx").required_reader().tasks == load("small").required_reader().tasks


def test_a_config_cannot_claim_a_shipped_models_digest(exported_small: Path, tmp_path: Path) -> None:
    small = shipped_models()["small"]
    claimed = {"weights_sha256": file_digest(small / "model.safetensors")}
    assert model_digest(exported_small) == model_digest("small")
    for name in ("claims", "beside"):
        shutil.copytree(exported_small, tmp_path / name)
        _change_weights(tmp_path / name / "encoder.onnx")
        config = json.loads((tmp_path / name / "config.json").read_text())
        config["training"] |= claimed
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    shutil.copyfile(small / "model.safetensors", tmp_path / "beside" / "model.safetensors")
    for name in ("claims", "beside"):
        assert model_digest(tmp_path / name) != model_digest("small")
        with pytest.raises(InputError, match="fitted on another encoder"):
            load(tmp_path / name).required_reader()


def _change_weights(file: Path) -> None:
    import onnx

    model = onnx.load(file)
    tensor = next(each for each in model.graph.initializer if len(each.dims) == 4)
    tensor.raw_data = bytes(tensor.raw_data[4:]) + bytes(4)
    onnx.save(model, file)
