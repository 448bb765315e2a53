"""Encoders ready for use: both backends give the same result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fabnet
from fabnet.encoders.export import export, ship
from fabnet.errors import InputError, ModelError
from fabnet.models.find_model import best_checkpoint
from fabnet.objectives.model_io import load_objective
from fabnet.weights import shipped_models


def crops(count: int = 5) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8))


def test_a_run_embeds_as_its_network_does(tiny_run: Path) -> None:
    encoder = fabnet.load(tiny_run, precision="float32")
    images = crops()
    embeddings = encoder.embed(images, batch_size=2)
    assert embeddings.shape == (5, 16)
    assert embeddings.dtype == np.float32
    objective, _ = load_objective(best_checkpoint(tiny_run))
    with torch.no_grad():
        expected = objective.get_submodule("encoder")(torch.from_numpy(encoder.prepare(images))).numpy()
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)


def test_the_exported_encoder_gives_the_same(tiny_run: Path, export_result: tuple[Path, dict[str, Any]]) -> None:
    file, result = export_result
    assert result["max_difference"] < 1e-4
    assert (result["opset"], result["batch_sizes"]) == (18, [1, 2, 7, 32])
    onnx = fabnet.load(file)
    assert onnx.backend == "onnx"
    np.testing.assert_allclose(
        onnx.embed(crops()), fabnet.load(tiny_run, precision="float32").embed(crops()), atol=1e-4
    )
    with pytest.raises(InputError, match=r"already contains a config\.json"):
        export(tiny_run, file.with_name("other.onnx"))


def test_an_ending_in_upper_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.ONNX; expected \.onnx"):
        export("small", tmp_path / "encoder.ONNX")
    assert list(tmp_path.iterdir()) == []


def test_an_exported_file_names_no_path_of_the_machine(exported_run: Path) -> None:
    for file in (exported_run / "encoder.onnx", shipped_models()["small"] / "encoder.onnx"):
        content = file.read_bytes()
        assert b"stack_trace" not in content
        assert b"site-packages" not in content


def test_an_exported_file_holds_no_weights_that_only_meet_padding(exported_run: Path) -> None:
    onnx = pytest.importorskip("onnx")
    for file in (exported_run / "encoder.onnx", *(folder / "encoder.onnx" for folder in shipped_models().values())):
        if file.is_file():
            graph = onnx.load(file).graph
            kernels = {each.name: each.dims for each in graph.initializer}
            last = [node for node in graph.node if node.op_type == "Conv"][-1]
            assert list(kernels[last.input[1]])[2:] == [2, 2], file


def test_a_shipped_folder_is_complete_and_small(tiny_run: Path, tmp_path: Path) -> None:
    assert ship(tiny_run, tmp_path / "tiny", note="a try") < 1e-3
    onnx, torched = fabnet.load(tmp_path / "tiny"), fabnet.load(tmp_path / "tiny", backend="torch", precision="float32")
    assert (onnx.backend, torched.backend) == ("onnx", "torch")
    np.testing.assert_allclose(onnx.embed(crops()), torched.embed(crops()), atol=1e-3)
    assert onnx.card.training["note"] == "a try"
    assert onnx.card.training["pairs_seen"] == 80


def test_no_crops_give_no_embeddings(tiny_run: Path) -> None:
    assert fabnet.load(tiny_run).embed([]).shape == (0, 16)


def test_a_wrong_image_is_refused(tiny_run: Path) -> None:
    with pytest.raises(InputError, match=r"expected crops \(H, W, 3\) uint8 RGB; number 0 is \(8, 8\) uint8"):
        fabnet.load(tiny_run).embed([np.zeros((8, 8), np.uint8)])
    with pytest.raises(InputError, match=r"number 5 is \(0, 64, 3\) uint8"):
        fabnet.load(tiny_run).embed([*crops(), crops()[0][:0]])


def test_a_wrong_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model 'smal'; expected a shipped name"):
        fabnet.load("smal")
    with pytest.raises(ModelError, match=r"it has no config.json"):
        fabnet.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="does not describe a fabnet model"):
        fabnet.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"format": "fabnet-model", "format_version": 99}))
    with pytest.raises(ModelError, match="has model format 99; this fabnet reads 1"):
        fabnet.load(tmp_path)


def test_the_shipped_encoder_embeds_without_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, numpy, fabnet; e = fabnet.load('small').embed([numpy.zeros((256, 256, 3), 'uint8')]);"
        "assert e.shape == (1, 256) and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
