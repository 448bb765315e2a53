"""The VGG-Face descriptor, the paper's baseline trained with labels: 4,096 numbers of a VGG-16.

The user provides the weights, in either of the two public formats. No code in a file is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.encoders.baselines.card import baseline_card
from fabnet.encoders.embedder import Embedder
from fabnet.errors import ModelError
from fabnet.files.limits import MAX_WEIGHTS_BYTES, check_file
from fabnet.files.mat_file import read_arrays
from fabnet.models.torch_file import read_torch_file, unreadable
from fabnet.runtime.packages import package_folder

__all__ = ["LAYERS", "MEAN_RGB", "load_vgg_face", "read_mat", "read_pth"]

SIZE = 224
MEAN_RGB = (129.1863, 104.7624, 93.5940)
"""Mean of the training faces per channel, 0 to 255."""
BLOCKS = (2, 2, 3, 3, 3)
LAYERS = (*(f"conv{block}_{i + 1}" for block, n in enumerate(BLOCKS, 1) for i in range(n)), "fc6", "fc7")
"""Names of the layers in both formats, without fc8, which classifies the 2,622 people."""
LAST_MAP = SIZE // 2 ** len(BLOCKS)
EXPECTED = "expected vgg-face.mat (MatConvNet) or vgg_face_dag.pth (a state dict of torch)"

Weights = dict[str, tuple[np.ndarray, np.ndarray]]
"""Filters (out, in, height, width) and biases (out,) by layer, float32."""


def load_vgg_face(file: Path, *, device: str = "auto") -> Embedder:
    """Load the VGG-Face descriptor: the output of fc7 after its ReLU, not normalised.

    Publications that use "fc7" of this network with MatConvNet mean the output after the ReLU; the paper does not say.
    The input is as published: 224 px, RGB from 0 to 255 minus the mean of the training faces. Like every other
    baseline, it sees the preset small's window.

    Args:
        file: `vgg-face.mat` or `vgg_face_dag.pth`. Layers may be narrower than the published ones.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ModelError: the file is missing, has another format, or lacks a layer.
        MissingDependencyError: torch (or, for .mat, SciPy) is not installed.

    Source: paper, section 5.1.1; Parkhi, Vedaldi, Zisserman: Deep Face Recognition, BMVC 2015.
    """
    package_folder("torch", needed_by="vgg-face", install="pip install 'fabnet[train]'")
    if not file.exists():
        raise ModelError(f"no such weights file: {file}; {EXPECTED}")
    weights = read_mat(file) if file.suffix == ".mat" else read_pth(file)
    _check(weights, file)
    import torch

    from fabnet.training.device import choose_device

    torch_device = choose_device(device)
    network = _network(weights).to(torch_device).eval()
    mean = torch.tensor(MEAN_RGB, device=torch_device).reshape(1, 3, 1, 1)

    def encode(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            inputs = torch.from_numpy(images).to(torch_device) * 255 - mean
            return np.asarray(network(inputs).cpu().numpy())

    return Embedder(baseline_card("vgg-face", SIZE, len(weights["fc7"][1]), file=str(file)), encode, "torch")


def _network(weights: Weights) -> Any:
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    for name in LAYERS:
        filters, biases = weights[name]
        out_channels, in_channels, height, width = filters.shape
        conv = nn.Conv2d(in_channels, out_channels, (height, width), padding=1 if name.startswith("conv") else 0)
        conv.load_state_dict({"weight": torch.from_numpy(filters), "bias": torch.from_numpy(biases)})
        layers += [conv, nn.ReLU(inplace=True)]
        if name in {f"conv{block}_{n}" for block, n in enumerate(BLOCKS, 1)}:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten())


def _check(weights: Weights, file: Path) -> None:
    """Check that every layer is present, has the right shape, and fits the one before it."""
    channels = 3
    for name in LAYERS:
        if name not in weights:
            raise ModelError(f"{file} is not a VGG-Face network: it has no layer {name}; {EXPECTED}")
        filters, biases = weights[name]
        side = {"fc6": LAST_MAP, "fc7": 1}.get(name, 3)
        if filters.ndim != 4 or filters.shape[1:] != (channels, side, side) or biases.shape != filters.shape[:1]:
            raise ModelError(
                f"{file} is not a VGG-Face network: {name} has filters {filters.shape} and biases {biases.shape}; "
                f"expected filters (out, {channels}, {side}, {side}) and biases (out,)"
            )
        channels = len(biases)


def read_mat(file: Path) -> Weights:
    """Read `vgg-face.mat`: MatConvNet's list of layers, filters (height, width, in, out).

    Both layouts are read: a layer's `weights` = {filters, biases}, and the older fields `filters` and `biases`.

    Raises:
        ModelError: the file has another format.
        MissingDependencyError: SciPy is not installed.
    """
    package_folder("scipy", needed_by="a .mat file", install="pip install 'fabnet[train]'")
    check_file(file, MAX_WEIGHTS_BYTES)
    try:
        layers = read_arrays(file, ["layers"])["layers"]
        return dict(_layers_of(layers))
    except Exception as error:  # many types, because the layers may have any layout
        raise unreadable(file, error, EXPECTED) from None


def _layers_of(layers: np.ndarray) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    found = []
    for cell in layers.ravel():
        layer = cell.ravel()[0]
        fields = layer.dtype.names or ()
        if "weights" in fields and layer["weights"].size >= 2:
            filters, biases = layer["weights"].ravel()[:2]
        elif "filters" in fields and "biases" in fields:
            filters, biases = layer["filters"], layer["biases"]
        else:
            continue
        filters = np.asarray(filters, dtype=np.float32)
        filters = filters.reshape(filters.shape + (1,) * (4 - filters.ndim))  # MATLAB drops trailing sides of 1
        name = str(layer["name"].ravel()[0])
        found.append((name, (np.ascontiguousarray(filters.transpose(3, 2, 0, 1)), _flat(biases))))
    return found


def read_pth(file: Path) -> Weights:
    """Read `vgg_face_dag.pth`: `NAME.weight` and `NAME.bias`, as matrices for fully connected layers.

    Raises:
        ModelError: the file has another format, or contains anything but weights.
    """
    import torch

    content = read_torch_file(file, EXPECTED)
    if not isinstance(content, Mapping):
        raise ModelError(f"{file} contains a {type(content).__name__}; {EXPECTED}")
    weights: Weights = {}
    for name in LAYERS:
        filters, biases = (content.get(f"{name}.{part}") for part in ("weight", "bias"))
        if not isinstance(filters, torch.Tensor) or not isinstance(biases, torch.Tensor):
            continue
        if filters.ndim == 2:
            side = LAST_MAP if name == "fc6" and filters.shape[1] % LAST_MAP**2 == 0 else 1
            filters = filters.reshape(len(filters), -1, side, side)
        weights[name] = (filters.float().contiguous().numpy(), _flat(biases.float().numpy()))
    return weights


def _flat(biases: Any) -> np.ndarray:
    return np.ascontiguousarray(biases, dtype=np.float32).reshape(-1)
