"""Networks trained from scratch with labels on a protocol's own faces: the reach of supervision alone.

The paper compares with VGG-11 (EmotioNet) and quotes AlexNet (AffectNet), both trained from scratch; "fabnet" is this
package's encoder trained the same way, which separates the architecture from the labels.

Both classic networks have batch-norm after each convolution; without it VGG-11 hardly learns from random weights. At
224 px they have their usual strides and grids. Below 128 px, AlexNet has half of its first stride, as a stride of four
would reduce a 64-px face to a single pixel, and the last maps are pooled to grids that fit the size.

Letters: N faces, S the side of a view in pixels, K outputs.
"""

from __future__ import annotations

import copy
import math
from typing import Literal

import numpy as np
import torch
from torch import nn

from fabnet.errors import InputError, TrainingError
from fabnet.models.encoder import Encoder
from fabnet.probes.matrix import Matrix, Selected
from fabnet.probes.tasks.losses import Loss
from fabnet.runtime.progress import progress
from fabnet.training.device import autocast, choose_device, choose_precision

__all__ = ["Architecture", "ScratchNet", "build_network", "fit_scratch"]

Architecture = Literal["vgg11", "alexnet", "fabnet"]

VGG11 = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")
HIDDEN = 4096
MIN_SIZE = 32


