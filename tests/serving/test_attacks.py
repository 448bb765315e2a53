"""Requests that no browser sends, to a real server: each is answered in one line, and others are not affected."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is not installed")

FEW_FILES = 160


@dataclass
class Attacked:
    """A server, and the file of its output."""

    port: int
    log: Path

    def open(self, data: bytes = b"") -> socket.socket:
        """A new connection, after sending some bytes."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(data)
        return connection

    def said(self, data: bytes, wait_s: float = 30) -> bytes:
        """The whole answer to some bytes, until the server closes or is silent."""
        with self.open() as connection:
            connection.settimeout(wait_s)
            found = b""
            with contextlib.suppress(OSError):
                connection.sendall(data)
                while not _is_whole(found) and (part := connection.recv(2**16)):
                    found += part
            return found

    def ask(self, path: str = "/api/v1/faces/3", *headers: str, method: str = "GET", body: bytes = b"") -> int:
        """The status of an answer; a refusal is one line of JSON."""
        length = [f"Content-Length: {len(body)}"] if body else []
        head = [f"{method} {path} HTTP/1.1", *length, *headers]
        if not any(each.lower().startswith("host") for each in headers):
            head.append(f"Host: localhost:{self.port}")
        return checked(self.said("\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1") + body))

    def answers_s(self) -> float:
        """Duration of a usual request."""
        began = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/faces/3", timeout=20) as answer:
            assert answer.status == 200
        return time.monotonic() - began

    def is_quiet(self) -> None:
        """Check that the terminal shows only the address of the page."""
        lines = self.log.read_text(errors="replace").splitlines()
        assert [line for line in lines if not line.startswith("open ")] == []


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return bool(found and length and len(body) >= int(length[1]))


def checked(answer: bytes) -> int:
    """The status of an answer, which must have the headers, be no server error, and be one line if refused."""
    head, _, body = answer.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1.1 (\d{3}) ", head)
    assert found is not None, answer[:200]
    status = int(found[1])
    assert 200 <= status < 500 or status in (501, 503), answer[:500]
    for header in (b"x-content-type-options: nosniff", b"content-security-policy: default-src 'none'",
    b"frame-ancestors 'none'",
                   b"referrer-policy: no-referrer", b"cross-origin-resource-policy: same-origin",
                   b"cache-control: no-"):  # fmt: skip
        assert header in head.lower(), (header, head)
    if length := re.search(rb"content-length: (\d+)", head.lower()):
        body = body[: int(length[1])]  # another answer may follow it
    if status >= 400 and body:
        detail = json.loads(body)["detail"]
        assert isinstance(detail, str)
        assert "\n" not in detail
        assert len(detail) < 1000
    return status


