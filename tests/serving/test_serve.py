"""The server as a process: its addresses, uploads that are too large, its memory, its end."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fabnet.errors import InputError, MissingDependencyError, StoreError
from fabnet.serving.serve import serve

from .conftest import serving

pytest.importorskip("uvicorn", reason="uvicorn is not installed")


def memory_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from /proc")
def test_large_uploads_are_refused_and_cost_no_memory(faces_data: Path) -> None:
    def upload(body: bytes) -> tuple[int, str]:
        request = urllib.request.Request(f"{url}/api/v1/nearest", data=body, headers={"content-type": "image/png"})
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request)
        with refusal.value as answer:
            return answer.code, json.load(answer)["detail"]

    huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * (30_000).to_bytes(4, "big") + b"\x08\x02\0\0\0" + bytes(1000)
    with serving(str(faces_data)) as (url, process):
        assert upload(b"no picture")[0] == 400
        before = memory_mib(process)
        for _ in range(5):
            assert upload(bytes(100 * 2**20)) == (413, "the photo is too large; the limit is 10 MiB")
            status, reason = upload(huge)
            assert (status, "30,000 x 30,000" in reason) == (400, True)
        assert memory_mib(process) - before < 24


def test_many_clients_at_once_lose_no_request(server: str) -> None:
    paths = (
        "/healthz",
        "/api/v1/faces?start=20",
        "/api/v1/faces/7/nearest?k=9",
        "/api/v1/faces/9/crop",
        "/api/v1/map/pca",
    )

    def one(client: int) -> list[int]:
        statuses = []
        for turn in range(10):
            with urllib.request.urlopen(server + paths[(client + turn) % len(paths)]) as answer:
                statuses.append(answer.status)
        return statuses

    with ThreadPoolExecutor(50) as clients:
        assert [status for found in clients.map(one, range(50)) for status in found] == [200] * 500


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_listens_on_this_machine_only_and_ends_on_request(faces_data: Path, name: str) -> None:
    if not hasattr(signal, name) or (sys.platform == "win32" and name != "SIGINT"):
        pytest.skip("this system does not send it")
    command = [sys.executable, "-m", "fabnet", "serve", str(faces_data), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = next(line for line in iter(server.stderr.readline, "") if line.startswith("open "))
        url = line.split()[1]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/healthz") as answer:
            assert json.load(answer) == {"status": "ok", "rows": 80}
        server.send_signal(getattr(signal, name))
        out, err = server.communicate(timeout=20)
        assert server.returncode == 0, err
        assert json.loads(out) == {"data": str(faces_data), "url": url}
        assert "Traceback" not in err


def test_a_server_for_all_addresses_refuses_foreign_host_names(faces_data: Path) -> None:
    with serving(str(faces_data), "--host", "0.0.0.0") as (opened, _):
        url = opened.split("/?")[0]
        own = {"authorization": f"Bearer {opened.split('token=')[1]}"}
        with urllib.request.urlopen(urllib.request.Request(f"{url}/healthz", headers=own)) as answer:
            assert answer.status == 200
        strange = urllib.request.Request(f"{url}/healthz", headers=own | {"host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="421") as refusal:
            urllib.request.urlopen(strange)
        refusal.value.close()


def test_what_cannot_be_served_is_reported_in_one_line(
    faces_data: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="there is no embeddings dataset"):
        serve(tmp_path / "none.lance", port=0)
    with pytest.raises(StoreError, match="has no embeddings"):
        serve(store, port=0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="give another --port"):
            serve(faces_data, port=taken.getsockname()[1])
    with pytest.raises(InputError, match="no port"):
        serve(faces_data, port=99_999)
    for host in ("192.0.2.1", "127.0.0..1"):
        with pytest.raises(InputError, match="cannot listen"):
            serve(faces_data, host=host)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fabnet\[serve\]'"):
        serve(faces_data)


def test_a_dataset_without_thumbnails_is_not_served(store: Path, tmp_path: Path) -> None:
    from fabnet.reading.embed import embed

    embed([store], tmp_path / "bare.lance", thumbnails=False)
    with pytest.raises(InputError, match="no thumbnails"):
        serve(tmp_path / "bare.lance", port=0)


def test_a_store_of_other_faces_is_refused(faces_data: Path, frames_folder: Path, tmp_path: Path) -> None:
    from fabnet.ingest.import_folder import import_folder

    folder = tmp_path / "others"
    shutil.copytree(frames_folder / "person0", folder / "somebody")
    import_folder(folder, tmp_path / "other", layout="identity/video")
    with pytest.raises(StoreError, match="none of the faces"):
        serve(faces_data, port=0, store=tmp_path / "other")
