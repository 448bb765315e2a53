"""Links inside folders that fabnet writes to, and manifests that name files of other places, are not followed."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import FabnetError, InputError, StoreError
from fabnet.files.lance_manifests import check_manifests
from fabnet.files.links import check_links
from fabnet.ingest.import_folder import import_folder
from fabnet.reading.columns import schema
from fabnet.retrieval.gallery import Gallery
from fabnet.store.summary import store_summary
from fabnet.store.track_store import open_store


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def own(store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(store, tmp_path / "own"))


@pytest.fixture
def other(store: Path, tmp_path: Path) -> Path:
    """Another store, and a file beside it."""
    found = Path(shutil.copytree(store, tmp_path / "other"))
    (tmp_path / "letter.txt").write_text("dear reader")
    return found


def replaced_by_link(place: Path, target: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


ENTRIES = [
    "_lock", "_spool", "_ledger.lance", "_tracks.lance", "_pending.json", "_removing.json", "_removed.json", "data",
    "_versions", "_transactions", "_deletions", "_indices", "_ledger.lance/data", "_tracks.lance/_versions",
    "notes.txt",
]  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_link_in_a_store_is_refused_by_every_verb(
    entry: str, own: Path, other: Path, frames_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    is_file = not (other / entry).is_dir() and entry not in ("_spool", "_deletions", "_indices")
    target = tmp_path / "letter.txt" if is_file else other / entry
    if not is_file:
        target.mkdir(exist_ok=True)
    replaced_by_link(own / entry, target)
    before = contents(tmp_path)
    for command in (
        ["compact", own], ["remove", own, "--identity", "person1"], ["info", own], ["info", own, "--verify"],
        ["import", frames_folder, "--out", own, "--layout", "identity/video"],
        ["embed", own, "--out", tmp_path / "faces.lance"], ["train", own, "--out", tmp_path / "run"],
    ):  # fmt: skip
        assert main([str(word) for word in command]) != 0
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert f"holds a link, {entry} -> {target}" in line
    assert contents(tmp_path) == before


def test_single_files_that_are_links(own: Path, other: Path) -> None:
    for file in (*own.glob("data/*"), *own.glob("_versions/*"), *own.glob("_transactions/*")):
        kept = file.read_bytes()
        replaced_by_link(file, other / file.relative_to(own))
        with pytest.raises(StoreError, match=f"holds a link, {file.relative_to(own).as_posix()}"):
            open_store(own)
        file.unlink()
        file.write_bytes(kept)
    open_store(own)


def test_an_unfinished_store_with_links(tmp_path: Path, frames_folder: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    (tmp_path / "pictures").mkdir()
    for name, target in (("_lock", "letter.txt"), ("_spool", "pictures"), ("data", "pictures")):
        (tmp_path / name.strip("_")).mkdir()
        (tmp_path / name.strip("_") / name).symlink_to(tmp_path / target)
        with pytest.raises(StoreError, match=f"holds a link, {name}"):
            import_folder(frames_folder, tmp_path / name.strip("_"), layout="identity/video")
    assert (tmp_path / "letter.txt").read_text() == "dear reader"
    assert not any((tmp_path / "pictures").iterdir())


def test_the_folder_given_may_be_a_link_and_files_may_be_hard_links(own: Path, tmp_path: Path) -> None:
    (tmp_path / "named").symlink_to(own)
    (file,) = own.glob("data/*.lance")
    os.link(file, tmp_path / "same.lance")
    before = file.read_bytes()
    fabnet.remove(tmp_path / "named", ["person1"])
    assert open_store(tmp_path / "named").num_rows == 50
    assert (tmp_path / "same.lance").read_bytes() == before


def test_special_files_in_a_store_are_named(own: Path) -> None:
    os.mkfifo(own / "_versions" / "1.manifest")
    with pytest.raises(StoreError, match=r"holds _versions/1\.manifest, which is a named pipe"):
        open_store(own)
    for file in own.glob("_versions/18*.manifest"):
        file.unlink()
    with pytest.raises(StoreError, match=r"holds _versions/1\.manifest, which is a named pipe"):
        open_store(own)


def test_links_in_embeddings(faces: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(faces, tmp_path / "copy.lance"))
    replaced_by_link(copy / "_indices", faces / "_indices")
    before = contents(faces)
    for call in (Gallery, fabnet.verify, fabnet.compact, lambda path: fabnet.remove(path, ["p1"])):
        with pytest.raises(StoreError, match="holds a link, _indices"):
            call(copy)
    assert contents(faces) == before


@pytest.mark.parametrize(
    "entry", ["checkpoints", "tensorboard", "metrics.csv", "config.json", "checkpoints/step-00000010"]
)
def test_links_in_a_run(entry: str, tiny_run: Path, store: Path, tmp_path: Path) -> None:
    run, others = (Path(shutil.copytree(tiny_run, tmp_path / name)) for name in ("run", "others"))
    replaced_by_link(run / entry, others / entry)
    before = contents(others)
    for resume in (True, False):
        with pytest.raises(InputError, match=f"holds a link, {entry} -> "):
            fabnet.train(store, run, resume=resume, max_steps=12, num_workers=0)
    assert contents(others) == before


def test_links_where_reports_exports_and_the_demo_write(tiny_run: Path, tmp_path: Path) -> None:
    from fabnet.demonstration import _clear

    run, others = Path(shutil.copytree(tiny_run, tmp_path / "run")), tmp_path / "others"
    others.mkdir()
    (others / "00-best.png").write_bytes(b"mine")
    for folder, name in ((run, "report"), (tmp_path / "page", "reconstructions"), (tmp_path / "out", "config.json"),
                         (tmp_path / "out", "reader.safetensors"), (tmp_path / "demo", "fabnet-demo.txt")):  # fmt: skip
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(others if folder.name != "out" else tmp_path / "made")
    with pytest.raises(InputError, match="holds a link, report"):
        fabnet.report(run)
    with pytest.raises(InputError, match="holds a link, reconstructions"):
        fabnet.report(run, out=tmp_path / "page")
    with pytest.raises(InputError, match=r"holds a link, (config\.json|reader)"):
        fabnet.export(tiny_run, tmp_path / "out" / "encoder.onnx")
    assert contents(others) == {"00-best.png": b"mine"}
    assert not (tmp_path / "made").exists()
    with pytest.raises(FabnetError):
        _clear(tmp_path / "demo")


@pytest.mark.skipif(os.name != "nt", reason="only Windows has junctions")
def test_a_junction_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    subprocess.run(["cmd", "/c", "mklink", "/J", tmp_path / "own" / "data", tmp_path], check=True)
    with pytest.raises(InputError, match="holds a link, data"):
        check_links(tmp_path / "own", "a store")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [
        {"id": f"p{n % 4}/v/{n}", "identity": f"p{n % 4}", "video": f"p{n % 4}/v", "track": "0", "frame": n,
         "source": f"p{n % 4}.mp4", "reason": "", "thumbnail": b"x", "embedding": rng.normal(size=8).astype(np.float32)}
        for n in range(300)
    ]  # fmt: skip
    lance.write_dataset(pa.Table.from_pylist(rows, schema=schema(8, thumbnails=True)), str(tmp_path / "faces.lance"))
    Gallery(tmp_path / "faces.lance").build_index()
    return tmp_path / "faces.lance"


def test_a_shallow_clone_is_refused_by_every_verb(
    other: Path, faces: Path, tmp_path: Path, frames_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clones = tmp_path / "store-clone", tmp_path / "faces-clone.lance"
    for source, clone in zip((other, faces), clones, strict=True):
        dataset = lance.dataset(str(source))
        dataset.shallow_clone(str(clone), dataset.version)
    before = contents(tmp_path)
    for command in (
        ["info", clones[0]], ["info", clones[0], "--verify"], ["compact", clones[0]],
        ["remove", clones[0], "--identity", "person1"],
        ["train", clones[0], "--out", tmp_path / "run"], ["embed", clones[0], "--out", tmp_path / "new.lance"],
        ["import", frames_folder, "--out", clones[0], "--layout", "identity/video"],
        ["info", clones[1]], ["info", clones[1], "--verify"], ["compact", clones[1]],
        ["remove", clones[1], "--identity", "p1"],
        ["search", clones[1], "--query", "p1/v/1"], ["embed", frames_folder, "--out", clones[1]],
    ):  # fmt: skip
        assert main([str(word) for word in command]) == 5, command
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert "names files of another place" in line
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["_ledger.lance", "_tracks.lance"])
def test_a_shallow_clone_inside_a_store(own: Path, other: Path, name: str) -> None:
    shutil.rmtree(own / name)
    dataset = lance.dataset(str(other / name))
    dataset.shallow_clone(str(own / name), dataset.version)
    for call in (fabnet.verify, fabnet.compact, store_summary):
        with pytest.raises(StoreError, match=f"{name} names files of another place"):
            call(own)


def varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def group(number: int) -> bytes:
    return varint(number << 3 | 3) + field(1, 7) + varint(number << 3 | 4)


def added(manifest: bytes, more: bytes) -> bytes:
    """A manifest with appended fields; the last value of a field counts, and repeated fields grow."""
    at, *rest = struct.unpack("<QHH4s", manifest[-16:])
    body = manifest[at + 4 : -16] + more
    return manifest[:at] + struct.pack("<I", len(body)) + body + struct.pack("<QHH4s", at, *rest)


def fragment_of(path: bytes) -> bytes:
    return field(2, field(1, 99) + field(2, field(1, path) + field(2, b"\0") + field(4, 2)) + field(4, 5))


def index_at_the_front(manifest: bytes, index: bytes) -> bytes:
    """A manifest with a prepended section of indices."""
    section = field(1, index)
    at, *rest = struct.unpack("<QHH4s", manifest[-16:])
    front = manifest[:at] + struct.pack("<I", len(section)) + section
    return added(front + manifest[at:-16] + struct.pack("<QHH4s", len(front), *rest), field(6, at))


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "a base path, though no file has it": lambda old: added(old, field(18, field(1, 1) + field(4, b"s3://bucket/x"))),
    "a base path behind a group": lambda old: added(old, group(99) + field(18, field(4, b"/home"))),
    "a base path behind a part that is not one": lambda old: added(old, field(2, b"\xff") + field(18, b"\xff")),
    "a data file with a base": lambda old: added(old, field(2, field(2, field(1, b"a.lance") + field(7, 0)))),
    "the same behind a group": lambda old: added(old, field(2, group(90) + field(2, group(91) + field(7, 0)))),
    "an overlay with a base": lambda old: added(old, field(2, field(11, field(1, field(7, 3))))),
    "deletions with a base": lambda old: added(old, field(2, field(3, field(1, 1) + field(2, 1) + field(7, 1)))),
    "row ids elsewhere": lambda old: added(old, field(2, field(6, field(1, b"../../ids")))),
    "a path that climbs": lambda old: added(old, fragment_of(b"../../other/data/a.lance")),
    "a whole path": lambda old: added(old, fragment_of(b"/home/other/data/a.lance")),
    "an address": lambda old: added(old, fragment_of(b"s3://bucket/a.lance")),
    "a path in code": lambda old: added(old, fragment_of(b"%2e%2e/a.lance")),
    "a path of Windows": lambda old: added(old, fragment_of(b"..\\a.lance")),
    "a transaction elsewhere": lambda old: added(old, field(12, b"../../other/_transactions/1-a.txn")),
    "an index with a base": lambda old: index_at_the_front(old, field(3, b"i") + field(9, 0)),
    "an index with a file elsewhere": lambda old: index_at_the_front(old, field(10, field(1, b"../../x.idx"))),
    "an index with details elsewhere": lambda old: index_at_the_front(
        old, field(6, field(1, b"/lance.table.FragmentReuseIndexDetails") + field(2, field(2, field(1, b"/etc/x"))))
    ),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", ["18446744073709551000.manifest", "1.manifest", "d99.manifest", "same"])
def test_manifests_that_name_other_places(own: Path, harm: str, name: str) -> None:
    """Manifests of any version and name are checked."""
    latest = min(own.glob("_versions/*.manifest"))
    data = HARMS[harm](latest.read_bytes())
    (latest if name == "same" else latest.with_name(name)).write_bytes(data)
    with pytest.raises(StoreError, match="names files of another place"):
        open_store(own)


def test_sound_manifests_pass(own: Path, faces: Path) -> None:
    """Manifests with deletions of either form, with indices, and a truncated one pass."""
    for path in (own, own / "_ledger.lance", own / "_tracks.lance", faces):
        check_manifests(path)
    lance.dataset(str(faces)).delete("identity = 'p1'")
    lance.dataset(str(faces)).delete("frame % 3 = 0")
    lance.dataset(str(faces)).optimize.optimize_indices()
    check_manifests(faces)
    assert Gallery(faces).num_rows == 150
    (own / "_versions" / "18446744073709540000.manifest").write_bytes(b"\0" * 99)
    check_manifests(own)


def test_a_local_store_sends_no_request(own: Path) -> None:
    """Lance itself would send a request to the base path's object store, signed with the user's credentials."""
    latest = min(own.glob("_versions/*.manifest"))
    (file,) = own.glob("data/*.lance")
    described = field(1, file.name.encode()) + field(2, bytes(range(12))) + field(3, bytes(range(12)))
    described += field(4, 2) + field(5, 2) + field(7, 1)
    base = field(18, field(1, 1) + field(3, 1) + field(4, b"s3://bucket/other"))
    flags = field(9, 16) + field(10, 16)
    fragment = field(2, field(1, 9) + field(2, described) + field(4, 60))
    latest.write_bytes(added(latest.read_bytes(), fragment + base + flags))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        secrets = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"}
        endpoint = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}", "AWS_ALLOW_HTTP": "true"}
        command = [sys.executable, "-m", "fabnet", "info", str(own), "--verify"]
        with subprocess.Popen(
            command, env=os.environ | secrets | endpoint, stderr=subprocess.PIPE, text=True
        ) as process:
            asked = False
            while process.poll() is None and not asked:
                with suppress(TimeoutError):
                    server.accept()[0].close()
                    asked = True
            process.kill()
            said = process.stderr.read() if process.stderr else ""
    assert not asked
    assert "names files of another place" in said


def test_tags_and_branches_keep_removed_rows(own: Path) -> None:
    lance.dataset(str(own)).tags.create("best", 1)
    for call in (fabnet.compact, lambda path: fabnet.remove(path, ["person1"])):
        with pytest.raises(StoreError, match=r"has tags \(best"):
            call(own)
    lance.dataset(str(own)).tags.delete("best")
    lance.dataset(str(own)).create_branch("side")
    with pytest.raises(StoreError, match="has branches"):
        fabnet.remove(own, ["person1"])
    assert open_store(own).num_rows == 60
