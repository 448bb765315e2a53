"""Batch-norm over the global batch of several processes.

torch's own SyncBatchNorm does not support CPU tensors; a differentiable sum over the processes works on CPU and CUDA.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn

__all__ = ["GlobalBatchNorm2d", "with_global_batch_norm"]


class _SumOverProcesses(torch.autograd.Function):
    """Sums a tensor over all processes, and its gradients too, because each process's loss depends on the sum."""

    @staticmethod
    def forward(context: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose mean and variance in training are taken over the samples of all processes.

    Every process must have the same number of samples, and all must call the layers in the same order. In eval mode, or
    in a single process, it is the same as `BatchNorm2d`; weights and their names are the same.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise.

        Args:
            input: (B, C, H, W) float, this process's samples.

        Returns:
            (B, C, H, W), same dtype.
        """
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        # Two passes, because squares of uncentred values would lose digits.
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        count = values.numel() // values.shape[1] * dist.get_world_size()
        mean = _SumOverProcesses.apply(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = _SumOverProcesses.apply(centred.square().sum(dim=(0, 2, 3))) / count
        self._track(mean.detach(), variance.detach(), count)
        scale = (variance + self.eps).rsqrt() * self.weight
        normalised: torch.Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_((variance * count / max(count - 1, 1)).to(self.running_var.dtype), self.momentum)


def with_global_batch_norm(network: nn.Module) -> nn.Module:
    """Turn every BatchNorm2d of a network into a `GlobalBatchNorm2d`, in place; the weights are the same tensors."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
    return network
