"""`embed` on photos, folders, videos and stores, in every format."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import lance
import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest

import fabnet
from fabnet.cli import main
from fabnet.encoders.digest import model_digest
from fabnet.errors import InputError, NoFaceError, OutputError
from fabnet.faces.find import crop_faces
from fabnet.files.limits import read_bytes
from fabnet.models.find_model import find_model
from fabnet.store.track_store import open_store
from fabnet.video.decode import read_frames
from tests.encoders.checkpoints import loading_while_training


@pytest.fixture(scope="module")
def photo(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = next(read_frames(smiling))
    file = tmp_path_factory.mktemp("photo") / "man.png"
    cv2.imwrite(str(file), frame.image[:, :, ::-1])
    return file


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(lance.dataset(str(path)).to_table().to_pylist())


def test_a_photo(photo: Path, tiny_run: Path, tmp_path: Path) -> None:
    result = fabnet.embed([photo], tmp_path / "out.lance", model=tiny_run)
    assert (result.rows, result.embedded, result.without_face) == (1, 1, 0)
    (row,) = rows_of(tmp_path / "out.lance")
    image = cv2.imread(str(photo))
    assert image is not None
    face = crop_faces(image[:, :, ::-1].copy())[0]
    np.testing.assert_allclose(row["embedding"], fabnet.load(tiny_run).embed([face.image])[0], atol=1e-5)
    np.testing.assert_allclose(row["box_px"], face.box_px, atol=1e-3)


def test_a_video_has_one_row_per_frame(smiling: Path, tiny_run: Path, tmp_path: Path) -> None:
    result = fabnet.embed([smiling], tmp_path / "out.lance", model=tiny_run, fps=10)
    rows = rows_of(tmp_path / "out.lance")
    kept = list(read_frames(smiling, fps=10))
    assert [row["frame"] for row in rows] == [frame.index for frame in kept]
    assert [row["time_s"] for row in rows] == pytest.approx([frame.time_s for frame in kept])
    assert result.embedded >= 0.9 * len(kept)
    assert all((row["embedding"] is None) == bool(row["reason"]) for row in rows)


def test_a_store_keeps_its_names(store: Path, tiny_run: Path, tmp_path: Path) -> None:
    result = fabnet.embed([store], tmp_path / "out.lance", model=tiny_run)
    rows = rows_of(tmp_path / "out.lance")
    names = open_store(store).read_rows(np.arange(60), ["identity", "frame"]).to_pylist()
    assert result.embedded == 60
    assert [(row["identity"], row["frame"]) for row in rows] == [(name["identity"], name["frame"]) for name in names]


def test_a_folder_with_a_bad_file_keeps_the_good_ones(photo: Path, tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "a.png").write_bytes(photo.read_bytes())
    (folder / "b.jpg").write_bytes(b"")
    (folder / "c.mp4").write_bytes(b"no video")
    cv2.imwrite(str(folder / "d.png"), np.full((64, 64, 3), 128, np.uint8))
    result = fabnet.embed([folder], tmp_path / "out.lance", model=tiny_run)
    assert (result.rows, result.embedded, result.without_face) == (2, 1, 1)
    assert [name for name, _ in result.failed] == ["b.jpg", "c.mp4"]
    assert [row["reason"] for row in rows_of(tmp_path / "out.lance")] == ["", "no face found"]


@pytest.mark.parametrize("file_format", ["parquet", "csv", "npy"])
def test_formats_for_other_tools(photo: Path, tiny_run: Path, tmp_path: Path, file_format: str) -> None:
    out = tmp_path / f"faces.{file_format}"
    fabnet.embed([photo], out, model=tiny_run)
    expected = fabnet.load(tiny_run).embed([crop_faces(next(_rgb(photo)))[0].image])[0]
    if file_format == "parquet":
        found = parquet.read_table(out)["embedding"].to_pylist()[0]
    elif file_format == "csv":
        table = pyarrow.csv.read_csv(out)
        found = [table[f"e{i}"][0].as_py() for i in range(16)]
    else:
        found = np.load(out, allow_pickle=False)[0]
        assert pyarrow.csv.read_csv(out.with_suffix(".csv"))["source"].to_pylist() == ["man.png"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def _rgb(photo: Path) -> Any:
    image = cv2.imread(str(photo))
    assert image is not None
    yield image[:, :, ::-1].copy()


def test_nothing_to_embed_is_refused_and_nothing_is_written(tiny_run: Path, tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((64, 64, 3), 128, np.uint8))
    with pytest.raises(NoFaceError, match="no face was found in 1 pictures or frames"):
        fabnet.embed([grey], tmp_path / "out.lance", model=tiny_run)
    with pytest.raises(InputError, match="no such file or folder"):
        fabnet.embed([tmp_path / "none.jpg"], tmp_path / "out.lance", model=tiny_run)
    (tmp_path / "grey.txt").write_text("")
    with pytest.raises(InputError, match="neither a photo nor a video"):
        fabnet.embed([tmp_path / "grey.txt"], tmp_path / "out.lance", model=tiny_run)
    with pytest.raises(InputError, match="no input given: name photos"):
        fabnet.embed([], tmp_path / "out.lance", model=tiny_run)
    for batch_size in (0, -1):
        with pytest.raises(InputError, match="batch_size must be 1 or more; got"):
            fabnet.embed([grey], tmp_path / "out.lance", model=tiny_run, crop="none", batch_size=batch_size)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grey.png", "grey.txt"]
    result = fabnet.embed([grey], tmp_path / "crops.lance", model=tiny_run, crop="none")
    assert result.embedded == 1


def test_the_ending_and_the_format_must_agree(photo: Path, store: Path, tiny_run: Path, tmp_path: Path) -> None:
    for name, given, message in [
        ("a.csv", "parquet", "ends in .csv, but --format is parquet"),
        ("a.json", None, "ends in .json; expected .lance, .parquet, .csv or .npy"),
    ]:
        with pytest.raises(InputError, match=message):
            fabnet.embed([photo], tmp_path / name, model=tiny_run, format=given)
    with pytest.raises(InputError, match="lies inside the dataset"):
        fabnet.embed([photo], store / "a.csv", model=tiny_run)
    fabnet.embed([photo], tmp_path / "A.CSV", model=tiny_run)
    assert pyarrow.csv.read_csv(tmp_path / "A.CSV")["source"].to_pylist() == ["man.png"]


def test_two_files_of_one_name_are_refused_and_a_repeated_file_counts_once(photo: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(photo, tmp_path / folder / "1.png")
    files = [tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"]
    with pytest.raises(
        InputError, match=r"two inputs have the name 1\.png: .*a/1\.png and .*b/1\.png; give the folder"
    ):
        fabnet.embed(files, tmp_path / "out.lance", model="pixels", crop="none")
    result = fabnet.embed([tmp_path / "a", tmp_path / "b"], tmp_path / "out.lance", model="pixels", crop="none")
    assert (result.rows, [name for name, _ in result.failed]) == (1, ["1.png"])
    given = [tmp_path / "a", tmp_path / "a" / "1.png", tmp_path / "b" / ".." / "a"]
    assert fabnet.embed(given, tmp_path / "out.lance", model="pixels", crop="none").rows == 1
    assert fabnet.embed([tmp_path], tmp_path / "out.lance", model="pixels", crop="none").rows == 2


def test_hidden_files_in_a_folder_are_left_out(photo: Path, tmp_path: Path) -> None:
    album = tmp_path / ".albums" / "mine"
    for name in ("a.png", "._a.png", ".trash/b.png", "more/c.png"):
        (album / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, album / name)
    fabnet.embed([album], tmp_path / "out.lance", model="pixels", crop="none")
    assert [row["source"] for row in rows_of(tmp_path / "out.lance")] == ["a.png", "more/c.png"]


def test_a_sample_of_a_split_is_embedded_as_in_the_whole(store: Path, tiny_run: Path, tmp_path: Path) -> None:
    rows = {}
    for name, split, sample in (("all", None, None), ("val", "val", None), ("few", "val", 7)):
        out = tmp_path / f"{name}.lance"
        fabnet.embed([store], out, model=tiny_run, batch_size=1, split=split, sample=sample, seed=1)
        rows[name] = rows_of(out)
    val = set(open_store(store).index("val", min_frames=1).identity.tolist())
    assert {row["identity"] for row in rows["val"]} == val
    assert len(rows["val"]) == sum(row["identity"] in val for row in rows["all"])
    whole = {row["id"]: row["embedding"] for row in rows["all"]}
    assert len({row["id"] for row in rows["few"]}) == 7
    assert all(row["identity"] in val and row["embedding"] == whole[row["id"]] for row in rows["few"])


def test_a_sample_is_of_a_store(store: Path, tiny_run: Path, tmp_path: Path, photo: Path) -> None:
    out = tmp_path / "out.lance"
    with pytest.raises(InputError, match="--split and --sample choose among the rows of a store"):
        fabnet.embed([store, photo], out, model=tiny_run, sample=5)
    with pytest.raises(InputError, match="sample must be 1 or more, and seed 0 or more; got 0 and 0"):
        fabnet.embed([store], out, model=tiny_run, sample=0)
    with pytest.raises(InputError, match="has no rows in test to embed"):
        fabnet.embed([store], out, model=tiny_run, split="test")
    assert not out.exists()


def test_a_store_without_boxes_is_embedded(store: Path, tiny_run: Path, tmp_path: Path) -> None:
    rows = lance.dataset(str(store)).to_table().slice(0, 5)
    at = rows.column_names.index("crop_box_px")
    boxes = pyarrow.nulls(len(rows), rows.schema.field(at).type)
    lance.write_dataset(rows.set_column(at, rows.schema.field(at), boxes), tmp_path / "bare.lance")
    result = fabnet.embed([tmp_path / "bare.lance"], tmp_path / "out.lance", model=tiny_run)
    assert (result.rows, result.embedded) == (len(rows), len(rows))


def test_a_corrupt_row_of_a_store_is_listed_and_the_rest_embedded(store: Path, tiny_run: Path, tmp_path: Path) -> None:
    dataset = lance.dataset(str(store))
    images = dataset.to_table().column("image").to_pylist()
    images[3] = b"no picture"
    place = dataset.schema.get_field_index("image")
    table = dataset.to_table().set_column(place, dataset.schema.field("image"), [images])
    lance.write_dataset(table, str(tmp_path / "store"), schema=dataset.schema)
    result = fabnet.embed([tmp_path / "store"], tmp_path / "out.lance", model=tiny_run, batch_size=2)
    assert (result.rows, len(result.failed)) == (59, 1)
    assert "picture that can be read" in result.failed[0][1]
    frames = [row["frame"] for row in open_store(store).read_rows(np.arange(60), ["frame"]).to_pylist()]
    assert [row["frame"] for row in rows_of(tmp_path / "out.lance")] == frames[:3] + frames[4:]


def test_files_that_are_crops_are_embedded_as_their_pictures_are(
    frames_folder: Path, tiny_run: Path, tmp_path: Path
) -> None:
    folder = frames_folder / "person0" / "0"
    fabnet.embed([folder], tmp_path / "out.lance", model=tiny_run, crop="none", batch_size=3)
    rows = rows_of(tmp_path / "out.lance")
    pictures = [next(_rgb(folder / row["source"])) for row in rows]
    assert [row["source"] for row in rows] == sorted(file.name for file in folder.iterdir())
    expected = fabnet.load(tiny_run).embed(pictures)
    np.testing.assert_allclose([row["embedding"] for row in rows], expected, atol=1e-6)


def test_a_store_is_not_replaced(store: Path, tiny_run: Path) -> None:
    before = fabnet.open_store(store).num_rows
    with pytest.raises(InputError, match="is a track store, which embed would replace"):
        fabnet.embed([store], out=store, model=tiny_run)
    assert fabnet.open_store(store).num_rows == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own", r"holds other files \(thesis.tex"),
        ("project", r"holds other files \(data/clip.mp4"),
        ("nested", r"holds other files \(data/inner.lance"),
        ("table.lance", "is a dataset of something else"),
        ("file", "is a file"),
        ("own.csv", "is a folder"),
        ("labels.npy", "labels.csv was not written by embed"),
        ("own.npy", "own.csv was not written by embed"),
    ],
)
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_files_that_embed_did_not_write_are_never_replaced(
    photo: Path, tmp_path: Path, name: str, said: str, engine: str
) -> None:
    if engine == "ray":
        pytest.importorskip("ray")
    for folder in ("own", "project/data", "nested/data/inner.lance", "own.csv"):
        (tmp_path / folder).mkdir(parents=True)
    files = "own/thesis.tex project/data/clip.mp4 nested/data/inner.lance/x own.csv/thesis.tex file labels.csv"
    for file in files.split():
        (tmp_path / file).write_text("mine")
    lance.write_dataset(pyarrow.table({"customer": ["a"]}), str(tmp_path / "table.lance"))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match=said):
        fabnet.embed([photo], tmp_path / name, model="pixels", crop="none", engine=engine)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_no_input_is_replaced(photo: Path, tmp_path: Path) -> None:
    shutil.copy(photo, tmp_path)
    (tmp_path / "link.png").symlink_to(photo.name)
    for name in (photo.name, "link.png"):
        with pytest.raises(InputError, match="is an input, which embed would replace"):
            fabnet.embed([tmp_path / photo.name], tmp_path / name, format="csv", model="pixels", crop="none")
    assert (tmp_path / photo.name).read_bytes() == photo.read_bytes()


def test_the_table_beside_an_npy_is_replaced_if_embed_wrote_it(photo: Path, tmp_path: Path) -> None:
    for _ in range(2):
        fabnet.embed([photo], tmp_path / "faces.npy", model="pixels", crop="none")
    with pytest.raises(InputError, match=r"ends in \.csv, but --format is npy"):
        fabnet.embed([photo], tmp_path / "new.csv", format="npy", model="pixels", crop="none")


@pytest.mark.skipif(sys.platform != "linux", reason="the name of an open file is asked of /proc")
def test_a_full_disk_at_the_sync_keeps_an_npy_and_its_table(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabnet.embed([photo], tmp_path / "faces.npy", model="pixels", crop="none")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    real = os.fsync

    def full(opened: int) -> None:
        if ".npy" in os.readlink(f"/proc/self/fd/{opened}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(opened)

    (tmp_path / "more").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(photo, tmp_path / "more" / name)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        fabnet.embed([tmp_path / "more"], tmp_path / "faces.npy", model="pixels", crop="none")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_leftovers_are_replaced_and_a_symlink_is_kept(photo: Path, tmp_path: Path) -> None:
    for folder in ("data", "_versions", "_transactions"):
        (tmp_path / "killed.lance" / folder).mkdir(parents=True)
    (tmp_path / "killed.lance" / "data" / "0f.lance").write_text("half a file")
    (tmp_path / "link.lance").symlink_to("killed.lance")
    fabnet.embed([photo], tmp_path / "link.lance", model="pixels", crop="none")
    assert (tmp_path / "link.lance").is_symlink()
    assert len(rows_of(tmp_path / "killed.lance")) == 1


def test_a_photo_that_cannot_be_read_is_listed(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        shutil.copy(photo, tmp_path / name)

    def denied(path: Path, *args: Any) -> bytes:
        if path.name == "a.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_bytes(path, *args)

    monkeypatch.setattr("fabnet.reading.inputs.read_bytes", denied)
    result = fabnet.embed([tmp_path], tmp_path / "out.lance", model="pixels", crop="none")
    assert result.failed == [("a.png", "cannot be read (Permission denied)")]
    assert result.embedded == 1


def test_a_name_that_is_not_utf8_is_refused(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = b"\xff.png".decode(errors="surrogateescape")
    try:
        shutil.copy(photo, tmp_path / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert main(["embed", str(tmp_path), "--model", "pixels", "--crop", "none", "--out", str(tmp_path / "o.csv")]) == 2
    assert "udcff.png: name that is not UTF-8: rename it" in capsys.readouterr().err


def test_a_corrupt_video_is_listed_beside_its_rows(smiling: Path, tiny_run: Path, tmp_path: Path) -> None:
    whole = smiling.read_bytes()
    middle = len(whole) // 2
    video = tmp_path / "hole.mp4"
    video.write_bytes(whole[:middle] + bytes(20_000) + whole[middle + 20_000 :])
    result = fabnet.embed([video], tmp_path / "out.csv", model=tiny_run, fps=5)
    assert result.embedded > 5
    assert [name for name, _ in result.failed] == ["hole.mp4"]
    assert "corrupt" in result.failed[0][1]


def test_a_run_that_goes_on_is_one_model_throughout(
    tiny_run: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    loaded = find_model(run)
    monkeypatch.setattr("fabnet.reading.embed.load", loading_while_training(run))
    fabnet.embed(photo, tmp_path / "out.parquet", model=run)
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.schema.metadata[b"fabnet.model_digest"].decode() == model_digest(loaded)
    assert found.schema.metadata[b"fabnet.model"].decode() == str(run)
