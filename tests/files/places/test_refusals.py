"""Places that are refused: each in one line that never contains a secret."""

from __future__ import annotations

import os
import pickle
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, MissingDependencyError
from fabnet.files.places import as_place, fetched, is_remote, local, send, workplace


@pytest.fixture
def elsewhere(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An environment to change; clients are created again inside it and after it."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("HOME", str(tmp_path))  # without the user's own ~/.aws
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield monkeypatch
    S3FileSystem.clear_instance_cache()


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line that a refused command prints."""
    assert main(list(args)) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "a-secret" not in errors
    return errors


def test_local_paths_are_paths(tmp_path: Path) -> None:
    for given in (str(tmp_path / "a"), tmp_path / "a"):
        assert as_place(given) == tmp_path / "a"
        assert workplace(as_place(given)) == fetched(as_place(given)) == tmp_path / "a"
    assert not is_remote("C:/a")
    assert not is_remote("hf:owner/name")


LOOPING = [
    ["track", "clip.mp4", "--out", "LOOP"], ["track", "clip.mp4", "--out", "LOOP/store.lance"],
    ["import", "frames", "--out", "LOOP"], ["train", "store.lance", "--out", "LOOP"],
    ["read", "clip.mp4", "--out", "LOOP/rows.csv"], ["read", "clip.mp4", "--overlay", "LOOP.mp4"], ["read", "LOOP"],
    ["embed", "clip.mp4", "--out", "LOOP"], ["courses", "LOOP.csv"], ["courses", "rows.csv", "--out", "LOOP.csv"],
    ["export", "small", "--out", "LOOP"], ["table", "1", "--out", "LOOP"], ["demo", "--out", "LOOP"],
    ["report", "LOOP"], ["search", "LOOP", "--query", "a.jpg"], ["info", "LOOP"], ["compact", "LOOP"],
]  # fmt: skip


@pytest.mark.parametrize("command", LOOPING, ids=" ".join)
def test_loops_of_symlinks_are_named(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for ending in ("", ".csv", ".mp4"):
        (tmp_path / f"LOOP{ending}").symlink_to(f"other{ending}")
        (tmp_path / f"other{ending}").symlink_to(f"LOOP{ending}")
    before = sorted(os.listdir(tmp_path))
    line = said(capsys, *command)
    assert re.fullmatch(
        rf"fabnet {command[0]}: LOOP\S* is a symlink to other\S*, which leads back to itself; .*\n", line
    )
    assert sorted(os.listdir(tmp_path)) == before


def test_unknown_schemes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "expected a local path or one of s3://, gs://, az://" in said(capsys, "info", "ftp://host/run")
    assert "http://" in said(capsys, "train", "http://host/s.lance", "--out", str(tmp_path / "run"), "--max-steps", "1")


@pytest.mark.parametrize("uri", ["s3://a-key:a-secret@faces/x", "az://faces/x?sig=a-secret", "gs://faces/x#a-secret"])
def test_credentials_in_an_address_are_refused_and_not_repeated(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "credentials go into the environment" in said(capsys, "info", uri)


@pytest.mark.parametrize("uri", ["s3://faces", "s3://faces/", "s3:///x", "s3://faces//x", "s3://faces/../x"])
def test_uris_that_are_not_a_place_in_a_bucket(uri: str) -> None:
    with pytest.raises(InputError, match="expected s3://BUCKET/NAME"):
        as_place(uri)


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_missing_extra_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'fabnet\[{scheme}\]'"):
        as_place(f"{scheme}://faces/x")


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_a_missing_client_is_named(scheme: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("upath")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'fabnet\[{scheme}\]'"):
        as_place(f"{scheme}://faces/x")


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_paths_of_the_other_object_stores(scheme: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what works without a network."""
    pytest.importorskip("upath")
    pytest.importorskip(package)
    monkeypatch.setattr("fabnet.files.places._check", lambda name, found: None)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    place = as_place(f"{scheme}://faces/runs/one/")
    assert str(place) == f"{scheme}://faces/runs/one"
    assert str(place / "checkpoints" / "a.json") == f"{scheme}://faces/runs/one/checkpoints/a.json"
    assert type(place.fs).__module__.split(".")[0] == package  # type: ignore[attr-defined]
    assert (place.parent.name, place.name, place.with_suffix(".csv").name) == ("runs", "one", "one.csv")


def test_no_such_bucket(bucket: str, capsys: pytest.CaptureFixture[str], second: Path) -> None:
    assert "there is no bucket s3://nobody" in said(capsys, "info", "s3://nobody/run")
    assert "there is no bucket s3://nobody" in said(capsys, "track", str(second), "--out", "s3://nobody/s.lance")
    import boto3

    assert [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]] == ["faces"]


