"""Checks an ONNX file before ONNX Runtime loads it: it must be a network of layers, without loops.

The file is a protocol buffer, so the package `onnx` is not needed.
"""

from __future__ import annotations

from pathlib import Path

from fabnet.errors import ModelError
from fabnet.files.limits import MAX_WEIGHTS_BYTES, read_bytes
from fabnet.files.protobuf import fields

__all__ = ["check_graph"]

# Field numbers of onnx.proto.
MODEL_GRAPH, MODEL_FUNCTIONS = 7, 25
GRAPH_NODE = 1
NODE_OPERATOR, NODE_ATTRIBUTE = 4, 5
ATTRIBUTE_GRAPHS = (6, 11)
MAX_NODES = 20_000
LAYERS = (
    "Abs Add AveragePool BatchNormalization Cast Clip Concat Constant Conv DequantizeLinear Div Dropout Elu Erf "
    "Exp Flatten Gather Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish "
    "Identity InstanceNormalization LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MatMul "
    "MatMulInteger Max MaxPool Mean Min Mul Neg PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear Reciprocal "
    "ReduceL2 ReduceMax ReduceMean ReduceSum Relu Reshape Selu Shape Sigmoid Slice Softmax Softplus Split Sqrt "
    "Squeeze Sub Sum Tanh Transpose Unsqueeze "
)
"""Operators of encoders. Others may loop, branch, or create tensors of any size that the file states."""


def check_graph(file: Path) -> None:
    """Refuse an ONNX file that might never finish: one with loops, branches, functions or generated tensors.

    Raises:
        InputError: it is not a regular file, or is too large.
        ModelError: it is not an ONNX file, or its network has more than layers.
    """
    try:
        count = 0
        for number, value in fields(memoryview(read_bytes(file, MAX_WEIGHTS_BYTES))):
            if number == MODEL_FUNCTIONS:
                raise ModelError(f"{file} defines its own functions; expected only layers, as fabnet export writes")
            for part, node in fields(_message(value)) if number == MODEL_GRAPH else ():
                count += part == GRAPH_NODE
                if part == GRAPH_NODE:
                    _check_node(file, _message(node))
        if count > MAX_NODES:
            raise ModelError(f"{file} has {count:,} nodes; the limit is {MAX_NODES:,}")
    except (IndexError, ValueError) as error:
        raise ModelError(f"{file} cannot be loaded: it is not an ONNX file, or is truncated ({error})") from None


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in place of a message")
    return value


def _check_node(file: Path, node: memoryview) -> None:
    operator = ""
    for number, value in fields(node):
        if number == NODE_OPERATOR:
            operator = bytes(_message(value)).decode()
        elif number == NODE_ATTRIBUTE and any(part in ATTRIBUTE_GRAPHS for part, _ in fields(_message(value))):
            raise ModelError(f"{file} has a graph within its graph, to loop or branch; expected only layers")
    if operator not in LAYERS.split():
        raise ModelError(f"{file} has a node {operator[:40]!r}, which fabnet export never writes; expected only layers")
