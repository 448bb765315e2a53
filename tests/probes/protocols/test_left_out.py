from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.protocols.registry import read_benchmark


def test_rows_whose_pictures_cannot_be_read_are_left_out_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((9, 9, 3), number, np.uint8))
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("about")
    (folder / "dangling.png").symlink_to("gone")
    (folder / "out.png").symlink_to(__file__)
    (folder / "folder.png").mkdir()
    bad = ["empty", "text", "dangling", "out", "folder", "nowhere"]
    names = ["0", "empty", "text", "1", "dangling", "out", "folder", "nowhere", "2"]
    lines = [f"{name}.png,{number},p{number}" for number, name in enumerate(names)]
    (tmp_path / "own.csv").write_text("\n".join(["path,age,subject", *lines]))
    benchmark = read_benchmark(str(tmp_path / "own.csv"), folder)
    assert benchmark.names == ["0.png", "1.png", "2.png"]
    assert benchmark.tasks[0].targets.ravel().tolist() == [0, 3, 8]
    assert benchmark.people is not None
    assert benchmark.people.tolist() == ["p0", "p3", "p8"]
    assert [name for name, _ in benchmark.left_out] == [f"{name}.png" for name in bad]
    assert all(reason for _, reason in benchmark.left_out)
    (tmp_path / "own.csv").write_text("path,age\nnowhere.png,3\n")
    with pytest.raises(InputError, match="1 of 1 labelled images are missing"):
        read_benchmark(str(tmp_path / "own.csv"), folder)
