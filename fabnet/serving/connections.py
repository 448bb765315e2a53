"""Connections to the page, with time limits for headers, bodies and reading answers, and a limit of their number.

uvicorn has none of these limits: it would wait forever for a peer that sends half a request, and once the file
descriptors are used up, nobody else would be answered. If there are too many connections, the one that has waited
longest for its peer is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import anyio.to_thread
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fabnet.runtime.interrupts import stops
from fabnet.serving.guard import HEADERS, NOT_KEPT

__all__ = ["Connection", "Server", "most_connections"]

HEADERS_S = 10.0
BODY_S = 30.0
STALLED_S = 5.0
"""Time in which a body must bring at least `STALLED_BYTES`."""
STALLED_BYTES = 2**14
READER_S = 20.0
"""Time for a client to read the next part of an answer, some 50 KiB."""
CLOSING_S = 3.0
MOST_CONNECTIONS = 512
FEWEST_CONNECTIONS = 8
WANTED_FILES = 4096
SPARE_FILES = 64
"""File descriptors reserved for the dataset's files and for connections that are being accepted or closed."""
ACCEPTED_AT_ONCE = 4
WAITING_TO_BE_ACCEPTED = 512
THREADS = 16
"""Requests that run at once; each may open files."""
MAX_HEADER_BYTES = 2**16


class Connection(H11Protocol):
    """A connection with limits."""

    most = MOST_CONNECTIONS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: tuple[str | None, Any] = (None, None)
        self._since = self._marked_s = self.loop.time()
        self._bytes = self._marked_bytes = 0

    @property
    def _awaited(self) -> str | None:
        """What the connection is waiting for its peer to do; None: the server is working."""
        if self.transport is None or self.transport.is_closing():
            return "closing"
        if self.flow.write_paused:
            return "reader"
        return {h11.IDLE: "headers", h11.SEND_BODY: "body"}.get(self.conn.their_state)

    def waits_s(self, now: float) -> float | None:
        """How long the connection has waited for the same action of its peer; None if it is not waiting."""
        seen = (self._awaited, self.cycle)
        if seen[0] != self._seen[0] or seen[1] is not self._seen[1]:
            self._seen, self._since, self._marked_s = seen, now, now
        if self._bytes - self._marked_bytes >= STALLED_BYTES:
            self._marked_s, self._marked_bytes = now, self._bytes
        return None if seen[0] is None else now - self._since

    def look(self, now: float) -> None:
        """Close the connection if its peer takes too long."""
        waited, awaited = self.waits_s(now), self._seen[0]
        if waited is None:
            return
        if awaited == "headers" and waited > HEADERS_S and not self._bytes:
            self.transport.abort()  # no answer: a browser that connected in advance would take it for that to its next
        elif awaited == "headers" and waited > HEADERS_S:
            self.refuse(408, f"the request's headers did not arrive within {HEADERS_S:.0f} s")
        elif awaited == "body" and (waited > BODY_S or now - self._marked_s > STALLED_S):
            least = f"{STALLED_BYTES // 2**10} KiB in {STALLED_S:.0f} s"
            self.refuse(408, f"the body arrived too slowly; expected at least {least}, and all within {BODY_S:.0f} s")
        elif (awaited == "reader" and waited > READER_S) or (awaited == "closing" and waited > CLOSING_S):
            self.transport.abort()

    def refuse(self, status: int, reason: str) -> None:
        """Answer with an error of one line, unless an answer has begun, and close the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = json.dumps({"detail": reason}).encode()
        head = [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"), *HEADERS, NOT_KEPT,
        ]  # fmt: skip
        phrase = HTTPStatus(status).phrase.encode()
        for event in (
            h11.Response(status_code=status, headers=head, reason=phrase),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is not HTTP."""
        self.refuse(400, f"this is not a valid HTTP/1.1 request ({msg.rstrip('.').lower()})")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection; if there are too many, close one that waits for its peer.

        That is the one that has waited longest among those of the address with the most waiting connections.
        """
        super().connection_made(transport)  # type: ignore[arg-type]
        others = [each for each in self.connections if isinstance(each, Connection) and each is not self]
        if len(others) < self.most:
            return
        now = self.loop.time()
        by_peer = Counter(each.peer for each in others)
        waiting = [(by_peer[each.peer], waited, each) for each in others if (waited := each.waits_s(now)) is not None]
        last = max(waiting, key=lambda entry: entry[:2], default=(0, 0.0, self))[2]
        if last.cycle is not None and not last.cycle.response_complete:
            last.cycle.disconnected = True
        self.connections.discard(last)
        last.transport.abort()

    @property
    def peer(self) -> str:
        """Address of the peer."""
        return self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        """Count and process received data."""
        self._bytes += len(data)
        super().data_received(data)

    def resume_writing(self) -> None:
        """Restart the time limit, because the peer has read a part of the answer."""
        super().resume_writing()
        self._seen = (None, None)


class Server(uvicorn.Server):
    """A server that checks the limits of its connections ten times per second.

    Args:
        app: the application.
        listener: a listening socket, which the caller closes.
    """

    def __init__(self, app: Any, listener: socket.socket) -> None:
        limited = type("LimitedConnection", (Connection,), {"most": most_connections()})
        super().__init__(
            uvicorn.Config(
                app, http=limited, ws="none", log_level="error", access_log=False, server_header=False,
                backlog=ACCEPTED_AT_ONCE, h11_max_incomplete_event_size=MAX_HEADER_BYTES, proxy_headers=False,
            )
        )  # fmt: skip
        self._listener = listener

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Make a closed terminal end the server as Ctrl-C does; uvicorn does not handle SIGHUP."""
        is_main = threading.current_thread() is threading.main_thread()
        others = [number for number in stops() if is_main and number not in (signal.SIGINT, signal.SIGTERM)]
        before = {number: signal.signal(number, self.handle_exit) for number in others}
        try:
            with super().capture_signals():
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server."""
        await super().startup(sockets)
        self._listener.listen(WAITING_TO_BE_ACCEPTED)  # uvicorn uses `ACCEPTED_AT_ONCE` for this, too
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS

    async def on_tick(self, counter: int) -> bool:
        """Check the limits of each connection."""
        now = asyncio.get_running_loop().time()
        for each in list(self.server_state.connections):
            if isinstance(each, Connection):
                each.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the server, without waiting for peers that have not sent a whole request."""
        now = asyncio.get_running_loop().time()
        for each in list(self.server_state.connections):
            if isinstance(each, Connection) and each.waits_s(now) is not None:
                each.transport.abort()
        await super().shutdown(sockets)


def most_connections() -> int:
    """Raise the limit of open files as far as allowed, and return the number of connections that it permits."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < WANTED_FILES:
        wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # some systems allow less than they report
            pass
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    try:
        taken = len(os.listdir("/dev/fd"))
    except OSError:
        taken = SPARE_FILES
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, soft - taken - SPARE_FILES))
