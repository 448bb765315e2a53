"""What is published: the wheel, the source distribution, and an installation from nothing but Python."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

from fabnet.version import VERSION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 60e6
"""Bytes of a published file."""
BUILD = "import sys; from setuptools import build_meta as build; print(getattr(build, sys.argv[1])(sys.argv[2]))"
STRAYS = (
    "fabnet/weights/small/notes.txt", "fabnet/weights/small/.cache", "fabnet/clips/own.mp4", "fabnet/reading/talk.csv",
    "fabnet/reading/__pycache__/read.cpython-311.pyc", "fabnet/old/data.npy", "fabnet-demo/run/config.json",
    "faces.lance/data.lance", ".venv/lib/site.py", "talk.csv",
)  # fmt: skip
"""Files in a working folder that nobody else should get."""
BESIDE = {
    "CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg",
    "setup.py",
}  # fmt: skip
"""Files of the source distribution that lie beside the package."""
SHIPPED = {
    "small": "model.safetensors",
    "base": "model.safetensors",
    "small-paper": "config.json",
    "yunet": "yunet.onnx",
}


def build(hook: str, source: Path, out: Path) -> Path:
    """Build in a folder, as a front end does, with the setuptools that is installed; without a network."""
    command = [sys.executable, "-c", BUILD, hook, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def files() -> set[str]:
    """The project's own files below fabnet/."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git clone: the project's own files are not known")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def sdist(files: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of a working folder in which other files lie, too."""
    source = tmp_path_factory.mktemp("work")
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for name in STRAYS:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("mine")
    return build("build_sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the source distribution."""
    place = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    (source,) = place.iterdir()
    return build("build_wheel", source, tmp_path_factory.mktemp("wheel"))


def contents(path: Path) -> dict[str, bytes]:
    """Return the files of a distribution by name."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")}
    found = {}
    with tarfile.open(path) as archive:
        for entry in archive:
            if (file := archive.extractfile(entry)) is not None:
                found[str(PurePosixPath(*PurePosixPath(entry.name).parts[1:]))] = file.read()
    return found


def packaged(files: set[str]) -> set[str]:
    return {name for name in files if name.startswith("fabnet/")}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path, files: set[str]) -> None:
    assert wheel.name == f"fabnet-{VERSION}-py3-none-any.whl"
    assert wheel.stat().st_size < LARGEST
    found = contents(wheel)
    assert {name for name in found if ".dist-info/" not in name} == packaged(files)
    assert "fabnet/clips/smiling.mp4" in found
    assert {f"fabnet/weights/{folder}/{file}" for folder, file in SHIPPED.items()} <= found.keys()


def test_the_source_distribution_holds_what_the_wheel_needs_and_nothing_else(sdist: Path, files: set[str]) -> None:
    assert sdist.name == f"fabnet-{VERSION}.tar.gz"
    assert sdist.stat().st_size < LARGEST
    found = set(contents(sdist))
    assert {name for name in found if name.startswith("fabnet/")} == packaged(files)
    assert {name for name in found if "/" not in name} == BESIDE
    assert {name.partition("/")[0] for name in found if "/" in name} == {"fabnet", "fabnet.egg-info"}


def test_no_large_file_is_published_twice(sdist: Path, wheel: Path) -> None:
    for path in (sdist, wheel):
        names: dict[str, list[str]] = {}
        for name, content in contents(path).items():
            if len(content) > 10_000:
                names.setdefault(hashlib.sha256(content).hexdigest(), []).append(name)
        assert [each for each in names.values() if len(each) > 1] == []


def metadata(wheel: Path) -> Message:
    return Parser().parsestr(contents(wheel)[f"fabnet-{VERSION}.dist-info/METADATA"].decode())


def test_the_description_works_on_an_index_page(wheel: Path) -> None:
    found = metadata(wheel)
    assert found["Description-Content-Type"] == "text/markdown"
    text = str(found.get_payload())
    assert text.lstrip().startswith("# fabnet")
    assert "pip install" in text
    targets = re.findall(r"\]\(([^)]*)\)|\b(?:src|href)=\"([^\"]*)\"", text)
    assert [target for pair in targets for target in pair if target and not re.match(r"https://|#", target)] == []
    for each in found.get_all("Project-URL", []):
        assert re.fullmatch(r"[A-Za-z ]+, https://[^ ]+", each)


def test_the_licences_and_the_bounds_are_stated(wheel: Path) -> None:
    found = metadata(wheel)
    assert found["License-Expression"] == "MIT AND LicenseRef-fabnet-weights"
    assert {"LICENSE", "fabnet/weights/NOTICE.md", "fabnet/clips/LICENSE.txt"} <= set(found.get_all("License-File", []))
    assert found["Requires-Python"] == ">=3.11"
    needed = [each for each in found.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert [each for each in needed if not re.search(r">=\d", each)] == []  # a lower bound each
    assert not re.search(r"^(torch|dlib|scipy|matplotlib|ray)\b", "\n".join(needed), re.MULTILINE)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel and what it needs, from the index: its folder of commands."""
    place = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=300)
    commands = place / ("Scripts" if sys.platform == "win32" else "bin")
    one = next(
        line for line in (ROOT / "requirements/full.txt").read_text().splitlines() if line.startswith("filelock")
    )
    tried = pip(commands, "download", "--no-deps", "--retries=0", "--dest", str(place), one)
    if tried.returncode:
        pytest.skip(f"no package index can be reached: {tried.stderr.splitlines()[-1:]}")
    done = pip(commands, "install", str(wheel))
    assert done.returncode == 0, done.stderr
    return commands


def pip(commands: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(commands / "python"), "-m", "pip", *arguments, "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, timeout=3600)


def fabnet(commands: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder that holds no code, as a user without PYTHON* variables would."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(commands / "fabnet"), *arguments]
    return subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, timeout=1800)


def test_a_fresh_installation_reads_a_photo(installed: Path, smiling: Path, tmp_path: Path) -> None:
    import cv2

    from fabnet.video.decode import read_frames

    photo = next(iter(read_frames(smiling))).image
    assert cv2.imwrite(str(tmp_path / "photo.jpg"), photo[:, :, ::-1])
    assert fabnet(installed, tmp_path, "--version").stdout == f"{VERSION}\n"
    done = fabnet(installed, tmp_path, "read", "photo.jpg", "--out", "photo.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["faces"] == 1
    with (tmp_path / "photo.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert abs(float(row["pose_yaw_deg"])) < 90


def test_a_fresh_installation_says_what_the_demo_needs(installed: Path, tmp_path: Path) -> None:
    if subprocess.run([installed / "python", "-c", "import torch"], capture_output=True).returncode == 0:
        pytest.skip("torch is installed already")
    done = fabnet(installed, tmp_path, "demo")
    assert (done.returncode, done.stdout) == (9, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'fabnet[train]'" in done.stderr
    assert list(tmp_path.iterdir()) == []  # nothing is begun that cannot be finished


def test_a_fresh_installation_with_train_runs_the_demo(installed: Path, wheel: Path, tmp_path: Path) -> None:
    done = pip(installed, "install", "--constraint", str(ROOT / "requirements/full.txt"), f"{wheel}[train]")
    assert done.returncode == 0, done.stderr
    done = fabnet(installed, tmp_path, "demo", "--minutes", "0.2", "--json")
    assert done.returncode == 0, done.stderr
    assert Path(json.loads(done.stdout)["page"]).is_file()
