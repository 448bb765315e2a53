"""`scripts/reproduce` and the page that describes it: every command, on small data in the layouts of the releases."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import tyro

import fabnet
from fabnet.cli import VERBS
from fabnet.cli.flags import registry
from fabnet.store.split import split_of
from fabnet.store.track_store import open_store
from fabnet.video.decode import read_frames

from .encoders.test_baseline_encoders import narrow_weights, write_pth

ROOT = Path(fabnet.__file__).parent.parent
PAGE = ROOT / "docs" / "reproducing.md"
SCRIPT = ROOT / "scripts" / "reproduce"
MODELS = ("single", "curriculum", "three")
SETS = ("mafl", "300w", "aflw", "emotionet", "affectnet")
SIZES = "--size 16 --width 4 --embedding-dim 16 --batch-size 4 --max-steps 4 --num-val-pairs 4 --num-workers 0"
OPTIONS = {
    "IMPORT": "--fps 10 --size 64 --num-workers 0",
    "TRAIN": SIZES,
    "PROBE": "--seeds 1 --cache cache --num-workers 1",
    "SCRATCH": "32",
}
LOGS = """
import json, sys
with open({log!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
"""
RUNS = """
from fabnet.cli import main
if __name__ == "__main__":
    code = main()
    if code == 0:
        with open({log!r}, "a") as file:
            file.write(json.dumps(sys.argv[1:]) + "\\n")
    sys.exit(code)
"""


def commands_of(page: str) -> list[list[str]]:
    """The words of each fabnet command in the page's bash blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("fabnet ")]
    return [shlex.split(line.partition(" > ")[0])[1:] for line in lines]


def is_within(words: list[str], others: list[str]) -> bool:
    """Whether the words occur among the others, in their order."""
    rest = iter(others)
    return all(word in rest for word in words)


def reproduced(
    folder: Path, bin_folder: Path, *steps: str, does_run: bool = True, **changes: str
) -> tuple[list[list[str]], str]:
    """Run the script in a folder.

    Args:
        folder: the data.
        bin_folder: a folder for the command `fabnet`.
        steps: steps of the script.
        does_run: whether `fabnet` runs; else it only notes its arguments.
        changes: variables that differ from `OPTIONS`.

    Returns:
        The arguments of each command, those that ended well if they run, and what was printed.
    """
    bin_folder.mkdir(exist_ok=True)
    log, program = bin_folder / "log", bin_folder / "program.py"
    log.write_text("")
    program.write_text(("import json, sys" + RUNS if does_run else LOGS).format(log=str(log)))
    command = bin_folder / "fabnet"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
    command.chmod(0o755)
    path = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    done = subprocess.run(
        [SCRIPT, folder, *steps], env=os.environ | path | OPTIONS | changes, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in log.read_text().splitlines()], done.stdout + done.stderr


def test_every_command_of_page_and_script_has_flags_that_exist(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "vgg_face_dag.pth").touch()
    ran, _ = reproduced(tmp_path / "data", tmp_path / "bin", does_run=False, **dict.fromkeys(OPTIONS, ""))
    assert len(ran) == 1 + 6 + len(SETS) * (len(MODELS) + 1) + 2 * 3 + 2 + 4 + 6
    page = commands_of(PAGE.read_text())
    assert [words for words in page if words[0] == "train"] == [
        ["train", "voxceleb.lance", "--out", "single", "--preset", "paper"],
        ["train", "voxceleb.lance", "--out", "curriculum", "--preset", "paper", "--curriculum"],
        ["train", "voxceleb.lance", "--out", "three", "--preset", "paper", "--curriculum", "--sources", "3"]
        + ["--init", "curriculum"],
    ]
    assert len(page) == 1 + 3 + 5 + 4 + 6
    for words in page + ran:
        words = [word for word in words if word != "--json"]
        module = import_module(VERBS[words[0]][0])
        run = module.command_for(words[1:], {}) if hasattr(module, "command_for") else module.run
        only_parsed = functools.wraps(run)(lambda *values, **named: None)
        tyro.cli(only_parsed, args=words[1:], registry=registry())  # a wrong flag ends the process
    for words in page:
        assert any(is_within(words, others) for others in ran), f"scripts/reproduce does not run {shlex.join(words)}"


def test_an_unknown_step_is_named(tmp_path: Path) -> None:
    done = subprocess.run([SCRIPT, tmp_path, "table"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("scripts/reproduce: no step is called table; there are store, train, baselines")
    assert "FOLDER holds the data" in subprocess.run([SCRIPT], capture_output=True, text=True).stderr


@pytest.fixture(scope="module")
def pictures(smiling: Path) -> list[np.ndarray]:
    """36 frames of a face, 192 x 192, BGR."""
    return [frame.image[:, :, ::-1] for frame in read_frames(smiling)][:72:2]


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_voxceleb(data: Path, second: Path, pictures: list[np.ndarray]) -> None:
    """Speakers of both releases in every split, two tracks each."""
    numbers = [*range(10001, 10200), *range(12, 400)]
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        chosen = [f"id{number:05d}" for number in numbers if split_of(f"id{number:05d}") == split]
        new = [name for name in chosen if int(name[2:]) < 10001][:count]
        for name in new:
            for track in ("00001", "00002"):
                place = data / "voxceleb/dev/mp4" / name / "21Uxsk56VDQ" / f"{track}.mp4"
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(second, place)
        (old,) = [name for name in chosen if int(name[2:]) >= 10001][:1]
        for number in range(6):
            file = data / f"voxceleb/unzippedFaces/Name_{split}/1.6/video{split}/{number:07d}.jpg"
            write(file, pictures[number][20:164, 20:164])
        with (data / "vox1_meta.csv").open("a") as meta:
            if meta.tell() == 0:
                meta.write("VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n")
            meta.write(f"{old}\tName_{split}\tm\tUSA\tdev\n")


def write_points(data: Path, pictures: list[np.ndarray]) -> None:
    """MAFL and 300-W."""
    random = np.random.default_rng(0)
    names = [f"{number:06d}.jpg" for number in range(1, len(pictures) + 1)]
    lines = [str(len(names)), "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y lm_x lm_y rm_x rm_y"]
    for name, picture in zip(names, pictures, strict=True):
        write(data / "mafl/Img/img_align_celeba" / name, cv2.resize(picture, (178, 218)))
        moved = np.array([69, 109, 106, 113, 77, 142, 73, 152, 108, 154]) + random.integers(-4, 5, 10)
        lines.append(f"{name}  " + " ".join(map(str, moved)))
    (data / "mafl/Anno").mkdir()
    (data / "mafl/Anno/list_landmarks_align_celeba.txt").write_text("\n".join(lines) + "\n")
    (data / "mafl/MAFL").mkdir()
    (data / "mafl/MAFL/training.txt").write_text("\n".join(names[:24]) + "\n")
    (data / "mafl/MAFL/testing.txt").write_text("\n".join(names[24:]) + "\n")
    parts = ("lfpw/trainset", "helen/trainset", "afw", "lfpw/testset", "helen/testset", "ibug")
    for number, picture in enumerate(pictures):
        file = data / "300w" / parts[number % 6] / f"image_{number}.jpg"
        write(file, picture)
        points = np.random.default_rng(7).uniform(40, 150, (68, 2)) + random.normal(0, 2, (68, 2))
        text = "\n".join(f"{x:.3f} {y:.3f}" for x, y in points)
        file.with_suffix(".pts").write_text(f"version: 1\nn_points:  68\n{{\n{text}\n}}\n")


def write_labels(data: Path, pictures: list[np.ndarray]) -> None:
    """AFLW, EmotioNet and AffectNet."""
    random = np.random.default_rng(0)
    for number, picture in enumerate(pictures):
        write(data / f"aflw/flickr/0/image{number:05d}.jpg", picture)
        write(data / f"emotionet/images/N_{number}.jpg", picture)
        write(data / f"affectnet/Manually_Annotated_Images/1/{number}.jpg", picture)
    with closing(sqlite3.connect(data / "aflw/aflw.sqlite")) as base:
        base.executescript("""
            CREATE TABLE Faces (face_id INTEGER PRIMARY KEY, file_id TEXT, db_id TEXT);
            CREATE TABLE FaceImages (image_id INTEGER PRIMARY KEY, db_id TEXT, file_id TEXT, filepath TEXT, bw INTEGER,
                                     width INTEGER, height INTEGER);
            CREATE TABLE FacePose (face_id INTEGER, roll REAL, pitch REAL, yaw REAL, annot_type_id INTEGER);
            CREATE TABLE FaceRect (face_id INTEGER, x INTEGER, y INTEGER, w INTEGER, h INTEGER, annot_type_id INTEGER);
        """)
        for number in range(len(pictures)):
            name = f"image{number:05d}.jpg"
            base.execute(f"INSERT INTO FaceImages VALUES ({number}, 'AFLW', '{name}', '0/{name}', 0, 192, 192)")
            base.execute(f"INSERT INTO Faces VALUES ({number}, '{name}', 'AFLW')")
            base.execute("INSERT INTO FacePose VALUES (?, ?, ?, ?, 1)", (number, *random.normal(0, 0.3, 3)))
            base.execute(f"INSERT INTO FaceRect VALUES ({number}, 40, 40, 110, 110, 1)")
        base.commit()
    rows = []
    for number in range(len(pictures)):
        units = [str(int(random.random() < 0.5)) for _ in range(60)]
        rows.append("\t".join([f"http://x/N_{number}.jpg", "http://y/x.jpg", *units]))
    header = "\t".join(["URL", "URL_orig", *(f"AU{unit}" for unit in range(1, 61))])
    (data / "emotionet/dataFile_0001.txt").write_text("\n".join([header, *rows[:24]]) + "\n")
    (data / "emotionet/dataFile_1000.txt").write_text("\n".join([header, *rows[24:]]) + "\n")
    for name, chosen in (("training", range(24)), ("validation", range(24, len(pictures)))):
        lines = [f"1/{number}.jpg,40,40,110,110,1.0;2.0,{number % 8},0,0" for number in chosen]
        (data / f"affectnet/{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_the_whole_paper_on_small_data(second: Path, pictures: list[np.ndarray], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_voxceleb(data, second, pictures)
    write_points(data, pictures)
    write_labels(data, pictures)
    write_pth(narrow_weights(), data / "vgg_face_dag.pth")

    ran, said = reproduced(data, tmp_path / "bin")
    for words in commands_of(PAGE.read_text()):
        assert any(is_within(words, others) for others in ran), f"{shlex.join(words)} did not run"
    assert "Traceback" not in said
    tracks = open_store(data / "voxceleb.lance").index(min_frames=1)
    assert set(tracks.split.tolist()) == {"train", "val", "test"}
    assert all(split == split_of(name) for name, split in zip(tracks.identity, tracks.split, strict=True))
    results = {file.stem: json.loads(file.read_text()) for file in (data / "results").iterdir()}
    expected = {f"{name}-{model}" for name in SETS for model in (*MODELS, "vgg-face-vgg_face_dag-pth")}
    expected |= {f"{name}-{model}" for name in SETS[3:] for model in ("rotnet", "splitbrain", "autoencoder")}
    assert set(results) == expected | {"emotionet-scratch-vgg11-32", "affectnet-scratch-alexnet-32"}
    assert all(found["split"] == "test" and found["results"] for found in results.values())
    for number in (1, 2, 3, 4):
        table = (data / f"tables/table{number}.csv").read_text()
        assert all(model in table for model in MODELS)
        assert ("rotnet" in table) == (number > 2)
    figures = {str(file.relative_to(data / "figures")) for file in (data / "figures").rglob("*.pdf")}
    assert figures == {
        "architecture.pdf", "mafl/landmarks.pdf", "300w/landmarks.pdf", "confidence.pdf", "retrieval.pdf",
    }  # fmt: skip

    again, _ = reproduced(data, tmp_path / "bin", "train", "baselines", "tables")
    assert [words[0] for words in again] == ["table"] * 4  # what is finished is left out


@pytest.mark.slow
def test_an_interrupted_run_is_resumed(second: Path, pictures: list[np.ndarray], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_voxceleb(data, second, pictures)
    reproduced(data, tmp_path / "bin", "store", "train")
    steps = json.loads((data / "three.json").read_text())["steps"]
    (data / "three.json").unlink()
    ran, _ = reproduced(data, tmp_path / "bin", "train", TRAIN="--max-steps 6 --num-workers 0")
    assert [("--resume" in words, words[3]) for words in ran] == [(True, "three")]
    assert (steps, json.loads((data / "three.json").read_text())["steps"]) == (4, 6)
