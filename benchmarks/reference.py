"""The yardstick: FAb-Net's training step and encoder written in the plainest way, and the machine's own ceilings.

Eager float32, contiguous tensors, source and target in one batch, upsample then convolve, one decode a pair, Adam as
it comes. Nothing of fabnet is used, so nothing done there makes it faster or slower.

Run: python benchmarks/reference.py [--size 256] [--batch-size 8]
"""

from __future__ import annotations

import argparse

import torch
from measure import interleaved, timed
from torch import nn
from torch.nn import functional as F

__all__ = ["PlainDecoder", "PlainEncoder", "PlainTraining", "copy_ceiling", "matrix_ceiling"]


class PlainEncoder(nn.Sequential):
    """(B, 3, size, size) float32 to (B, 256, 1, 1)."""

    def __init__(self, size: int, width: int = 32) -> None:
        blocks = size.bit_length() - 1
        channels = [3] + [min(width * 2**i, width * 8) for i in range(blocks - 1)] + [256]
        layers: list[nn.Module] = []
        for i in range(blocks):
            layers.append(nn.Conv2d(channels[i], channels[i + 1], 4, stride=2, padding=1))
            if 0 < i < blocks - 1:
                layers.append(nn.BatchNorm2d(channels[i + 1]))
            if i < blocks - 1:
                layers.append(nn.LeakyReLU(0.2))
        super().__init__(*layers)


class PlainDecoder(nn.Sequential):
    """(B, 512, 1, 1) float32 to a flow (B, 2, size, size)."""

    def __init__(self, size: int, width: int = 32) -> None:
        blocks = size.bit_length() - 1
        channels = [512] + [min(width * 2**i, width * 8) for i in reversed(range(blocks - 1))] + [2]
        layers: list[nn.Module] = []
        for i in range(blocks):
            layers += [nn.ReLU(), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)]
            layers.append(nn.Conv2d(channels[i], channels[i + 1], 3, padding=1))
            if i < blocks - 1:
                layers.append(nn.BatchNorm2d(channels[i + 1]))
        super().__init__(*layers, nn.Tanh())


class PlainTraining:
    """Steps of one source a target on images in memory."""

    def __init__(self, size: int, batch_size: int, *, width: int = 32, learning_rate: float = 1e-3) -> None:
        self.encoder, self.decoder = PlainEncoder(size, width), PlainDecoder(size, width)
        axis = torch.linspace(-1, 1, size)
        self.grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
        self.optimizer = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], learning_rate)
        generator = torch.Generator().manual_seed(0)
        shape = (batch_size, 2, size, size, 3)
        self.frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

    def losses(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 2, H, W, 3) uint8, target then source, to (B,) losses."""
        images = frames.permute(0, 1, 4, 2, 3).contiguous().float() / 255
        target, source = images[:, 0], images[:, 1]
        embeddings = self.encoder(torch.cat([source, target]))
        flow = self.decoder(torch.cat(embeddings.chunk(2), dim=1))
        grid = (self.grid + flow.permute(0, 2, 3, 1)).clamp(-1, 1)
        warped = F.grid_sample(source, grid, padding_mode="border", align_corners=True)
        return (warped - target).abs().mean(dim=(1, 2, 3))

    def step(self, frames: torch.Tensor | None = None) -> float:
        """One step; without frames, on the same random ones each time."""
        loss = self.losses(self.frames if frames is None else frames).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())


def matrix_ceiling(dtype: torch.dtype = torch.float32, *, side: int = 2048, repeats: int = 7) -> float:
    """FLOP a second of a large matrix product: the best of some repeats."""
    left, right = torch.randn(2, side, side).to(dtype)
    return max(2 * side**3 / timed(lambda: left @ right) for _ in range(repeats))


def copy_ceiling(*, mebibytes: int = 256, repeats: int = 7) -> float:
    """Bytes a second, read and written, of a large copy in memory: the best of some repeats."""
    source = torch.ones(mebibytes * 2**20, dtype=torch.uint8)
    target = torch.empty_like(source)
    return max(2 * source.numel() / timed(lambda: target.copy_(source)) for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=8)
    options = parser.parse_args()
    training = PlainTraining(options.size, options.batch_size)
    encoder = training.encoder.eval()
    images = torch.rand(options.batch_size, 3, options.size, options.size)

    def embed() -> None:
        with torch.no_grad():
            encoder(images)

    timings = interleaved({"training step": training.step, "encoder": embed})
    for name, timing in timings.items():
        print(f"{name}: {timing.rate(options.batch_size)} images or pairs a second")
    print(f"matrix product: {matrix_ceiling() / 1e9:.0f} GFLOP/s float32, ", end="")
    print(f"{matrix_ceiling(torch.bfloat16) / 1e9:.0f} bfloat16; copy: {copy_ceiling() / 1e9:.0f} GB/s")


if __name__ == "__main__":
    main()
