"""Security headers of every answer, and the refusal of requests from other sites."""

from __future__ import annotations

import json
import re
import socket
import sys
import traceback
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from fabnet.errors import first_line
from fabnet.serving.token import TOKEN_NEEDED, Token

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "NOT_KEPT", "Guard", "is_loopback"]

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
"""Header of all answers but the page's own files, because browsers must not keep data of people who are removed."""
AUTHORITY = r"(?P<host>\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
"""Allowed Host headers: a name or an address and an optional port, without user names and the like."""
OF_A_PAGE = re.compile(rf"https?://(?P<authority>{AUTHORITY})(?:[/?#].*)?", re.DOTALL)


class Guard:
    """Middleware that refuses requests from other sites and adds security headers.

    Another site could let its name point to this machine ("DNS rebinding") and read the faces as its own. So only
    requests to one of this machine's own names are answered, at any port, because a tunnel or a container may use
    another port outside. Pages of other sites, and of servers at other ports of this machine, can only link to the
    page; all other requests from them are refused.

    Args:
        app: the application to guard.
        hosts: the names and addresses that the server was started for. Loopback is always answered. If one means all
            addresses of this machine (`0.0.0.0`), any address and the machine's own names are answered, too.
        token: what a request must show, as `Authorization: Bearer TOKEN`. A browser that opens `/?token=TOKEN` gets it
            as a cookie. None: nothing.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], token: str | None = None) -> None:
        self._token = Token(token) if token else None
        self._app, self._names = app, {_plain(host) for host in hosts}
        self._any_address = any(address is not None and address.is_unspecified for address in map(_address, hosts))
        if self._any_address:
            self._names |= {_plain(socket.gethostname()), _plain(socket.getfqdn())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def guarded(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                said = list(message.get("headers", []))
                is_told = any(name == b"cache-control" for name, _ in said)
                message["headers"] = [*said, *HEADERS, *([] if is_told else [NOT_KEPT])]
            await send(message)

        if (refusal := self._refusal(scope)) is not None:
            await _refuse(guarded, *refusal)
            return
        if self._token is not None and not self._token.is_shown(scope):
            if self._token.is_asked_for(scope):
                await self._token.hand_over(guarded)
            else:
                await _refuse(guarded, 401, TOKEN_NEEDED, (b"www-authenticate", b"Bearer"))
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # a bug in fabnet: one line in the terminal, and one in the answer
            raised_at = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__}: {first_line(error)!r}"
            print(
                f"fabnet serve: {scope['method']} failed: {told} ({raised_at.filename}:{raised_at.lineno})",
                file=sys.stderr,
            )
            if not has_begun:
                await _refuse(guarded, 500, f"the server failed ({type(error).__name__}); its terminal shows more")

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason of a refusal; None if the request is answered."""
        host = _only(scope, b"host")
        if host is None or not self._is_meant(host):
            return 421, "this server answers only to localhost and to the names that it was started for"
        names = {name for name, _ in scope["headers"]}
        if {b"content-length", b"transfer-encoding"} <= names:
            return 400, "a request may have a content-length or a transfer-encoding, not both"
        if scope["path"] != "/" and not _is_own(scope, host):
            return 403, "this server answers only its own page"
        return None

    def _is_meant(self, host: str) -> bool:
        found = re.fullmatch(AUTHORITY, host, re.ASCII)
        if found is None or int(found["port"] or 80) > 65535:
            return False
        name = found["host"]
        if name.startswith("["):
            name = name[1:-1]
            if not isinstance(_address(name), IPv6Address):
                return False
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
    """The canonical form of a name or an address, for comparison."""
    return str(_address(host) or host.lower().removesuffix("."))


def _only(scope: Scope, name: bytes) -> str | None:
    """The value of a header that occurs exactly once; else None."""
    values = [value for each, value in scope["headers"] if each == name]
    return str(values[0].decode("latin-1")) if len(values) == 1 else None


def _is_own(scope: Scope, host: str) -> bool:
    """Whether a request comes from the page itself or from no page, according to the browser's headers."""
    names = {name for name, _ in scope["headers"]}
    if b"sec-fetch-site" in names and _only(scope, b"sec-fetch-site") not in ("same-origin", "none"):
        return False
    for name in (b"origin", b"referer"):
        if name in names:
            found = OF_A_PAGE.fullmatch(_only(scope, name) or "")
            if found is None or found["authority"].lower() != host.lower():
                return False
    return True


async def _refuse(send: Send, status: int, reason: str, *more: tuple[bytes, bytes]) -> None:
    body = json.dumps({"detail": reason}).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    head += [(b"connection", b"close")] if status == 400 else []
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
