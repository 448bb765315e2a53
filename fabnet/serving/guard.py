"""What every answer says to the browser, and who is not answered at all."""

from __future__ import annotations

from ipaddress import ip_address
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


class Guard:
    """Middleware: refuses what another site sends, and adds the headers that keep the page to itself.

    Args:
        app: what is guarded.
        only_local: answer only requests for this machine by a name of its own. A site can have its name point here
            ("DNS rebinding"), and would else read the faces as if they were its own.
    """

    def __init__(self, app: ASGIApp, *, only_local: bool) -> None:
        self._app, self._only_local = app, only_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._only_local and not is_loopback(_name(host)):
            await _refuse(guarded, 421, "this server answers only to localhost")
        elif headers.get(b"sec-fetch-site") == b"cross-site" and scope["path"].startswith("/api/"):
            await _refuse(guarded, 403, "this server answers only to its own page")
        else:
            await self._app(scope, receive, guarded)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address always means this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """A Host header without its port: `localhost:8000`, `127.0.0.1`, `[::1]:8000`."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = f'{{"detail":"{reason}"}}'.encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
