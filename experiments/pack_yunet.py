"""Writes YuNet's weights, which the package `yuface` carries inside its C library, as the ONNX file that fabnet ships.

    pip download --no-deps yuface==2023.5.1 && unzip yuface-*.whl
    python experiments/pack_yunet.py yuface/libfacedetection.so fabnet/weights/yunet/yunet.onnx

Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023. The library
exports each layer's weights under the layer's name, with the batch norm folded in. Needs the package `onnx`.

The network written takes an image of any size that is a multiple of 32, and gives for every cell of its three grids
(strides 8, 16, 32, row by row) a score, a box and five points, both relative to the cell and in strides.
"""

from __future__ import annotations

import argparse
import ctypes
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEM = "backbone__model0_pw"
KERNEL = 3
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


class Writer:
    """Collects the nodes and weights of the network."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library.resolve()))
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add a constant; returns its name."""
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def floats(self, name: str, *shape: int) -> np.ndarray:
        """An array of the library, copied."""
        kind = ctypes.c_float * int(np.prod(shape))
        return np.array(kind.in_dll(self._library, name), np.float32).reshape(shape)

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Add a node; returns the name of what it gives."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def stem(self, x: str) -> str:
        """The first convolution: the library has it as (16, 32) over rows, columns and BGR, filled up with zeros."""
        flat = self.floats(f"{STEM}_weight", 16, 32)[:, : KERNEL * KERNEL * 3]
        kernel = np.ascontiguousarray(flat.reshape(16, KERNEL, KERNEL, 3).transpose(0, 3, 1, 2))
        weight = self.constant(f"{STEM}_weight", kernel)
        bias = self.constant(f"{STEM}_bias", self.floats(f"{STEM}_bias", 16))
        return self.add("Relu", self.add("Conv", x, weight, bias, strides=[2, 2], pads=[1, 1, 1, 1]))

    def unit(self, x: str, name: str, wide: int, out: int, *, is_bent: bool = True) -> str:
        """A convolution over channels, then one over space for each channel."""
        across = self.constant(f"{name}_pw_weight", self.floats(f"{name}_pw_weight", out, wide, 1, 1))
        bias = self.constant(f"{name}_pw_bias", self.floats(f"{name}_pw_bias", out))
        x = self.add("Conv", x, across, bias)
        kernel = self.floats(f"{name}_dw_weight", KERNEL * KERNEL, out).T.reshape(out, 1, KERNEL, KERNEL)
        along = self.constant(f"{name}_dw_weight", np.ascontiguousarray(kernel))
        bias = self.constant(f"{name}_dw_bias", self.floats(f"{name}_dw_bias", out))
        x = self.add("Conv", x, along, bias, group=out, pads=[1, 1, 1, 1])
        return self.add("Relu", x) if is_bent else x

    def halved(self, x: str) -> str:
        """The largest of each two by two cells."""
        return self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def pair(self, x: str, name: str, wide: int, out: int) -> str:
        """Two units."""
        return self.unit(self.unit(x, f"{name}_dp1", wide, wide), f"{name}_dp2", wide, out)


def network(library: Path) -> onnx.ModelProto:
    """The whole network."""
    to = Writer(library)
    turned = to.add("Transpose", to.add("Cast", "image", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    x = to.halved(to.unit(to.stem(turned), "backbone__model0_dp", 16, 16))
    x = to.pair(x, "backbone__model1", 16, 32)
    x = to.halved(to.pair(x, "backbone__model2", 32, 64))
    levels = [to.pair(x, "backbone__model3", 64, 64)]
    for name in ("backbone__model4", "backbone__model5"):
        levels.append(to.pair(to.halved(levels[-1]), name, 64, 64))
    twice = to.constant("twice", np.array([1, 1, 2, 2], np.float32))
    for level in (2, 1, 0):
        levels[level] = to.unit(levels[level], f"neck__lateral_convs__{level}", 64, 64)
        if level:
            larger = to.add("Resize", levels[level], "", twice, mode="nearest")
            levels[level - 1] = to.add("Add", levels[level - 1], larger)
    found = {}
    for head, values in HEADS.items():
        shape = to.constant(f"{head}_shape", np.array([-1, values], np.int64))
        rows = []
        for level, x in enumerate(levels):
            grid = to.unit(x, f"bbox_head__multi_level_{head}__{level}", 64, values, is_bent=False)
            rows.append(to.add("Reshape", to.add("Transpose", grid, perm=[0, 2, 3, 1]), shape))
        found[head] = to.add("Concat", *rows, axis=0)
    both = to.add("Mul", *(to.add("Sigmoid", found[head]) for head in ("cls", "obj")))
    for name, value in (("score", to.add("Sqrt", both)), ("box", found["bbox"]), ("points", found["kps"])):
        to.nodes.append(helper.make_node("Identity", [value], [name]))
    graph = helper.make_graph(
        to.nodes,
        "yunet",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "height", "width", 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["cells", values])
            for name, values in (("score", 1), ("box", 4), ("points", 10))
        ],
        to.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="fabnet")
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", type=Path, help="libfacedetection.so of the package yuface")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(network(arguments.library).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