def test_nothing_there(bucket: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert f"there is nothing at {bucket}/nothing" in said(capsys, "info", f"{bucket}/nothing")
    for error, args in (
        (5, ["train", f"{bucket}/nothing", "--out", str(tmp_path / "run"), "--max-steps", "1"]),
        (5, ["search", f"{bucket}/nothing", "--query", "a"]),
        (5, ["compact", f"{bucket}/nothing"]),
        (6, ["report", f"{bucket}/nothing"]),
        (6, ["export", f"{bucket}/nothing", "--out", str(tmp_path / "model")]),
    ):
        assert main(args) == error
        assert capsys.readouterr().err.count("\n") == 1


def test_no_credentials(elsewhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere.delenv("AWS_ACCESS_KEY_ID")
    elsewhere.delenv("AWS_SECRET_ACCESS_KEY")
    assert "credentials are missing or not accepted" in said(capsys, "info", "s3://faces/not-asked-for-yet")


def test_wrong_credentials(elsewhere: pytest.MonkeyPatch, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    def check_after(requests: str) -> None:
        url, headers = os.environ["AWS_ENDPOINT_URL"] + "/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, requests.encode(), headers)).close()

    check_after("0")
    try:
        assert "check the credentials" in said(capsys, "info", f"{bucket}/not-asked-for-either")
    finally:
        check_after("inf")


def test_an_unreachable_endpoint(elsewhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "cannot be reached" in said(capsys, "info", "s3://faces/nor-for-this")


def test_what_must_be_local(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="videos must be on this machine"):
        fabnet.track(f"{bucket}/talk.mp4", tmp_path / "s.lance")
    with pytest.raises(InputError, match="caches must be on this machine"):
        local(f"{bucket}/cache", "caches")


def test_a_place_on_this_machine_that_cannot_be_written_is_named(
    bucket: str, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert main(["track", str(second), "--out", f"{bucket}/nowhere.lance", "--num-workers", "0"]) == 8
    assert f"cannot write {tmp_path / 'file'}/fabnet/remote" in capsys.readouterr().err


def test_objects_whose_names_lead_out_of_the_folder_are_not_copied(bucket: str) -> None:
    import boto3

    boto3.client("s3").put_object(Bucket="faces", Key="evil/../../escaped", Body=b"x")
    with pytest.raises(InputError, match="leads out of it"):
        fetched(as_place(f"{bucket}/evil"))


def test_a_second_fetch_gets_the_current_content(bucket: str, tmp_path: Path) -> None:
    place = as_place(f"{bucket}/file.txt")
    for text in ("one", "two"):
        (tmp_path / "file.txt").write_text(text)
        send(tmp_path / "file.txt", place)
        assert fetched(place).read_text() == text
        assert fetched(place) == fetched(place)
    with pytest.raises(InputError, match="there is nothing at"):
        fetched(as_place(f"{bucket}/none.txt"))


def test_a_place_can_be_sent_to_another_process(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = pickle.dumps(as_place(f"{bucket}/sent.lance"))
    assert b"a-secret" not in sent
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    assert str(as_place(pickle.loads(sent))) == f"{bucket}/sent.lance"  # noqa: S301 - made above
    assert os.environ["AWS_ALLOW_HTTP"] == "true"
