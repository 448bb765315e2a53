"""What `info` says of datasets, tables, runs, models and probes, and of files that are none of these."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import fabnet
from fabnet.cli import main
from fabnet.encoders.digest import model_digest
from fabnet.errors import InputError
from fabnet.retrieval.gallery import Gallery
from fabnet.upkeep.counting import MOST_COUNTED, count_names

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture(scope="module")
def faces(second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embeddings dataset of two videos with the same ten frames, with attributes."""
    folder = tmp_path_factory.mktemp("two")
    for name in "ab":
        shutil.copy(second, folder / f"{name}.mp4")
    fabnet.embed(folder, folder / "faces.lance", attributes=True, fps=5)
    return folder / "faces.lance"


@pytest.fixture(scope="module")
def readings(second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("read") / "talk.parquet"
    fabnet.read_to(second, out, faces="all", embedding=True)
    return out


def told(capsys: pytest.CaptureFixture[str], path: object) -> dict[str, Any]:
    assert main(["info", str(path), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def line(capsys: pytest.CaptureFixture[str], path: object) -> str:
    assert main(["info", str(path)]) != 0
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def test_an_embeddings_dataset(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, faces)
    assert (found["kind"], found["rows"], found["faces"]) == ("embeddings", 10, 10)
    assert (found["people"], found["videos"], found["tracks"]) == (2, 2, 2)
    assert (found["model"], found["model_digest"]) == ("small", model_digest("small"))
    assert found["command"] == "fabnet embed --fps 5 --attributes"
    assert found["options"]["detector"] == "yunet"
    assert found["columns"]["embedding"] == "float[256]"
    assert found["columns"]["smile"] == "float"
    assert (found["index"], found["has_thumbnails"]) == (None, True)
    assert re.fullmatch(MOMENT, found["written"])
    assert main(["info", str(faces)]) == 0
    assert "fabnet embed --fps 5 --attributes" in capsys.readouterr().out


def test_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import lance

    from fabnet.reading.columns import schema

    rng = np.random.default_rng(0)
    rows = [
        {"id": str(n), "reason": "", "video": "v", "track": "0", "embedding": rng.normal(size=8)} for n in range(300)
    ]
    path = tmp_path / "faces.lance"
    lance.write_dataset(pa.Table.from_pylist(rows, schema=schema(8)), str(path))
    Gallery(path).build_index()
    assert told(capsys, path)["index"] == {"type": "IVF_PQ", "rows": 300}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npy"])
def test_a_table_of_embed(second: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    fabnet.embed(second, tmp_path / f"faces{suffix}", model="base", fps=2)
    found = told(capsys, tmp_path / f"faces{suffix}")
    assert (found["kind"], found["format"], found["rows"]) == ("embeddings", suffix[1:], 2)
    assert (found["faces"], found["people"], found["videos"], found["tracks"]) == (2, 1, 1, 1)
    if suffix == ".parquet":
        assert found["command"] == "fabnet embed --model base --fps 2"
        assert found["model_digest"] == model_digest("base")
    else:
        assert found["columns"]["e255" if suffix == ".csv" else "score"] == "double"
        assert "does not keep the model" in found["notes"][0]
    if suffix == ".npy":
        assert found["columns"]["embedding"] == "float32[256]"
        rows = (tmp_path / "faces.csv").read_bytes()
        (tmp_path / "faces.csv").write_bytes(rows + rows.splitlines()[-1] + b"\n")
        assert "has 3 rows" in line(capsys, tmp_path / "faces.npy")


def test_a_table_of_read(readings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, readings)
    assert (found["kind"], found["rows"], found["faces"], found["videos"], found["tracks"]) == (
        "readings",
        10,
        10,
        1,
        1,
    )
    assert found["command"] == "fabnet read --faces all --embedding"
    assert (found["model"], found["model_digest"], found["precision"]) == ("base", model_digest("base"), "int8")
    assert found["columns"]["landmarks68_px"] == "float[136]"


def test_courses_and_other_tools_columns(readings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["courses", str(readings), "--out", str(tmp_path / "c.parquet"), "--no-smooth"]) == 0
    assert main(["courses", str(readings), "--out", str(tmp_path / "c.csv"), "--no-smooth"]) == 0
    capsys.readouterr()
    found = told(capsys, tmp_path / "c.parquet")
    assert (found["kind"], found["read_with"]) == ("courses", "fabnet read --faces all --embedding")
    found = told(capsys, tmp_path / "c.csv")
    assert (found["kind"], found["videos"], found["tracks"]) == ("courses", 1, 1)


@pytest.mark.parametrize("columns", ["openface", "py-feat"])
def test_readings_in_other_tools_columns(
    smiling: Path, tmp_path: Path, columns: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in (".csv", ".parquet"):
        fabnet.read_to(smiling, tmp_path / f"talk{suffix}", columns=columns, fps=1)
        found = told(capsys, tmp_path / f"talk{suffix}")
        assert (found["kind"], found["rows"]) == ("readings", 4)
        assert found["command"].startswith("fabnet read")


def test_runs_models_and_stores_say_when_and_which(
    tiny_run: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = told(capsys, tiny_run)
    assert (run["kind"], run["step"], run["total_steps"]) == ("run", 10, 10)
    assert run["model_digest"] == model_digest(tiny_run)
    assert run["fabnet_version"] == fabnet.__version__
    checkpoint = told(capsys, run["best_checkpoint"])
    assert (checkpoint["kind"], checkpoint["model_digest"]) == ("model", run["model_digest"])
    shipped = told(capsys, "base")
    assert shipped["model_digest"] == model_digest("base")
    assert shipped["attributes"]["smile"] == "float"
    assert all(re.fullmatch(MOMENT, each["written"]) for each in (run, checkpoint, shipped, told(capsys, store)))
    assert told(capsys, store)["columns"]["box_px"] == "float[4]"


def test_a_taught_reader_says_what_taught_it(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from fabnet.encoders.face_reader import save_face_reader
    from fabnet.encoders.load_encoder import carried_reader
    from fabnet.models.find_model import find_model
    from fabnet.models.model_folder import READER_FILE

    folder = Path(shutil.copytree(find_model("base"), tmp_path / "taught"))
    reader = carried_reader("base")
    assert reader is not None
    taught = {
        "by": "base",
        "digest": "d",
        "version": "3",
        "store": "s",
        "faces": 9,
        "people": 3,
        "agreement": {"x": 1},
    }
    save_face_reader(replace(reader, taught=taught), folder / READER_FILE)
    found = told(capsys, folder)
    assert (found["taught"]["by"], found["taught"]["faces"], found["agreement"]) == ("base", 9, {"x": 1})


def test_a_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fabnet.encoders.saved_probe import SavedProbe, save_probes

    ones = np.ones(1, np.float32)
    probe = SavedProbe("side", "values", ("turn",), ones, ones, np.ones((8, 1), np.float32), ones, "d1", "my photos")
    save_probes([probe], tmp_path / "mine.safetensors")
    found = told(capsys, tmp_path / "mine.safetensors")
    assert (found["kind"], found["model_digest"]) == ("probe", "d1")
    assert found["tasks"] == {"side": "values, fitted on my photos"}


def test_foreign_and_damaged_files_get_one_line(
    readings: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "theirs.parquet")
    assert "fabnet did not write" in line(capsys, tmp_path / "theirs.parquet")
    (tmp_path / "theirs.csv").write_text("path,label\nx.jpg,1\n")
    assert "its columns are 'path', 'label'" in line(capsys, tmp_path / "theirs.csv")
    np.save(tmp_path / "theirs.npy", np.zeros((3, 2)))
    assert "theirs.csv" in line(capsys, tmp_path / "theirs.npy")
    (tmp_path / "cut.parquet").write_bytes(readings.read_bytes()[:-100])
    assert "cut.parquet is corrupt" in line(capsys, tmp_path / "cut.parquet")
    for name, content in {
        "noise.parquet": b"\0" * 99,
        "noise.csv": b"\xff\xfe\0" * 99,
        "noise.npy": b"x",
        "empty.csv": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert name in line(capsys, tmp_path / name)
    (tmp_path / "torn.csv").write_text("source,person,track,frame,time_s\na,b,c,1,2\na,b\n")
    assert "torn.csv is corrupt" in line(capsys, tmp_path / "torn.csv")
    damaged = Path(shutil.copytree(faces, tmp_path / "damaged.lance"))
    for file in (damaged / "data").iterdir():
        file.write_bytes(file.read_bytes()[:-50])
    assert "damaged.lance" in line(capsys, damaged)
    (tmp_path / "notes.txt").write_text("x")
    assert "not something that fabnet wrote" in line(capsys, tmp_path / "notes.txt")
    assert "there is nothing at" in line(capsys, tmp_path / "nowhere")


def test_names_beyond_the_bound_are_left_open() -> None:
    names = pa.array([f"v{n}" for n in range(MOST_COUNTED + 1)])
    batch = pa.RecordBatch.from_arrays([names, names, pa.array(["0"] * len(names))], names=["person", "video", "track"])
    found = count_names([batch, batch.slice(0, 5)], person="person", video="video", track="track", reason=None)
    assert found == {"rows": len(names) + 5, "faces": len(names) + 5, "people": None, "videos": None, "tracks": None}


def test_two_tracks_of_one_name_are_two(tmp_path: Path) -> None:
    table = pa.table(
        {"p": ["a", "a", None], "v": ["x", "y", "y"], "t": ["0", "0", "0"], "r": ["", "", "no face found"]}
    )
    found = count_names(table.to_batches(), person="p", video="v", track="t", reason="r")
    assert found == {"rows": 3, "faces": 2, "people": 1, "videos": 2, "tracks": 2}


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    import os

    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="named pipe"):
        fabnet.info(tmp_path / "pipe.csv")
