"""What `read` is given and where it writes: inputs that are missing, corrupt or odd, outputs, and what it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from fabnet.video.decode import read_frames


@pytest.fixture(scope="module")
def photo(carphone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of a face: the clip's first frame."""
    file = tmp_path_factory.mktemp("photo") / "photo.png"
    cv2.imwrite(str(file), next(iter(read_frames(carphone))).image[:, :, ::-1])
    return file


def loaded(*args: object) -> set[str]:
    """The large packages that a process has loaded after a verb."""
    code = """if True:
        import json, sys
        from fabnet.cli import main
        assert main(sys.argv[1:]) == 0
        print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"""
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=True, timeout=120
    )
    return {"torch", "lance", "av", "pandas", "scipy", "sklearn"} & set(json.loads(ended.stdout.splitlines()[-1]))


def test_what_is_not_needed_is_not_loaded(photo: Path, second: Path, tmp_path: Path) -> None:
    assert loaded("read", photo, "--out", tmp_path / "faces.csv") == set()
    assert loaded("read", photo, "--out", tmp_path / "faces.parquet") == set()
    assert loaded("read", second, "--out", tmp_path / "faces.csv") == {"av"}
