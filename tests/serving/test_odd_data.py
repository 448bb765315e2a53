"""Lance datasets that `embed` would not write: each is refused in one line, or shown as far as possible."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import lance
import numpy as np
import pyarrow as pa
import pytest

from fabnet.errors import FabnetError, StoreError
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.search import search
from fabnet.serving.site import open_site

from .asking import Client

pytest.importorskip("fastapi", reason="fastapi is not installed")

ROWS, DIM = 6, 8
PICTURE = cv2.imencode(".jpg", np.full((96, 96, 3), 90, np.uint8))[1].tobytes()
MISSING = object()
NAMES = [
    "<script>alert(1)</script>", "two\nlines\r\n", "\x1b[31mred\x07", "‮gnp.exe", "x" * 10_000, "' OR 1=1 --"
]  # fmt: skip


def vectors(values: Any = None, kind: pa.DataType | None = None, dim: int = DIM) -> pa.Array:
    if values is None:
        values = np.random.default_rng(0).normal(size=(ROWS, dim))
    return pa.array([None if each is None else list(each) for each in values], pa.list_(kind or pa.float32(), dim))


def with_row(number: int, value: Any) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(ROWS, DIM))
    values[number] = value
    return values


def made(folder: Path, **changes: Any) -> Path:
    """A dataset as `embed` writes it, except for these columns."""
    columns: dict[str, Any] = {
        "id": [f"v/0/{number}" for number in range(ROWS)],
        "identity": [f"person {number % 2}" for number in range(ROWS)],
        "video": ["v.mp4"] * ROWS,
        "track": ["0"] * ROWS,
        "frame": pa.array(range(ROWS), pa.int64()),
        "time_s": [number / 25 for number in range(ROWS)],
        "reason": [""] * ROWS,
        "pose_yaw_deg": pa.array(np.linspace(-40, 40, ROWS), pa.float32()),
        "expression": ["neutral", "surprise"] * (ROWS // 2),
        "thumbnail": pa.array([PICTURE] * ROWS, pa.binary()),
        "embedding": vectors(),
    }
    columns |= changes
    table = pa.table({name: column for name, column in columns.items() if column is not MISSING})
    path = folder / "odd.lance"
    lance.write_dataset(table, str(path))
    return path


def asked_all(path: Path) -> dict[str, Any]:
    """Request every page of a dataset: each answers, or refuses in one line.

    Returns:
        What `/api/v1/dataset` says.
    """
    client = Client(open_site(path))
    about = client.json("/api/v1/dataset")
    rows = sorted({-1, 0, 1, about["rows"] // 2, about["rows"] - 1, about["rows"]})
    faces = client.json("/api/v1/faces")["faces"]
    paths = [f"/api/v1/faces/{row}{page}" for row in rows for page in ("", "/thumbnail", "/crop", "/nearest",
                                                                    "/nearest?other_people=false")]  # fmt: skip
    paths += [
        "/",
        "/healthz",
        "/api/v1/faces/mask",
        "/api/v1/map/pca",
        "/api/v1/videos",
        "/api/v1/compare?target=0&source=1",
    ]
    paths += [f"/api/v1/columns/{quote(each['column'], safe='')}" for each in about["attributes"]]
    for path_asked in paths:
        answer = client.get(path_asked)
        assert answer.status_code in (200, 400, 404, 409, 422), (path_asked, answer.status_code, answer.text)
        if answer.status_code != 200:
            assert "\n" not in answer.json()["detail"]
    places = np.frombuffer(client.get("/api/v1/map/pca").content, "<f4")
    assert len(places) == 2 * about["rows"]
    for face in faces:
        answer = client.get("/api/v1/timeline", params={"video": face["video"]})
        assert answer.status_code in (200, 404)
    for column in about["classes"]:
        for value in column["values"]:
            client.json("/api/v1/faces", params={"where": f"{column['column']}:{value}"})
    return dict(about)


def searched(path: Path) -> None:
    """Search for each row by its id, with a sheet: neighbours, or one line."""
    dataset = lance.dataset(str(path))
    rows = dataset.to_table(columns=["id"]).to_pylist() if "id" in dataset.schema.names else [{"id": "v/0/0"}]
    for row in (*rows[:2], rows[-1]):
        for kwargs in ({}, {"other_identities": True}, {"sheet": path.parent / "sheet.png"}, {"time_s": (0.0, 9.0)}):
            with contextlib.suppress(FabnetError):
                found = search(path, str(row["id"]), k=3, **kwargs).to_json()
                assert all(np.isfinite(each["similarity"]) for each in found["neighbours"])


@pytest.mark.parametrize(
    ("column", "values", "what"),
    [
        ("id", MISSING, "no column id"),
        ("identity", MISSING, "no column identity"),
        ("video", MISSING, "no column video"),
        ("embedding", MISSING, "has no embeddings"),
        ("thumbnail", MISSING, "no thumbnails"),
        ("id", list(range(ROWS)), "column id holds int64"),
        ("identity", [1.5] * ROWS, "column identity holds double"),
        ("video", [b"v"] * ROWS, "column video holds binary"),
        ("thumbnail", ["text"] * ROWS, "no thumbnails"),
        ("embedding", ["0.5 0.1"] * ROWS, "column embedding holds string"),
        ("embedding", [[0.5, 0.1]] * ROWS, "column embedding holds list"),
        ("embedding", pa.array(range(ROWS)), "column embedding holds int64"),
        ("embedding", vectors(np.ones((ROWS, DIM), int), pa.int8()), "column embedding holds fixed_size_list"),
        ("reason", ["no face was found"] * ROWS, "has no face to show"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_at_the_start(column: str, values: Any, what: str, tmp_path: Path) -> None:
    path = made(tmp_path, **{column: values})
    with pytest.raises(FabnetError, match=what) as refusal:
        open_site(path)
    assert "\n" not in str(refusal.value)
    searched(path)


def test_a_dataset_without_rows_is_refused_in_one_line(tmp_path: Path) -> None:
    path = made(tmp_path)
    lance.write_dataset(lance.dataset(str(path)).to_table().slice(0, 0), str(tmp_path / "empty.lance"))
    with pytest.raises(FabnetError, match="no rows"):
        open_site(tmp_path / "empty.lance")
    with pytest.raises(FabnetError, match="has no row"):
        search(tmp_path / "empty.lance", "v/0/0")


ODD: list[dict[str, Any]] = [
    *({name: MISSING} for name in ("track", "frame", "time_s", "reason", "pose_yaw_deg", "expression")),
    {"track": list(range(ROWS)), "frame": ["one"] * ROWS, "time_s": ["now"] * ROWS, "reason": [0] * ROWS},
    *({name: [None, *["a"] * (ROWS - 1)]} for name in ("id", "identity", "video", "track", "reason", "expression")),
    *({name: pa.nulls(ROWS, pa.string())} for name in ("id", "identity", "video", "track", "reason", "expression")),
    {"frame": pa.nulls(ROWS, pa.int64()), "time_s": pa.nulls(ROWS, pa.float64())},
    {"frame": pa.array([2**62, -5, None, 0, 1, 2], pa.int64())},
    {"time_s": [float("nan"), -1.0, float("inf"), 0.0, 1e300, None]},
    {"time_s": pa.array(range(ROWS), pa.int32()), "frame": pa.array(range(ROWS), pa.uint8())},
    {"pose_yaw_deg": pa.array([float("nan"), float("inf"), -1e308, 1e308, None, 0], pa.float64())},
    {"pose_yaw_deg": pa.array([float("nan")] * ROWS, pa.float32())},
    {"pose_yaw_deg": pa.array([0.5] * ROWS).cast(pa.float16()), "expression": pa.array([["a"]] * ROWS)},
    {"embedding": vectors(with_row(2, np.nan))},
    {"embedding": vectors(np.full((ROWS, DIM), np.nan))},
    {"embedding": vectors(with_row(1, 0))},
    {"embedding": vectors(np.zeros((ROWS, DIM)))},
    {"embedding": vectors(with_row(3, np.inf))},
    {"embedding": vectors(with_row(0, 1e300), pa.float64())},
    {"embedding": vectors([*[[0.5] * DIM] * (ROWS - 1), None])},
    {"embedding": vectors([None] * ROWS)},
    {"embedding": vectors([[None] * DIM, *[[0.5] * DIM] * (ROWS - 1)])},
    {"embedding": vectors(np.ones((ROWS, 1)), dim=1), "reason": ["", "none"] * 3},
    {"embedding": vectors().cast(pa.list_(pa.float16(), DIM)), "reason": ["", None] * 3},
    {"thumbnail": pa.array([None, b"", b"no picture", b"<html>", PICTURE[:40], PICTURE], pa.binary())},
    {"thumbnail": pa.array([PICTURE] * ROWS, pa.large_binary())},
    {"identity": pa.array(["a", "b"] * 3, pa.large_string()), "video": pa.array(["v"] * ROWS).dictionary_encode()},
    *({name: NAMES} for name in ("id", "identity", "video", "track", "expression")),
    {"row": [1.5] * ROWS, "rank": ["r"] * ROWS, "similarity": [0.5] * ROWS, "c`d": [0.5] * ROWS},
    {"nested": pa.array([{"x": 1}] * ROWS), "bytes": pa.array([b"\xff"] * ROWS), "list": pa.array([[1, 2]] * ROWS)},
    {"<b>:1:2": [0.5] * ROWS, "/etc/passwd": [0.5] * ROWS, "two\nlines": [0.25] * ROWS, " ": ["a"] * ROWS},
]  # fmt: skip


@pytest.mark.parametrize("changes", ODD, ids=lambda changes: "-".join(map(repr, changes))[:40])
def test_the_rest_of_an_odd_dataset_is_shown(changes: dict[str, Any], tmp_path: Path) -> None:
    path = made(tmp_path, **changes)
    assert asked_all(path)["rows"] == ROWS
    searched(path)


def test_one_row_is_shown(tmp_path: Path) -> None:
    path = made(tmp_path)
    lance.write_dataset(lance.dataset(str(path)).to_table().slice(2, 1), str(tmp_path / "one.lance"))
    assert asked_all(tmp_path / "one.lance")["faces"] == 1
    searched(tmp_path / "one.lance")


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    path = made(tmp_path, frame=MISSING, time_s=["now"] * ROWS, nested=pa.array([{"x": 1}] * ROWS),
                expression=["y" * 300] * ROWS)  # fmt: skip
    notes = open_site(path).catalogue.notes
    assert "frame (is missing; expected integers)" in notes[0]
    assert "time_s (holds string; expected numbers)" in notes[0]
    assert "'nested'" in notes[1]
    assert "'expression'" in notes[2]
    assert search(path, "v/0/0", k=2).notes[:2] == tuple(notes[:2])
    with pytest.raises(StoreError, match="column time_s holds string"):
        search(path, "v/0/0", time=(0, 1))


def test_unknown_identities_do_not_exclude_each_other(tmp_path: Path) -> None:
    path = made(tmp_path, identity=[None, *["a"] * (ROWS - 1)])
    found = Client(open_site(path)).json("/api/v1/faces/0/nearest")["faces"]
    assert len(found) == ROWS - 1
    assert "no identity" in search(path, "v/0/0", other_identities=True).notes[0]


def npy(shape: tuple[int, ...], value: float = 0.5, kind: str = "<f4", order: str = "C") -> bytes:
    file = BytesIO()
    np.save(file, np.full(shape, value, kind, order=order))  # type: ignore[call-overload]
    return file.getvalue()


class Harm:
    """An object that would make a folder if it were unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_hostile_cached_map_is_computed_again(tmp_path: Path) -> None:
    path = made(tmp_path)
    whole = Client(open_site(path)).get("/api/v1/map/pca").content
    (cache,) = tmp_path.glob("odd.lance.pca-*.npy")
    written = cache.read_bytes()
    huge = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 2), }"
    pickled = npy((ROWS, 2))[:10] + b"{'descr': '|O', 'fortran_order': False, 'shape': (6, 2), }".ljust(118)
    contents = [
        b"", b"damaged", written[:-1], written + b"\0", npy((ROWS, 3)), npy((ROWS + 1, 2)), npy((2, ROWS)),
        npy((ROWS, 2), np.nan), npy((ROWS, 2), np.inf), npy((ROWS, 2), 1e38), npy((ROWS, 2), kind="<f8"),
        npy((ROWS, 2), order="F"), npy((ROWS, 2), kind=">f4"), huge.ljust(128), huge.ljust(len(written)),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff", pickled + pickle.dumps(Harm(tmp_path / "harm")),
        pickle.dumps(Harm(tmp_path / "harm")),
    ]  # fmt: skip
    for content in contents:
        cache.write_bytes(content)
        answer = Client(open_site(path)).get("/api/v1/map/pca")
        assert (answer.status_code, answer.content) == (200, whole), content[:80]
        assert cache.read_bytes() == written
    assert not (tmp_path / "harm").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_a_cached_map_that_is_not_a_regular_file_is_not_opened(tmp_path: Path) -> None:
    path = made(tmp_path)
    whole = Client(open_site(path)).get("/api/v1/map/pca").content
    (cache,) = tmp_path.glob("odd.lance.pca-*.npy")
    other = tmp_path / "other.npy"
    ways: list[Callable[[Path], None]] = [os.mkfifo, os.mkdir]
    for target in (other, Path("/dev/zero"), Path("nothing"), cache):
        ways.append(lambda place, target=target: os.symlink(target, place))  # type: ignore[misc]
    for replace in ways:
        other.write_bytes(npy((ROWS, 2), 0.25))
        cache.unlink()
        replace(cache)
        answer = Client(open_site(path)).get("/api/v1/map/pca")
        assert (answer.status_code, answer.content) == (200, whole)
        assert other.read_bytes() == npy((ROWS, 2), 0.25)
        if cache.is_dir():  # it is not replaced
            cache.rmdir()
            cache.touch()


def test_the_gallery_gives_null_for_missing_columns(tmp_path: Path) -> None:
    gallery = Gallery(made(tmp_path, frame=MISSING, track=[1] * ROWS))
    assert gallery.take([0, 1], ["frame", "track"]) == [{"frame": None, "track": None}] * 2
    (batch,) = gallery.scan(["id", "frame"])
    assert batch["frame"].null_count == ROWS
