"""Where ONNX Runtime runs: the CPU, or CUDA where it was built for it; one clear line where it was not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fabnet
from fabnet.errors import InputError, MissingDependencyError, ModelError
from fabnet.faces.detect.load import load_detector
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import INT8_FILE
from fabnet.runtime.onnx_runtime import has_cuda, providers_of

needs_cuda = pytest.mark.skipif(not has_cuda(), reason="needs onnxruntime-gpu")
without_cuda = pytest.mark.skipif(has_cuda(), reason="onnxruntime-gpu is installed")


def test_providers_follow_the_device() -> None:
    assert providers_of("auto") == providers_of("cpu") == ["CPUExecutionProvider"]
    for name, number in (("cuda", "0"), ("cuda:0", "0"), ("cuda:3", "3")):
        (first, how), second = providers_of(name)
        assert (first, how["device_id"], second) == ("CUDAExecutionProvider", number, "CPUExecutionProvider")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cud", ""])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"unknown device '{name}': choose auto, cpu, cuda or cuda:N"):
        providers_of(name)


@without_cuda
def test_cuda_without_onnxruntime_gpu_is_one_line() -> None:
    with pytest.raises(MissingDependencyError, match=r"no CUDA: .*pip install onnxruntime-gpu.*--device cpu"):
        fabnet.load("small", backend="onnx", device="cuda")
    code = "import sys; sys.modules['torch'] = None; import fabnet; fabnet.load('small', device='cuda')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingDependencyError: this ONNX Runtime has no CUDA" in done.stderr


def test_eight_bits_are_for_cpus() -> None:
    with pytest.raises(ModelError, match=r"int8, which is for CPUs: use --device cpu"):
        fabnet.load(find_model("small") / INT8_FILE, backend="onnx", device="cuda")


@without_cuda
def test_detectors_stay_on_the_cpu_and_say_so_once(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("yunet", "mtcnn"):
        detector = load_detector(name, device="cuda")
        assert detector(np.zeros((64, 64, 3), np.uint8)) == []
    said = capfd.readouterr().err.splitlines()
    assert len(said) <= 1  # another test may have been the first
    assert all("faces are found on the CPU" in line and "pip install onnxruntime-gpu" in line for line in said)


@needs_cuda
@pytest.mark.gpu
def test_on_cuda_encoder_and_detectors_agree_with_the_cpu(smiling: Path) -> None:
    from fabnet.video.decode import read_frames

    image = next(iter(read_frames(smiling))).image
    for name in ("yunet", "mtcnn"):
        (expected, *_), (found, *_) = (load_detector(name, device=device)(image) for device in ("cpu", "cuda"))
        np.testing.assert_allclose(found.box_px, expected.box_px, atol=0.1)
    crops = [face.image for face in fabnet.crop_faces(image)]
    expected_numbers, made = (
        fabnet.load("small", backend="onnx", device=device).embed(crops) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(made, expected_numbers, atol=1e-3)
