"""What every answer says to the browser, and who is not answered at all."""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "is_loopback"]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
NOT_KEPT = (b"cache-control", b"no-store")
"""Of all but the page's own files: faces, names and numbers of people who were removed must not lie in browsers."""


class Guard:
    """Middleware: refuses what another site sends, and adds the headers that keep the page to itself.

    A site can have its name point here ("DNS rebinding"), and would read the faces as if they were its own; so only
    requests that call this machine by one of its own names are answered.

    Args:
        app: what is guarded.
        hosts: the names and addresses that the server was started for. Loopback's are answered too; where one stands
            for all addresses of this machine (`0.0.0.0`), any address and the machine's own names.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app, self._names = app, {_plain(host) for host in hosts}
        self._any_address = any(address is not None and address.is_unspecified for address in map(_address, hosts))
        if self._any_address:
            self._names |= {_plain(socket.gethostname()), _plain(socket.getfqdn())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = list(message.get("headers", []))
                is_told = any(name == b"cache-control" for name, _ in said)
                message["headers"] = [*said, *HEADERS, *([] if is_told else [NOT_KEPT])]
            await send(message)

        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._is_meant(_name(host)):
            await _refuse(guarded, 421, "this server answers only to localhost and to the names it was started for")
        elif headers.get(b"sec-fetch-site") == b"cross-site" and scope["path"].startswith("/api/"):
            await _refuse(guarded, 403, "this server answers only to its own page")
        else:
            await self._app(scope, receive, guarded)

    def _is_meant(self, name: str) -> bool:
        is_known = is_loopback(name) or _plain(name) in self._names
        return is_known or (self._any_address and _address(name) is not None)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address always means this machine."""
    address = _address(host)
    return _plain(host) == "localhost" if address is None else address.is_loopback


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _plain(host: str) -> str:
    """A name or an address in the one form in which it is compared."""
    return str(_address(host) or host.lower().removesuffix("."))


def _name(host: str) -> str:
    """A Host header without its port: `localhost:8000`, `127.0.0.1`, `[::1]:8000`."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = f'{{"detail":"{reason}"}}'.encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
