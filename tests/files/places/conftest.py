"""An S3 server on this machine, with a bucket. Skipped if moto or s3fs is not installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`s3://faces`, initially empty; its endpoint is in the environment, also for processes that tests start."""
    boto3 = pytest.importorskip("boto3")
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    for name in ("upath", "s3fs"):
        pytest.importorskip(name)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ALLOW_HTTP", "true")  # set here so that it is undone at the end; the package sets it itself
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        boto3.client("s3").create_bucket(Bucket="faces")
        yield "s3://faces"
    server.stop()


@pytest.fixture(scope="session")
def remote_store(bucket: str, store: Path, frames_folder: Path) -> str:
    """The store of six "people", imported into the bucket."""
    from fabnet.ingest.import_folder import import_folder

    uri = f"{bucket}/people.lance"
    import_folder(frames_folder, uri, layout="identity/video", splits=store.parent / "splits.csv", num_workers=0)
    return uri
