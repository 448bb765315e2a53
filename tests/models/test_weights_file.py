"""Files of weights are checked for their size and the size of their header before they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fabnet.errors import InputError
from fabnet.models.weights_file import bytes_of, check_safetensors


def test_the_limit_has_room_for_doubles_and_a_header(tmp_path: Path) -> None:
    tensors = [torch.zeros(3, 5, dtype=torch.float64), torch.zeros(7), torch.zeros(())]
    assert bytes_of(tensors) == 8 * (15 + 7 + 1) + 2**20
    file = tmp_path / "a.safetensors"
    save_file({str(number): each for number, each in enumerate(tensors)}, file)
    check_safetensors(file, bytes_of(tensors))


def test_large_files_and_headers_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    check_safetensors(file)  # a missing one is reported where it is loaded
    file.write_bytes((2**24).to_bytes(8, "little") + b"{}")
    check_safetensors(file)
    with pytest.raises(InputError, match="9"):
        check_safetensors(file, 9)
    file.write_bytes((2**24 + 1).to_bytes(8, "little") + b"{}")
    with pytest.raises(InputError, match="has a header of 16,777,217 bytes; the limit is 16,777,216"):
        check_safetensors(file)
