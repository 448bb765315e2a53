"""The authors' released weights, read without running any code from their files.

A file holds a state dict, bare or under `state_dict` (a training checkpoint) or `state_dict_model` (next to a probe's
own `state_dict`). Modules are named `encoder.N`, `decoder.N` (flow) and `mask.N` (confidence), where N is the index of
the layer, as in `Encoder.layers` and `FlowDecoder.layers`.

Assumptions: the sampler aligns corners (as ours does); the decoders' bilinear x2 does not (see `decoder_layers`). The
embedding depends on neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fabnet.errors import ModelError
from fabnet.models.model_folder import AUTHORS_CARD
from fabnet.models.torch_file import read_torch_file
from fabnet.objectives.fabnet import FabNet

__all__ = ["authors_weights", "load_authors"]

PARTS = {"encoder": "encoder", "decoder": "flow_decoder", "mask": "confidence_decoder"}
WRAPPERS = ("state_dict_model", "state_dict", "model")


def load_authors(file: Path) -> FabNet:
    """Read a file of the authors' release.

    Args:
        file: written by `torch.save`.

    Returns:
        The network at 256 px with every part in the file; decoders that the file lacks keep fresh weights.

    Raises:
        ModelError: the file holds anything but tensors and plain values, or other networks.
    """
    weights = authors_weights(file)
    network = _network(weights)
    network.load_state_dict(weights, strict=False)
    return network


def authors_weights(file: Path) -> dict[str, torch.Tensor]:
    """Read the weights of the parts in a file of the authors' release, by their names in a `FabNet`.

    Raises:
        ModelError: the file holds anything but tensors and plain values, or other networks.
    """
    content = read_torch_file(file, "expected a file of the authors' release, written by torch.save")
    weights = _renamed(_state_dict(content))
    with torch.device("meta"):
        own = _network(weights).state_dict()
    parts = {name.split(".")[0] for name in weights}
    wanted = {name for name in own if name.split(".")[0] in parts and not name.endswith("num_batches_tracked")}
    for name in sorted(wanted):
        shape = tuple(weights[name].shape) if name in weights else None
        if shape != tuple(own[name].shape):
            raise ModelError(
                f"{file} is not the authors' FAb-Net: {name} is {shape or 'missing'}, expected {tuple(own[name].shape)}"
            )
    if "encoder" not in parts:
        raise ModelError(f"{file} holds no encoder; expected weights named encoder.0.weight and so on")
    return {name: weights[name] for name in wanted}


def _network(weights: Mapping[str, torch.Tensor]) -> FabNet:
    """A fresh network, with a confidence decoder if there are weights for one."""
    num_sources = 3 if any(name.startswith("confidence_decoder.") for name in weights) else 1
    return FabNet(**AUTHORS_CARD.architecture, num_sources=num_sources, options=FabNet.Options(confidence_bound="tanh"))


def _state_dict(content: Any) -> Mapping[str, torch.Tensor]:
    if isinstance(content, Mapping):
        for wrapper in WRAPPERS:
            if isinstance(content.get(wrapper), Mapping):
                return _state_dict(content[wrapper])
        return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    return {}


def _renamed(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """From `encoder.3.weight` (also under `module.` or `model.`) to `encoder.layers.3.weight`."""
    renamed = {}
    for name, value in weights.items():
        words = name.split(".")
        while words and words[0] in ("module", "model"):
            words = words[1:]
        if len(words) == 3 and words[0] in PARTS and words[1].isdigit():
            renamed[f"{PARTS[words[0]]}.layers.{words[1]}.{words[2]}"] = value
    return renamed
