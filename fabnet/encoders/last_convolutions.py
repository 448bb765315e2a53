"""The last convolutions of an ONNX graph, one for each look at the face, which give the embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["end_of", "trim"]


def end_of(graph: Any) -> set[str]:
    """Names of a graph's nodes from the last convolutions on, these included."""
    makers = {name: node for node in graph.node for name in node.output}
    found, left = set(), [each.name for each in graph.output]
    while left:
        node = makers.get(left.pop())
        if node is not None:
            found.add(node.name)
            left += [] if node.op_type == "Conv" else node.input
    return found


def trim(model: Any) -> None:
    """Remove from an encoder those weights of its last convolutions that only meet padding: three quarters of them.

    Such a convolution takes 2 x 2 pixels with a kernel of 4 x 4. The embeddings stay the same.
    """
    from onnx import numpy_helper

    graph = model.graph
    end = end_of(graph)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    last = [node for node in convolutions if node.name in end]
    size = graph.input[0].type.tensor_type.shape.dim[2].dim_value
    side = size if len(last) == 1 else size * 2 // 3
    for node in last:
        attributes = {each.name: each for each in node.attribute}
        pads = attributes["pads"]
        weights = next(each for each in graph.initializer if each.name == node.input[1])
        values = numpy_helper.to_array(weights)
        takes_4 = side == 2 ** (len(convolutions) // len(last))
        if takes_4 and values.shape[2:] == (4, 4) and set(pads.ints) == {1}:
            met = np.ascontiguousarray(values[:, :, 1:3, 1:3])
            weights.CopyFrom(numpy_helper.from_array(met, weights.name))
            pads.ints[:] = [0] * 4
            if "kernel_shape" in attributes:  # older exporters leave it to the weights
                attributes["kernel_shape"].ints[:] = [2, 2]
    graph.ClearField("value_info")  # it repeats the shape of the weights