def build_network(architecture: Architecture, size: int, num_outputs: int) -> nn.Module:
    """Build a network with fresh weights (from torch's global generator): (B, 3, S, S) in [0, 1] to (B, K).

    "fabnet" is the encoder (width 32, D = 256) followed by the paper's probe (batch-norm, linear without bias).

    Args:
        architecture: "vgg11", "alexnet" or "fabnet".
        size: S.
        num_outputs: K.

    Raises:
        InputError: the architecture is unknown, or does not support this size.
    """
    if size < MIN_SIZE:
        raise InputError(f"a network from scratch takes views of {MIN_SIZE} px or more; got {size}")
    if architecture == "vgg11":
        return nn.Sequential(*_vgg11_features(), *_classifier(512, min(7, max(2, size // 32)), num_outputs))
    if architecture == "alexnet":
        stride = 2 if size < 128 else 4
        grid = min(6, max(3, size // stride // 8 - 1))
        return nn.Sequential(*_alexnet_features(stride), *_classifier(256, grid, num_outputs))
    if architecture == "fabnet":
        try:
            encoder = Encoder(size)
        except ValueError as error:
            raise InputError(str(error)) from None
        return nn.Sequential(encoder, nn.BatchNorm1d(256), nn.Linear(256, num_outputs, bias=False))
    raise InputError(f"no architecture is called {architecture!r}; expected vgg11, alexnet or fabnet")


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]


def _vgg11_features() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for step in VGG11:
        if isinstance(step, int):
            layers += _convolution(channels, step, 3)
            channels = step
        else:
            layers.append(nn.MaxPool2d(2))
    return layers


def _alexnet_features(stride: int) -> list[nn.Module]:
    return [
        *_convolution(3, 64, 11, stride), nn.MaxPool2d(3, 2),
        *_convolution(64, 192, 5), nn.MaxPool2d(3, 2),
        *_convolution(192, 384, 3), *_convolution(384, 256, 3), *_convolution(256, 256, 3), nn.MaxPool2d(3, 2),
    ]  # fmt: skip


def _classifier(channels: int, grid: int, num_outputs: int) -> list[nn.Module]:
    """The head of both classic networks: two hidden layers of 4,096 with dropout."""
    return [
        nn.AdaptiveAvgPool2d(grid), nn.Flatten(),
        nn.Dropout(), nn.Linear(channels * grid**2, HIDDEN), nn.ReLU(inplace=True),
        nn.Dropout(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(inplace=True),
        nn.Linear(HIDDEN, num_outputs),
    ]  # fmt: skip


class ScratchNet:
    """A network fitted by `fit_scratch`.

    Attributes:
        network: in eval mode, with the weights of the chosen epoch.
        epoch: the chosen epoch, counted from 1.
        val_losses: validation loss of every epoch.
    """

    def __init__(self, network: nn.Module, device: torch.device, precision: torch.dtype) -> None:
        self.network = network
        self.epoch, self.val_losses = 0, list[float]()
        self._device, self._precision = device, precision

    def predict(self, views: Matrix, *, batch_size: int = 256) -> np.ndarray:
        """Predict.

        Args:
            views: (N, S, S, 3) uint8 RGB, N 1 or more.
            batch_size: views per batch.

        Returns:
            (N, K) float64, in the units of the learned targets; logits for classes and units.
        """
        self.network.eval()
        with torch.inference_mode():
            parts = [self._forward(views[first : first + batch_size]) for first in range(0, len(views), batch_size)]
        return np.asarray(torch.cat(parts).double().cpu().numpy())

    def _forward(self, views: np.ndarray, flip: torch.Tensor | None = None) -> torch.Tensor:
        images = torch.from_numpy(np.ascontiguousarray(views)).to(self._device).permute(0, 3, 1, 2).float() / 255
        if flip is not None:
            images = torch.where(flip.to(self._device)[:, None, None, None], images.flip(3), images)
        images = images.contiguous(memory_format=torch.channels_last)
        with autocast(self._device, self._precision):
            return self.network(images).float()  # type: ignore[no-any-return]


def fit_scratch(
    architecture: Architecture,
    views: Matrix,
    targets: np.ndarray,
    *,
    loss: Loss,
    val: np.ndarray,
    is_mirrorable: bool = False,
    epochs: int = 40,
    batch_size: int = 64,
    learning_rate: float = 3e-4,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> ScratchNet:
    """Train a network from random weights on a task's labels and keep the epoch with the lowest validation loss.

    Uses Adam. Classes and units are weighted by inverse frequency in the training faces.

    Args:
        architecture: "vgg11", "alexnet" or "fabnet".
        views: (N, S, S, 3) uint8 RGB, training and validation faces as the network sees them.
        targets: (N, K) float, NaN without a label. Points: in [-1, 1] coordinates of the view. Angles: radians.
            Classes: (N, 1) numbers from 0. Units: 0 or 1. Values: standardised.
        loss: training loss.
        val: (N,) bool, the faces that the epoch is chosen on; the others train.
        is_mirrorable: whether a mirrored face has the same label: half of the faces are then mirrored in training.
        epochs: number of epochs.
        batch_size: faces per step.
        learning_rate: Adam's; at 1e-3 VGG-11 starts badly.
        seed: seed of weights, order, mirroring and dropout.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto" (bf16 if the processor has it), "fp32" or "bf16".

    Returns:
        The fitted network.

    Raises:
        InputError: the inputs differ in length, too few faces, or the network does not support this size.
        TrainingError: the validation loss is not finite.
    """
    targets = np.asarray(targets, dtype=np.float64)
    fit, held = _parts(views, targets, val)
    place = choose_device(device)
    all_weights = np.zeros(targets.shape)
    all_weights[fit] = loss.weights(targets[fit])
    wanted, weights = (torch.from_numpy(part).float().to(place) for part in (np.nan_to_num(targets), all_weights))
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        network = build_network(architecture, views.shape[1], loss.num_outputs(targets))
        network = network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        net = ScratchNet(network, place, choose_precision(precision, place))
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        order = np.random.default_rng(seed)
        best = copy.deepcopy(network.state_dict())
        with progress(f"{architecture} from scratch", total=epochs, unit="epochs") as bar:
            for epoch in range(1, epochs + 1):
                network.train()
                shuffled = order.permutation(fit)
                for first in range(0, len(fit), batch_size):
                    batch = shuffled[first : first + batch_size]
                    if len(batch) < 2:  # batch-norm cannot normalise a single face
                        continue
                    flip = torch.rand(len(batch)) < 0.5 if is_mirrorable else None
                    step_loss = loss.batch_mean(net._forward(views[batch], flip), wanted[batch], weights[batch])
                    optimizer.zero_grad(set_to_none=True)
                    step_loss.backward()
                    optimizer.step()
                val_loss = loss.mean(net.predict(Selected(views, held)), targets[held])
                if not math.isfinite(val_loss):
                    raise TrainingError(
                        f"{architecture} from scratch: the validation loss is {val_loss} in epoch {epoch}"
                    )
                if not net.val_losses or val_loss < min(net.val_losses):
                    best, net.epoch = copy.deepcopy(network.state_dict()), epoch
                net.val_losses.append(val_loss)
                bar.update(completed=epoch, note=f"val loss {val_loss:.4f}, best at {net.epoch}")
    network.load_state_dict(best)
    network.eval()
    return net


def _parts(views: Matrix, targets: np.ndarray, val: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the labelled faces to train on and to validate on."""
    if len(views.shape) != 4 or views.shape[3] != 3 or views.shape[1] != views.shape[2] or views.dtype != np.uint8:
        raise InputError(f"expected views (N, S, S, 3) uint8 RGB; got {views.shape} {views.dtype}")
    if not len(views) == len(targets) == len(val):
        raise InputError(
            f"got {len(views)} views, {len(targets)} targets and {len(val)} in val; expected equal numbers"
        )
    has_label = np.isfinite(targets).any(axis=1)
    fit, held = np.flatnonzero(~val & has_label), np.flatnonzero(val & has_label)
    if len(fit) < 2 or len(held) < 1:
        raise InputError(
            f"training from scratch needs labelled faces to train and to validate on; got {len(fit)} and {len(held)}"
        )
    return fit, held
