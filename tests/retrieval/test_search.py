"""Searches embeddings of real faces: compared with a plain ranking, with every filter, and every error in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import lance
import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import FabnetError, InputError, ModelError, NoFaceError, StoreError
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.search import SearchResult


def table_of(data: Path) -> dict[str, Any]:
    table: dict[str, Any] = lance.dataset(str(data)).to_table().to_pydict()
    table["embedding"] = np.array(table["embedding"], dtype=np.float32)
    return table


def ranked(table: dict[str, Any], vector: np.ndarray) -> list[str]:
    """Ids ranked by a plain computation of the cosine."""
    made = table["embedding"] / np.linalg.norm(table["embedding"], axis=1, keepdims=True)
    order = np.argsort(-(made @ (vector / np.linalg.norm(vector))), kind="stable")
    return [table["id"][place] for place in order]


def ids(result: SearchResult) -> list[str]:
    return [row["id"] for row in result.neighbours]


def test_a_row_finds_the_rows_of_a_plain_ranking_without_itself(faces: Path) -> None:
    table = table_of(faces)
    result = fabnet.search(faces, table["id"][7], k=5)
    assert (result.method, result.rows, result.notes) == ("exact", 60, ())
    assert ids(result) == [each for each in ranked(table, table["embedding"][7]) if each != table["id"][7]][:5]
    assert [row["rank"] for row in result.neighbours] == [1, 2, 3, 4, 5]
    first, second = (table["embedding"][table["id"].index(each)] for each in (table["id"][7], ids(result)[0]))
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert result.neighbours[0]["similarity"] == pytest.approx(cosine, abs=1e-5)


def test_k_may_exceed_the_number_of_rows(faces: Path) -> None:
    result = fabnet.search(faces, table_of(faces)["id"][0], k=10**20)
    assert len(result.neighbours) == 59


def test_several_queries_are_averaged_as_directions(faces: Path) -> None:
    table = table_of(faces)
    chosen = [3, 30]
    vectors = [table["embedding"][place] / np.linalg.norm(table["embedding"][place]) for place in chosen]
    names = [table["id"][place] for place in chosen]
    expected = [each for each in ranked(table, vectors[0] + vectors[1]) if each not in names]
    assert ids(fabnet.search(faces, names, k=4)) == expected[:4]


def test_a_photo_is_embedded_with_the_model_that_the_dataset_names(clip: Path, photo: Path) -> None:
    """The photo is the clip's first frame: nothing is nearer than that frame's row."""
    result = fabnet.search(clip, photo, k=3)
    assert ids(result)[0] == table_of(clip)["id"][0]
    assert result.neighbours[0]["similarity"] > 0.999
    image = cv2.imread(str(photo))
    assert image is not None
    assert ids(fabnet.search(clip, image[:, :, ::-1].copy(), k=3)) == ids(result)
    assert "trained on ready crops of unknown framing" in result.notes[-1]
    assert not any("framing" in note for note in fabnet.search(clip, photo, k=3, crop="none").notes)


def test_other_identities(faces: Path) -> None:
    table = table_of(faces)
    result = fabnet.search(faces, [table["id"][0], table["id"][15]], k=60, other_identities=True)
    left_out = {table["identity"][0], table["identity"][15]}
    assert {row["identity"] for row in result.neighbours} == {f"person{place}" for place in range(6)} - left_out
    assert len(result.neighbours) == 40
    assert result.notes == ("only 40 faces meet the conditions; 60 were requested",)
    nobody = fabnet.search(faces, [table["id"][0]], k=3, where="identity = 'nobody'")
    assert nobody.notes == ("no face meets the conditions; 3 were requested",)


def test_nobody_is_left_out_for_a_photo_and_a_note_says_so(clip: Path, photo: Path) -> None:
    result = fabnet.search(clip, photo, k=1, other_identities=True)
    assert "the person in a photo is not known" in result.notes[0]


def test_video_time_and_columns(clip: Path, faces: Path) -> None:
    table = table_of(clip)
    begin, end = 1.0, 2.0
    result = fabnet.search(clip, table["id"][0], k=60, time=(begin, end))
    expected = [name for name, at in zip(table["id"], table["time_s"], strict=True) if begin <= at < end]
    assert sorted(ids(result)) == sorted(expected)
    late = fabnet.search(clip, table["id"][0], k=60, time=(end, None), where="score > 0.5")
    assert all(row["time_s"] >= end for row in late.neighbours)
    video = fabnet.search(faces, table_of(faces)["id"][0], k=60, video="person3/0")
    assert {row["identity"] for row in video.neighbours} == {"person3"}
    assert len(video.neighbours) == 10
    assert fabnet.search(faces, table_of(faces)["id"][0], video="it's not there").neighbours == ()


def test_a_predicted_attribute(smiling: Path, tmp_path: Path, tiny_run: Path, labelled_values: Path) -> None:
    out = tmp_path / "clip.lance"
    fabnet.embed([smiling], out, model=tiny_run, fps=10, probe=[labelled_values])
    table = table_of(out)
    middle = float(np.median(table["width"]))
    result = fabnet.search(out, table["id"][0], k=60, where=f"width BETWEEN {middle} AND 1e9")
    assert len(result.neighbours) >= 10
    assert all(row["width"] >= middle for row in result.neighbours)


@pytest.fixture
def labelled_values(tiny_run: Path, tmp_path: Path) -> Path:
    """A probe of one number, as `fabnet probe --save` writes it."""
    from fabnet.encoders.digest import model_digest
    from fabnet.encoders.saved_probe import SavedProbe, save_probes

    coef = np.random.default_rng(0).normal(size=(16, 1)).astype(np.float32)
    ones = np.ones(1, np.float32)
    save_probes([SavedProbe("width", "values", ("width",), ones, 0 * ones, coef, ones, model_digest(tiny_run), "test")],
                tmp_path / "probe.safetensors")  # fmt: skip
    return tmp_path / "probe.safetensors"


def test_rows_without_a_face_are_never_found_and_cannot_be_searched_for(clip: Path, tmp_path: Path) -> None:
    table = lance.dataset(str(clip)).to_table()
    rows = table.slice(0, 3).to_pylist()
    rows[1] |= {"embedding": None, "reason": "no face found"}
    lance.write_dataset(pa.Table.from_pylist(rows, schema=table.schema), str(tmp_path / "some"))
    assert ids(fabnet.search(tmp_path / "some", rows[0]["id"])) == [rows[2]["id"]]
    with pytest.raises(InputError, match=r"has no embedding: no face found"):
        fabnet.search(tmp_path / "some", rows[1]["id"])


def test_the_index_is_built_once_and_finds_what_exact_search_finds(faces: Path, tmp_path: Path) -> None:
    """Each face 20 times, slightly changed, which is enough for an index."""
    table = lance.dataset(str(faces)).to_table()
    generator = np.random.default_rng(0)
    parts = []
    for number in range(20):
        rows = table.to_pylist()
        for row in rows:
            row["id"] += f"/{number}"
            row["embedding"] = row["embedding"] + generator.normal(0, 0.3, 16) * np.abs(row["embedding"]).mean()
        parts.append(pa.Table.from_pylist(rows, schema=table.schema))
    out = tmp_path / "many.lance"
    lance.write_dataset(pa.concat_tables(parts), str(out))
    gallery = Gallery(out)
    assert not gallery.has_index
    found = 0
    for place in range(20):
        name = f"{table['id'][3 * place].as_py()}/0"
        exact, indexed = (
            fabnet.search(gallery, name, k=10, other_identities=True, index=index, exact=not index)
            for index in (False, True)
        )
        assert (exact.method, indexed.method) == ("exact", "index")
        found += len(set(ids(exact)) & set(ids(indexed)))
        assert not {row["identity"] for row in indexed.neighbours} & {exact.neighbours[0]["identity"]} - {
            row["identity"] for row in exact.neighbours
        }
    assert found >= 190
    version = lance.dataset(str(out)).version
    assert Gallery(out).has_index
    fabnet.search(out, name, index=True)
    assert lance.dataset(str(out)).version == version


def test_the_index_finds_all_rows_that_pass_a_strict_filter(faces: Path, tmp_path: Path) -> None:
    """One person's faces are as far from each other as from the rest, so they are in all partitions."""
    count = 26_000
    vectors = pa.array(np.random.default_rng(0).normal(size=count * 16).astype(np.float32))
    changed = {
        "id": pa.array([str(number) for number in range(count)]),
        "identity": pa.array(["many" if number % 1000 else "rare" for number in range(count)]),
        "embedding": pa.FixedSizeListArray.from_arrays(vectors, 16),
    }
    rows = lance.dataset(str(faces)).to_table(limit=1).take(np.zeros(count, np.int64))
    for name, column in changed.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    lance.write_dataset(rows, str(tmp_path / "many.lance"))
    found = fabnet.search(tmp_path / "many.lance", "1", k=26, where="identity = 'rare'", index=True)
    assert len(found.neighbours) == 26
    assert found.notes == ()


