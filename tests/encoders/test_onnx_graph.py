"""ONNX files that would never finish, and encoders that return NaN."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.encoders.onnx_encoder import onnx_encoder
from fabnet.errors import ModelError
from fabnet.models.model_folder import ModelCard, read_card
from fabnet.reading.embed import embed
from fabnet.weights import shipped_models

onnx = pytest.importorskip("onnx")
CARD = ModelCard(objective="fabnet", architecture={"size": 8, "embedding_dim": 2}, window=(0.5, 0.5, 0.7))


def saved(path: Path, nodes: list, initializers: list | None = None, functions: list | None = None) -> Path:
    """Write an ONNX file with the inputs and outputs of an encoder."""
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    images = make.make_tensor_value_info("images", kind, ["batch", 3, 8, 8])
    embeddings = make.make_tensor_value_info("embeddings", kind, ["batch", 2])
    graph = make.make_graph(nodes, "encoder", [images], [embeddings], initializers or [])
    imports = [make.make_opsetid("", 18), make.make_opsetid("own", 1)]
    model = make.make_model(graph, opset_imports=imports, functions=functions or [], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def constant(name: str, value: np.ndarray) -> object:
    return onnx.numpy_helper.from_array(value, name)


def reduced(source: str = "images") -> list:
    """Nodes from pictures to two numbers."""
    make = onnx.helper.make_node
    return [
        make("ReduceMean", [source, "axes"], ["mean"], keepdims=0),
        make("Slice", ["mean", "start", "end", "along"], ["embeddings"]),
    ]


REDUCING = [
    constant("axes", np.array([2, 3], np.int64)),
    constant("start", np.array([0], np.int64)),
    constant("end", np.array([2], np.int64)),
    constant("along", np.array([1], np.int64)),
]


def looping(path: Path) -> Path:
    make, kind = onnx.helper, onnx.TensorProto
    body = make.make_graph(
        [make.make_node("Identity", ["go"], ["on"]), make.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            make.make_tensor_value_info("i", kind.INT64, []),
            make.make_tensor_value_info("go", kind.BOOL, []),
            make.make_tensor_value_info("x", kind.FLOAT, None),
        ],
        [make.make_tensor_value_info("on", kind.BOOL, []), make.make_tensor_value_info("y", kind.FLOAT, None)],
    )
    loop = make.make_node("Loop", ["count", "yes", "images"], ["last"], body=body)
    more = [constant("count", np.array(2**60, np.int64)), constant("yes", np.array(True))]
    return saved(path / "a.onnx", [loop, *reduced("last")], [*more, *REDUCING])


def generating(path: Path) -> Path:
    make = onnx.helper.make_node
    nodes = [make("ConstantOfShape", ["shape"], ["huge"]), make("ReduceMean", ["huge"], ["one"], keepdims=0)]
    nodes += [make("Add", ["images", "one"], ["last"]), *reduced("last")]
    return saved(path / "a.onnx", nodes, [constant("shape", np.array([2**17, 2**14], np.int64)), *REDUCING])


def with_functions(path: Path) -> Path:
    make = onnx.helper
    function = make.make_function(
        "own", "Same", ["a"], ["b"], [make.make_node("Identity", ["a"], ["b"])], [make.make_opsetid("", 18)]
    )
    return saved(path / "a.onnx", [make.make_node("Same", ["images"], ["last"], domain="own"), *reduced("last")],
                 REDUCING, [function])  # fmt: skip


def cut_short(path: Path) -> Path:
    (path / "a.onnx").write_bytes((shipped_models()["small"] / "encoder.onnx").read_bytes()[:-1000])
    return path / "a.onnx"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (looping, "a graph within its graph|a node 'Loop'"),
        (generating, "a node 'ConstantOfShape'"),
        (with_functions, "a node 'Same'|its own functions"),
        (cut_short, "cannot be loaded"),
    ],
)
def test_a_graph_that_might_never_finish_is_refused(make: Callable[[Path], Path], said: str, tmp_path: Path) -> None:
    file, began = make(tmp_path), time.monotonic()
    with pytest.raises(ModelError, match=said):
        onnx_encoder(file, CARD)
    assert time.monotonic() - began < 10


def test_layers_that_fill_the_memory_are_refused(tmp_path: Path) -> None:
    pads = constant("pads", np.array([0, 0, 0, 0, 0, 0, 2**15, 2**15], np.int64))  # 13 GB for one picture
    wide = onnx.helper.make_node("Pad", ["images", "pads"], ["wide"])
    with pytest.raises(ModelError, match="takes more memory"):
        onnx_encoder(saved(tmp_path / "a.onnx", [wide, *reduced("wide")], [pads, *REDUCING]), CARD)


def test_a_network_of_layers_is_loaded(tmp_path: Path) -> None:
    encode = onnx_encoder(saved(tmp_path / "a.onnx", reduced(), REDUCING), CARD)
    np.testing.assert_allclose(encode(np.ones((4, 3, 8, 8), np.float32)), 1)


def test_a_first_call_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = onnx.helper.make_node
    chain = [make("Add", ["images" if i == 0 else f"x{i}", "large"], [f"x{i + 1}"]) for i in range(4000)]
    nodes = [*chain, make("ReduceMean", ["x4000", "first"], ["last"], keepdims=1), *reduced("last")]
    large = constant("large", np.zeros((512, 3, 8, 8), np.float32).repeat(16, axis=0))
    file = saved(tmp_path / "a.onnx", nodes, [large, constant("first", np.array([0], np.int64)), *REDUCING])
    monkeypatch.setattr("fabnet.encoders.onnx_encoder.FIRST_CALL_S", 0.05)
    began = time.monotonic()
    with pytest.raises(ModelError, match="takes more than"):
        onnx_encoder(file, CARD)
    assert time.monotonic() - began < 20


def test_an_encoder_of_nan_is_refused(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Mul", ["images", "nan"], ["last"]), *reduced("last")]
    file = saved(tmp_path / "a.onnx", nodes, [constant("nan", np.array(np.nan, np.float32)), *REDUCING])
    with pytest.raises(ModelError, match="not finite"):
        onnx_encoder(file, CARD)


def test_faces_whose_numbers_are_not_finite_are_failures(tmp_path: Path) -> None:
    import cv2

    for name, grey in (("a", 40), ("b", 200)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((64, 64, 3), grey, np.uint8))
    encoder = Embedder(
        CARD, lambda images: np.where(images[:, 0, 0, :2] > 0.5, np.nan, images[:, 0, 0, :2]).astype(np.float32), "test"
    )
    result = embed([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out.csv", model=encoder, crop="none")
    assert (result.rows, result.embedded, result.without_face) == (2, 1, 0)
    ((name, reason),) = result.failed
    assert name == "b.png"
    assert "not finite" in reason


def test_the_shipped_encoder_has_only_layers(tmp_path: Path) -> None:
    folder = shipped_models()["small"]
    shutil.copytree(folder, tmp_path / "copy")
    assert load(tmp_path / "copy").backend == "onnx"
    assert read_card(tmp_path / "copy").size == 64