@contextlib.contextmanager
def attacked(data: Path, log: Path, *, files: int = 0) -> Iterator[Attacked]:
    """A server in its own process, with a limit of open files if `files` is given."""
    command = [sys.executable, "-m", "fabnet", "serve", str(data), "--port", "0"]
    if files:
        limit = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))"
        command = [sys.executable, "-c", f"{limit}; os.execv(sys.executable, sys.argv[1:])", *command]
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as server:
        try:
            end = time.monotonic() + 60
            while "open http" not in log.read_text() and time.monotonic() < end and server.poll() is None:
                time.sleep(0.05)
            port = int(log.read_text().split("open http://127.0.0.1:")[1].split()[0])
            yield Attacked(port, log)
            assert server.poll() is None
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture(scope="module")
def target(faces_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with attacked(faces_data, tmp_path_factory.mktemp("attacked") / "log") as server:
        yield server


def test_only_its_own_hosts_are_answered(target: Attacked) -> None:
    port = target.port
    own = (f"localhost:{port}", f"LOCALHOST:{port}", f"localhost.:{port}", f"127.0.0.1:{port}", f"[::1]:{port}",
           f"[0:0:0:0:0:0:0:1]:{port}", f"127.1.2.3:{port}",
           "localhost", "localhost:9000")  # fmt: skip
    for host in own:
        assert target.ask("/healthz", f"Host: {host}") == 200, host
    others = ["[::1]evil.com", "localhost:80@evil.com", "evil.com", "localhost:99999", "localhost:",
    "localhost:x",
              f"[::1]evil.com:{port}", f"localhost:{port}@evil.com", f"localhost@evil.com:{port}", f"evil.com:{port}",
              f"evil.com#localhost:{port}", f"localhost:{port}:{port}", f"localhost:{port}/",
              f"localhost:{port}, evil.com",
              f"localhost..:{port}", f".localhost:{port}", f"localhost:+{port}", f"localhost:{port}999999",
              f"[::1:{port}",
              f"::1:{port}", f"[127.0.0.1]:{port}", f"[localhost]:{port}", f"0.0.0.0:{port}", f"[::]:{port}",
              f"0x7f.1:{port}",
              f"2130706433:{port}", f"[fe80::1%25lo]:{port}", f"localhost%00:{port}", f"localhost\t:{port}", "",
              f":{port}",
              f"127.0.0.1.evil.com:{port}", f"http://localhost:{port}",
              f"l\u043ecalhost:{port}".encode().decode("latin-1")]  # fmt: skip
    for host in others:
        assert target.ask("/healthz", f"Host: {host}") in (400, 421), host
    twice = f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.com\r\n\r\n"
    absent, ancient = "GET /healthz HTTP/1.1\r\n\r\n", "GET /healthz HTTP/1.0\r\n\r\n"
    for request in (twice, absent, ancient):
        assert checked(target.said(request.encode())) in (400, 421)
    target.is_quiet()


def test_other_sites_pages_are_not_answered(target: Attacked) -> None:
    own = f"localhost:{target.port}"
    for fine in ((), (f"Origin: http://{own}",), ("Sec-Fetch-Site: same-origin",), ("Sec-Fetch-Site: none",),
                 (f"Referer: http://{own}/",), (f"Origin: http://{own}",
                 f"Referer: http://{own}/#map/3")):  # fmt: skip
        assert target.ask("/api/v1/faces/3", *fine) == 200, fine
    strange = (
        "Origin: null", "Origin: http://evil.com", "Origin: http://localhost:1", "Origin: http://localhost",
        f"Origin: http://{own}.evil.com", f"Origin: http://{own}@evil.com", f"Origin: http://127.0.0.1:{target.port}",
        "Origin: ", f"Origin: http://{own} http://evil.com", f"Origin: file://{own}", "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: ", "Sec-Fetch-Site: Cross-Site", "Referer: http://evil.com/",
        f"Referer: http://evil.com/?http://{own}/", f"Referer: http://{own}@evil.com/", "Referer: about:blank",
    )  # fmt: skip
    for header in strange:
        assert target.ask("/api/v1/faces/3", header) == 403, header
        assert target.ask("/api/v1/nearest", header, method="POST", body=b"x") == 403, header
    assert target.ask("/api/v1/faces/3", f"Origin: http://{own}", "Origin: http://evil.com") == 403
    assert target.ask("/", "Sec-Fetch-Site: cross-site", "Referer: http://evil.com/") == 200  # a link to the page
    target.is_quiet()


def test_no_request_causes_a_server_error(target: Attacked) -> None:
    big, deep = "9" * 5000, b"[" * 100_000
    queries = [
        f"/api/v1/faces?start={value}&count={other}" for value in ("-1", "NaN", "1e5", big, "9" * 18, "", "0&start=1",
        "%00")
        for other in ("0", "201", "nan", "1")
    ]  # fmt: skip
    queries += [f"/api/v1/faces?where={value}" for value in (
        "pose_yaw_deg:nan:", "pose_yaw_deg:1e400:", "pose_yaw_deg:1e300:1e308", "pose_yaw_deg:-1e308:1", "::", ":",
        "%00", "%ff",
        "%27%3B--", "x" * 20_000, "expression:%00", "a`b:1:", "&where=" * 2000, "pose_yaw_deg:0:1&where=" * 500,
    )]  # fmt: skip
    queries += [f"/api/v1/{path}" for path in (
        f"faces/{big}", "faces/-0", "faces/1.0", "faces/%31", "faces/1/thumbnail?v=" + "x" * 9000,
        "faces/../../etc/passwd",
        "faces/%2e%2e/%2e%2e/etc/passwd", "faces/1/nearest?k=-1", "faces/1/nearest?k=1&k=2",
        "faces/1/nearest?other_people=2",
        "map/..%2f..%2fetc", "map/%00", "columns/%2e%2e%2fid", "columns/" + "%ff" * 3000, "videos?limit=0",
        "videos?contains=%00",
        "videos?contains=%f0%9f", "timeline", "timeline?video=%ff%00", "compare?target=0&source=" + "&source=0" * 300,
        "compare?target=-1&source=0", f"compare?target={big}&source={big}", "", "/", "faces/", "faces//1", "?" * 3000,
    )]  # fmt: skip
    queries += ["//etc/passwd", "/..%2f..%2fetc%2fpasswd", "/static/../serve.py", "/%00", "/main.js%00", "*",
    "http://evil.com/",
                "/" + "a/" * 3000, "/\\..\\..",
                "/api/v1/openapi.json?" + "&".join("a=1" for _ in range(4000))]  # fmt: skip
    for query in queries:
        assert target.ask(query) < 500, query[:80]
    for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "POST", "CONNECT", "GET", "BREW", "get"):
        for path in ("/", "/api/v1/faces", "/api/v1/nearest", "/api/v1/faces/1/crop", "/nothing"):
            assert target.ask(path, method=method) < 500, (method, path)
    for body in (deep, b'{"a":' * 9999, b"\x00" * 9, b"\x89PNG\r\n\x1a\n" + bytes(50), zlib.compress(bytes(10**7))):
        for kind in ("application/json", "multipart/form-data; boundary=a", "image/png", "a" * 9000):
            assert target.ask("/api/v1/nearest", f"Content-Type: {kind}", method="POST", body=body) < 500
        assert target.ask("/api/v1/faces", "Content-Type: application/json", body=body) == 200
    target.is_quiet()