def test_a_small_dataset_is_refused_an_index(faces: Path) -> None:
    with pytest.raises(InputError, match="has 60 embeddings; an index needs 256 or more"):
        fabnet.search(faces, table_of(faces)["id"][0], index=True)


def test_every_error_is_one_line(faces: Path, clip: Path, store: Path, photo: Path, tmp_path: Path) -> None:
    row = table_of(faces)["id"][0]
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((64, 64, 3), 128, np.uint8))
    (tmp_path / "text.jpg").write_text("no picture")
    wrong: list[tuple[type[FabnetError], str, dict[str, Any]]] = [
        (StoreError, "there is no embeddings dataset", {"data": tmp_path / "none"}),
        (StoreError, "is not a Lance dataset", {"data": tmp_path}),
        (StoreError, "has no embeddings: fabnet embed", {"data": store}),
        (InputError, "has no row 'nobody', .*; ids are VIDEO/TRACK", {"query": "nobody"}),
        (InputError, "the query is empty", {"query": []}),
        (InputError, "text.jpg is neither a usable picture", {"query": tmp_path / "text.jpg"}),
        (NoFaceError, "no face was found in .*grey.png", {"query": grey}),
        (ModelError, "was not embedded with small as it is now", {"query": photo, "model": "small"}),
        (ModelError, "no model 'nope'", {"query": photo, "model": "nope"}),
        (ModelError, "gives 256 numbers per face; .* has 16", {"query": photo, "model": fabnet.load("small")}),
        (InputError, "no column yaw; columns: id, identity, video", {"where": "yaw > 3"}),
        (InputError, "cannot be used: Error parsing statement", {"where": "identity >"}),
        (InputError, "cannot be used: Error parsing statement", {"where": "identity = 'x' -- a remark"}),
        (InputError, r"'\(1 / \(frame - frame\) > 0\)' failed: Divide by zero", {"where": "1 / (frame - frame) > 0"}),
        (InputError, "time must be .* finite number or None.*; got .*nan", {"time": (float("nan"), None)}),
        (InputError, "times must be finite numbers of seconds, or left out; got 0:inf", {"time": "0:inf"}),
        (InputError, "--time takes two numbers of seconds, as 60:90, 60: or :90; got '60'", {"time": "60"}),
        (InputError, "k must be 1 or more; got 0", {"k": 0}),
        (InputError, "ends in .png; got sheet.jpg", {"sheet": "sheet.jpg"}),
        (InputError, "grey.png is a photo of the query, which the sheet would", {"query": grey, "sheet": grey}),
    ]
    for error, message, options in wrong:
        with pytest.raises(error, match=message):
            fabnet.search(**({"data": faces, "query": row} | options))
    assert len(fabnet.search(faces, grey, crop="none", k=2).neighbours) == 2


