"""Networks prepared for inference: the same outputs, up to precision."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import fabnet
from fabnet.encoders.inference import choose_precision, for_inference
from fabnet.errors import ModelError
from fabnet.models.encoder import Encoder
from fabnet.objectives.splitbrain import SplitEncoder

CPU = torch.device("cpu")


def used(network: nn.Module) -> nn.Module:
    """Make a network with random batch-norm statistics and scales."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0, generator=generator)
            nn.init.normal_(module.bias, 0.0, 0.2, generator=generator)
            module.running_mean.normal_(0.0, 0.2, generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0, generator=generator)  # type: ignore[union-attr]
    return network.eval()


@pytest.mark.parametrize("kind", [Encoder, SplitEncoder])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_it_is_the_same_network(kind: type[nn.Module], dtype: torch.dtype, within: float) -> None:
    network = used(kind(64, 8, 32))
    images = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    fast = for_inference(copy.deepcopy(network), CPU, dtype)
    with torch.inference_mode():
        expected, found = network(images), fast(images)
    assert found.dtype == torch.float32
    assert (found - expected).norm() <= within * expected.norm()


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_it_is_the_same_network_without_onednn(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, within: float
) -> None:
    network = used(Encoder(32, 4, 16))
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with torch.inference_mode():
        expected, found = network(images), for_inference(copy.deepcopy(network), CPU, dtype)(images)
    assert (found - expected).norm() <= within * expected.norm()


def test_bfloat16_is_chosen_only_if_the_processor_supports_it() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    has_it = cpuinfo.is_file() and "avx512_bf16" in cpuinfo.read_text()
    assert choose_precision("auto", CPU) == (torch.bfloat16 if has_it else torch.float32)
    assert choose_precision("auto", torch.device("cuda")) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16
    assert choose_precision("float32", CPU) == torch.float32


def test_the_shipped_encoder_is_nearly_as_exact_in_bfloat16(store: Path) -> None:
    from fabnet.faces.window import decode_jpeg
    from fabnet.store.track_store import open_store

    images = [decode_jpeg(data)[:, :, ::-1] for data in open_store(store).read_images(range(60))]
    exact = fabnet.load("small", backend="torch", precision="float32").embed(images)
    encoder = fabnet.load("small", precision="bfloat16")
    assert (encoder.backend, encoder.precision) == ("torch", "bfloat16")
    rounded = encoder.embed(images)
    cosines = (exact * rounded).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    assert cosines.min() > 0.9995
    with pytest.raises(ModelError, match="use backend torch"):
        fabnet.load("small", backend="onnx", precision="bfloat16")


def test_embedding_restores_the_number_of_torch_threads(tiny_run: Path) -> None:
    before = torch.get_num_threads()
    fabnet.load(tiny_run).embed([np.zeros((64, 64, 3), np.uint8)] * 9, batch_size=2)
    assert torch.get_num_threads() == before
