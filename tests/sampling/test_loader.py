from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from fabnet.errors import StoreError, TrainingError
from fabnet.sampling.loader import next_frames


def failing(error: Exception) -> Iterator[torch.Tensor]:
    yield from ()
    raise error


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
def test_a_worker_that_dies_while_it_hands_frames_over_is_reported(error: Exception) -> None:
    with pytest.raises(TrainingError, match=r"worker died .* --resume"):
        next_frames(failing(error))


def test_a_lost_connection_of_a_living_worker_is_not_its_death() -> None:
    with pytest.raises(ConnectionResetError, match="the store's server"):
        next_frames(failing(ConnectionResetError("Caught it in DataLoader worker process 0: the store's server")))


def test_a_workers_error_comes_with_its_message_alone() -> None:
    text = "Caught StoreError in DataLoader worker process 0.\nTraceback\nfabnet.errors.StoreError: row 3 is damaged"
    with pytest.raises(StoreError, match=r"^row 3 is damaged$"):
        next_frames(failing(StoreError(text)))