def test_a_model_that_moved_or_is_not_named(clip: Path, photo: Path, tiny_run: Path, tmp_path: Path) -> None:
    table = lance.dataset(str(clip)).to_table()
    said = {b"fabnet.model": str(tmp_path / "gone").encode(), b"fabnet.model_digest": b"0"}
    lance.write_dataset(table.replace_schema_metadata(said), str(tmp_path / "moved"))
    with pytest.raises(ModelError, match=r"the model of .* cannot be found .*give it with --model"):
        fabnet.search(tmp_path / "moved", photo)
    lance.write_dataset(table.replace_schema_metadata({}), str(tmp_path / "unsaid"))
    with pytest.raises(ModelError, match="does not say which model made it: give it with --model"):
        fabnet.search(tmp_path / "unsaid", photo)
    assert ids(fabnet.search(tmp_path / "unsaid", photo, model=tiny_run, k=1))
    assert ids(fabnet.search(tmp_path / "unsaid", table["id"][0].as_py(), k=1))


def test_an_id_of_two_rows_is_refused(faces: Path, tmp_path: Path) -> None:
    shutil.copytree(faces, tmp_path / "twice")
    table = lance.dataset(str(faces)).to_table()
    lance.write_dataset(table.slice(0, 1), str(tmp_path / "twice"), mode="append")
    with pytest.raises(InputError, match=r"2 rows of .* have the id"):
        fabnet.search(tmp_path / "twice", table["id"][0].as_py())


