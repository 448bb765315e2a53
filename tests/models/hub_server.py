"""A local model hub: serves a folder of files at the endpoints that huggingface_hub uses for downloads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

REVISIONS = ("main", "v1")


class Hub:
    """Serves FOLDER/OWNER/NAME/FILE as the repository OWNER/NAME, at one commit.

    Args:
        folder: folder of the repositories.

    Attributes:
        served: files whose content was sent, as OWNER/NAME/FILE.
        url: URL of the server.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.served, self.url = folder, list[str](), ""

    def commit_of(self, repo: str) -> str:
        """A hash that stands in for git's."""
        return hashlib.sha1(repo.encode()).hexdigest()

    def files(self, repo: str) -> list[Path]:
        """The files of a repository, sorted."""
        return sorted(file for file in (self.folder / repo).rglob("*") if file.is_file())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
        if parts[:2] == ["api", "models"] and len(parts) >= 6:
            self.answer_api("/".join(parts[2:4]), parts[4:])
        elif len(parts) >= 5 and parts[2] == "resolve":
            self.answer_file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.fail("EntryNotFound")

    def is_known(self, repo: str, revision: str) -> bool:
        if not (self.hub.folder / repo).is_dir():
            self.fail("RepoNotFound")
            return False
        if revision not in (*REVISIONS, self.hub.commit_of(repo)):
            self.fail("RevisionNotFound")
            return False
        return True

    def answer_api(self, repo: str, rest: list[str]) -> None:
        """Answer `/revision/REVISION` (the commit and its file names) and `/tree/REVISION` (also sizes and hashes)."""
        what, revision = rest[:2]
        if not self.is_known(repo, revision):
            return
        files = self.hub.files(repo)
        root = self.hub.folder / repo
        names = [str(file.relative_to(root)) for file in files]
        if what == "tree":
            content: Any = [
                {"type": "file", "path": name, "size": file.stat().st_size, "oid": _etag(file)}
                for name, file in zip(names, files, strict=True)
            ]
        else:
            content = {"id": repo, "sha": self.hub.commit_of(repo), "siblings": [{"rfilename": name} for name in names]}
        self.send(json.dumps(content).encode(), {"Content-Type": "application/json"})

    def answer_file(self, repo: str, revision: str, name: str) -> None:
        if not self.is_known(repo, revision):
            return
        file = self.hub.folder / repo / name
        if not file.is_file():
            self.fail("EntryNotFound")
            return
        if self.command == "GET":
            self.hub.served.append(f"{repo}/{name}")
        self.send(file.read_bytes(), {"ETag": f'"{_etag(file)}"', "X-Repo-Commit": self.hub.commit_of(repo)})

    def fail(self, code: str) -> None:
        self.send(b"", {"X-Error-Code": code, "X-Error-Message": code}, status=404)

    def send(self, body: bytes, headers: dict[str, str], *, status: int = 200) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """Serve repositories until the block ends."""
    hub = Hub(folder)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
