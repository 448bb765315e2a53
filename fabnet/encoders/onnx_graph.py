"""An ONNX file looked through before ONNX Runtime loads it: a network of layers, without loops.

The file is a protocol buffer: a message is a row of fields, each a key (number * 8 + wire type) and a value, which is a
varint (type 0), 8 bytes (1), a length and as many bytes (2), or 4 bytes (5). So the package `onnx` is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fabnet.errors import ModelError
from fabnet.files.limits import MAX_WEIGHTS_BYTES, read_bytes

__all__ = ["check_graph"]

# Field numbers of onnx.proto.
MODEL_GRAPH, MODEL_FUNCTIONS = 7, 25
GRAPH_NODE = 1
NODE_OPERATOR, NODE_ATTRIBUTE = 4, 5
ATTRIBUTE_GRAPHS = (6, 11)
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
MAX_NODES = 20_000
LAYERS = (
    "Abs Add AveragePool BatchNormalization Cast Clip Concat Constant Conv DequantizeLinear Div Dropout Elu Erf "
    "Exp Flatten Gather Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish "
    "Identity InstanceNormalization LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MatMul "
    "MatMulInteger Max MaxPool Mean Min Mul Neg PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear Reciprocal "
    "ReduceL2 ReduceMax ReduceMean ReduceSum Relu Reshape Selu Shape Sigmoid Slice Softmax Softplus Split Sqrt "
    "Squeeze Sub Sum Tanh Transpose Unsqueeze "
)
"""Operators that an encoder is made of. Others loop, branch, or make as much as a number in the file says."""


def check_graph(file: Path) -> None:
    """Refuse an ONNX file that could run without end: one with loops, branches, functions or generated tensors.

    Raises:
        InputError: it is not a regular file, or is too large.
        ModelError: it is not an ONNX file, or its network is not of layers alone.
    """
    try:
        count = 0
        for number, value in _fields(memoryview(read_bytes(file, MAX_WEIGHTS_BYTES))):
            if number == MODEL_FUNCTIONS:
                raise ModelError(f"{file} defines functions of its own; expected layers alone, as fabnet export writes")
            for part, node in _fields(value) if number == MODEL_GRAPH else ():
                count += part == GRAPH_NODE
                if part == GRAPH_NODE:
                    _check_node(file, node)
        if count > MAX_NODES:
            raise ModelError(f"{file} has {count:,} nodes; the limit is {MAX_NODES:,}")
    except (IndexError, ValueError) as error:
        raise ModelError(f"{file} cannot be loaded: it is not an ONNX file, or is cut short ({error})") from None


def _check_node(file: Path, node: memoryview) -> None:
    operator = ""
    for number, value in _fields(node):
        if number == NODE_OPERATOR:
            operator = bytes(value).decode()
        elif number == NODE_ATTRIBUTE and any(part in ATTRIBUTE_GRAPHS for part, _ in _fields(value)):
            raise ModelError(f"{file} has a graph within its graph, to loop or branch; expected layers alone")
    if operator not in LAYERS.split():
        raise ModelError(
            f"{file} has a node {operator[:40]!r}, which no encoder of fabnet export has; expected layers alone"
        )


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """A message's fields: number and value, which is empty of what is not bytes."""
    at, empty = 0, message[:0]
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value = empty
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind == BYTES:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            at += 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at > len(message):
            raise ValueError("a field ends behind its message")
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that starts at a place, and the place after it."""
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