def test_a_contact_sheet(faces: Path, tmp_path: Path) -> None:
    name = table_of(faces)["id"][0]
    result = fabnet.search(faces, name, k=7, sheet=tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    # Two rows of five beside the query, on white.
    assert sheet.shape == (2 * 194 + 10, 6 * 154 + 20, 3)
    assert (sheet[:10] == 255).all()
    assert (sheet[204:348, 10:154] == 255).all()
    shown = cv2.cvtColor(sheet, cv2.COLOR_BGR2RGB)[10:154, 174:318].astype(float)
    data = lance.dataset(str(faces)).to_table(columns=["id", "thumbnail"]).to_pylist()
    own = next(row["thumbnail"] for row in data if row["id"] == result.neighbours[0]["id"])
    image = np.asarray(cv2.imdecode(np.frombuffer(own, np.uint8), cv2.IMREAD_COLOR))[:, :, ::-1]
    expected = cv2.resize(image, (144, 144), interpolation=cv2.INTER_CUBIC).astype(float)
    assert np.abs(shown - expected).mean() < 1
    assert "thumbnail" not in result.to_json()["neighbours"][0]


def test_without_thumbnails_a_sheet_is_refused(store: Path, tiny_run: Path, tmp_path: Path) -> None:
    fabnet.embed([store], tmp_path / "plain", model=tiny_run, thumbnails=False)
    name = table_of(tmp_path / "plain")["id"][0]
    with pytest.raises(InputError, match="has no thumbnails for a sheet"):
        fabnet.search(tmp_path / "plain", name, sheet=tmp_path / "sheet.png")
    assert len(fabnet.search(tmp_path / "plain", name, k=3).neighbours) == 3


def test_the_verb(clip: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["search", str(clip), "--query", str(photo), "-k", "3", "--time", "1:"]
    assert main([*args, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["rank"] for row in found["neighbours"]] == [1, 2, 3]
    assert (found["method"], found["where"]) == ("exact", "(time_s >= 1.0)")
    assert main([*args, "--sheet", str(tmp_path / "sheet.png")]) == 0
    out = capsys.readouterr().out
    assert "exact among" in " ".join(out.split())
    assert out.rstrip().endswith("sheet.png")
    for wrong in ("3", "a:b"):
        assert main([*args[:-1], wrong]) == 2
        assert "--time takes two numbers of seconds" in capsys.readouterr().err
    assert main([*args, "--index", "--exact"]) == 2
    assert "exclude each other" in capsys.readouterr().err


SCHEMA = pa.schema(
    [*((name, pa.string()) for name in ("id", "identity", "video")), ("embedding", pa.list_(pa.float32(), 256))]
)


def random_rows(count: int) -> Iterator[pa.RecordBatch]:
    generator = np.random.default_rng(0)
    for first in range(0, count, 10_000):
        names = pa.array([str(place) for place in range(first, first + 10_000)])
        made = pa.array(generator.normal(size=10_000 * 256).astype(np.float32))
        embeddings = pa.FixedSizeListArray.from_arrays(made, 256)
        yield pa.RecordBatch.from_arrays([names, names, names, embeddings], schema=SCHEMA)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_dataset(tmp_path: Path) -> None:
    """Searching 600 MB exactly takes the memory of searching 50 MB, except for the library's buffers."""
    code = """
import sys, numpy as np
from pathlib import Path
from fabnet.retrieval.gallery import Gallery
gallery = Gallery(sys.argv[1])
for _ in range(3):
    assert len(gallery.nearest(np.ones(256), 10, where="identity != 'x'")) == 10
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]))
"""
    peaks = []
    for rows in (50_000, 600_000):
        path = tmp_path / f"{rows}.lance"
        lance.write_dataset(pa.RecordBatchReader.from_batches(SCHEMA, random_rows(rows)), str(path))
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 250