def test_no_bytes_cause_a_server_error(target: Attacked) -> None:
    host = f"Host: localhost:{target.port}\r\n".encode()
    post = b"POST /api/v1/nearest HTTP/1.1\r\n" + host
    chunked = b"Transfer-Encoding: chunked\r\n"
    inside = b"GET /healthz HTTP/1.1\r\nHost: evil.com\r\n\r\n"
    raw = [
        post + b"Content-Length: 4\r\n" + chunked + b"\r\n0\r\n\r\n" + inside,
        post + chunked + b"Content-Length: 4\r\n\r\n5",
        post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", post + b"Content-Length: -1\r\n\r\n",
        post + b"Content-Length: 1,1\r\n\r\na", post + b"Content-Length: 0x1\r\n\r\na",
        post + b"Content-Length: +1\r\n\r\na",
        post + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        post + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        post + chunked + b"\r\nfffffffffffffffff\r\n", post + chunked + b"\r\n-1\r\n",
        post + chunked + b"\r\nzz\r\nab",
        post + chunked + b"\r\n1\r\nabc\r\n0\r\n\r\n", post + chunked + b"\r\n1;" + b"x" * 70_000,
        post + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
        post + b"Expect: 200-maybe\r\nContent-Length: 1\r\n\r\na",
        b"GET / HTTP/9.9\r\n" + host + b"\r\n", b"GET /\r\n\r\n", b"GET  /  HTTP/1.1\r\n" + host + b"\r\n",
        b"\r\n\r\n\r\nx\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" + bytes(300), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes(2**17),
        b"GET /" + b"a" * 2**17,
        b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b" folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: \x00\r\n\r\n", b"GET /\xff HTTP/1.1\r\n" + host + b"\r\n",
        b"\xff\xfe\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n", b"SSH-2.0-x\r\n\r\n", b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET /api/v1/faces HTTP/1.1\r\n" + host + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://evil.com\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAAA\r\n\r\n",
    ]  # fmt: skip
    with ThreadPoolExecutor(8) as clients:  # the server never answers some of them
        answers = list(clients.map(lambda request: target.said(request, 3), raw))
    for request, answer in zip(raw, answers, strict=True):
        if answer:  # the server may also just close
            assert checked(answer) < 502, request[:80]
        assert answer.count(b"HTTP/1.1 200") <= (1 if request.startswith(b"GET") else 0), request[:80]
    many = target.said(b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n" + inside, 3)
    assert checked(many) == 200
    target.is_quiet()
    assert target.answers_s() < 1


def test_stalled_uploads_delay_nobody(target: Attacked) -> None:
    head = (
        f"POST /api/v1/nearest HTTP/1.1\r\nHost: localhost:{target.port}\r\nContent-Length: 10000000\r\n\r\n".encode()
    )
    with contextlib.ExitStack() as stack:
        for number in range(24):  # together more than uploads may hold
            body = bytes(9_000_000) if number % 3 == 0 else b"a"
            connection = stack.enter_context(target.open())
            with contextlib.suppress(OSError):
                connection.sendall(head + body)
        first = connection
        began = time.monotonic()
        assert target.ask("/api/v1/nearest", method="POST", body=b"no picture") == 400
        assert time.monotonic() - began < 1
        assert target.answers_s() < 1
        first.settimeout(15)
        assert checked(first.recv(2**16)) == 408
        assert time.monotonic() - began < 12
    target.is_quiet()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of descriptors to lower")
def test_half_open_connections_beyond_the_descriptors_block_nothing(faces_data: Path, tmp_path: Path) -> None:
    head = b"GET /api/v1/faces/3 HTTP/1.1\r\nHost: localhost\r\nX: "
    with attacked(faces_data, tmp_path / "log", files=FEW_FILES) as server, contextlib.ExitStack() as stack:
        slowest = 0.0
        for number in range(3 * FEW_FILES):
            connection = stack.enter_context(server.open())
            with contextlib.suppress(OSError):
                connection.sendall((b"", head, b"G", head[:30])[number % 4])
            if number % 40 == 39:
                slowest = max(slowest, server.answers_s())
        assert slowest < 1
        time.sleep(0.5)
        assert server.answers_s() < 1
        server.is_quiet()


def test_slow_headers_and_clients_that_read_nothing_are_disconnected(target: Attacked) -> None:
    host = f"Host: localhost:{target.port}\r\n".encode()
    page = b"GET /api/v1/faces?count=200 HTTP/1.1\r\n" + host + b"\r\n"
    with target.open() as dripping, target.open(b"GET / HTTP/1.1\r\n" + host) as half, contextlib.ExitStack() as stack:
        for _ in range(5):  # pipelined requests whose answers are not read
            reader = stack.enter_context(target.open())
            reader.setblocking(False)
            with contextlib.suppress(OSError):
                reader.sendall(page * 400)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 14:
                dripping.sendall(b"G")
                time.sleep(0.3)
                assert target.answers_s() < 1
        assert time.monotonic() - began < 13
        half.settimeout(3)
        assert checked(half.recv(2**16)) == 408
    target.is_quiet()
