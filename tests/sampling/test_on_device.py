"""Frames are copied to a CUDA device beside its work, and arrive whole."""

from __future__ import annotations

import pytest
import torch

from fabnet.sampling.on_device import on_device


def test_on_a_cpu_frames_stay_as_they_are() -> None:
    frames = iter([torch.zeros(2)])
    assert on_device(frames, torch.device("cpu")) is frames


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.gpu
def test_on_cuda_no_frame_is_read_early_or_overwritten() -> None:
    device = torch.device("cuda:0")
    given = [torch.full((8, 2, 64, 64, 3), number, dtype=torch.uint8).pin_memory() for number in range(50)]
    sums = []
    torch.cuda.set_sync_debug_mode("error")
    try:
        for frames in on_device(iter(given), device):
            assert frames.device == device
            torch.cuda._sleep(5_000_000)  # the steps are slower than the copies, which get ahead
            sums.append(frames.sum(dtype=torch.int64))
            del frames  # its memory is free for the copies to come
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.stack(sums).tolist() == [int(each.sum(dtype=torch.int64)) for each in given]
