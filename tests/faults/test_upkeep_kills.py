"""`compact` and `remove` killed at random moments: no other rows are lost, and no removed rows come back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import lance
import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.reading.columns import schema
from fabnet.retrieval.gallery import Gallery
from fabnet.store.ledger import LedgerEntry
from fabnet.store.schema import Row, rows_to_batch
from fabnet.store.track_store import open_store

# Runs a verb as soon as it is loaded, and prints when it starts and how long it takes.
WORK = """
import sys, time
import fabnet
compact, remove = fabnet.compact, fabnet.remove
verb, path, *names = sys.argv[1:]
print("begins", flush=True)
began = time.monotonic()
compact(path) if verb == "compact" else remove(path, names)
print(time.monotonic() - began)
"""


def begun(verb: str, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORK, verb, str(path), *(["person1"] if verb == "remove" else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n"
    return process


def made_store(store: Path, place: Path) -> Path:
    """A store in many fragments, with two more people in eight videos."""
    shutil.copytree(store, place)
    images = [row["image"] for row in all_rows(store) if row["identity"] == "person5"][:8]
    for number, image in enumerate(images):
        row = Row(f"more{number % 2}", f"{number}", "0", 0, None, "x", "train", image)
        open_store(place).append([rows_to_batch([row])], [LedgerEntry(f"{number}", "x", "ok", tracks=1, rows=1)])
    return place


def jpeg(image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", image)[1])


def made_embeddings(store: Path, place: Path) -> Path:
    """An embeddings dataset in several fragments, with an index that lacks the last of them."""
    rng = np.random.default_rng(0)
    rows = [
        {"id": f"person{n % 4}/v/{n}", "identity": f"person{n % 4}", "video": f"person{n % 4}/v", "track": "0",
         "frame": n, "source": "x.mp4", "reason": "", "thumbnail": jpeg(rng.integers(0, 256, (16, 16, 3), np.uint8)),
         "embedding": rng.normal(size=8).astype(np.float32)}
        for n in range(600)
    ]  # fmt: skip
    for first in range(0, 600, 100):
        table = pa.Table.from_pylist(rows[first : first + 100], schema=schema(8, thumbnails=True))
        lance.write_dataset(table, str(place), mode="append")
        if first == 400:
            Gallery(place).build_index()
    return place


MADE = {"store": made_store, "embeddings": made_embeddings}


def all_rows(path: Path) -> list[dict[str, Any]]:
    return list(lance.dataset(str(path)).to_table().to_pylist())


def kinds_of_files(path: Path) -> Counter[tuple[str, ...]]:
    """Number of files by top folder and suffix, since Lance chooses random names."""
    files = [file.relative_to(path) for file in path.rglob("*") if file.is_file()]
    return Counter((file.parts[0], file.suffix) if len(file.parts) > 1 else file.parts for file in files)


@pytest.mark.parametrize("kills", [pytest.param(1, id="few"), pytest.param(20, id="many", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("verb", ["compact", "remove"])
def test_killed_upkeep_is_finished_by_a_retry(store: Path, tmp_path: Path, verb: str, kind: str, kills: int) -> None:
    random = np.random.default_rng(0)
    made = MADE[kind](store, tmp_path / "made.lance")
    before = all_rows(made)
    others = [row for row in before if row["identity"] != "person1"]
    theirs = [row["image" if kind == "store" else "thumbnail"] for row in before if row["identity"] == "person1"]
    expected = others if verb == "remove" else before
    whole = Path(shutil.copytree(made, tmp_path / "whole.lance"))
    said, errors = begun(verb, whole).communicate(timeout=120)
    takes_s = float(said)
    done = 0
    while done < kills:
        own = Path(shutil.copytree(made, tmp_path / "own.lance"))
        for _ in range(min(2, kills - done)):  # the second kill hits the continuation after the first
            process = begun(verb, own)
            try:
                process.wait(random.uniform(0, takes_s))
            except subprocess.TimeoutExpired:
                process.kill()
            _, errors = process.communicate()
            assert process.returncode in (0, -9), errors
            done += process.returncode == -9
            rows = all_rows(own)
            assert rows in (before, expected)
            problem = fabnet.verify(own).problem or ""
            assert not problem or (verb == "remove" and "person1 was interrupted" in problem), problem
        if verb == "compact":
            assert fabnet.compact(own).rows == len(before)
        else:
            fabnet.remove(own, ["person1"])
            contents = [file.read_bytes() for file in own.rglob("*") if file.is_file()]
            assert not any(image in content for content in contents for image in theirs)
        assert all_rows(own) == expected
        assert fabnet.verify(own, every_image=kind == "store").problem is None
        assert kinds_of_files(own) <= kinds_of_files(whole)  # a continued removal may merge more
        if kind == "embeddings":
            assert Gallery(own).has_index
            vector = np.asarray(expected[-1]["embedding"], np.float32)
            assert Gallery(own).nearest(vector, 1, use_index=True)[0]["id"] == expected[-1]["id"]
        shutil.rmtree(own)
