"""The token that requests must show if other machines can reach the server."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fabnet.errors import InputError

if TYPE_CHECKING:
    from starlette.types import Scope, Send

__all__ = ["TOKEN_NEEDED", "Token", "new_token"]

VARIABLE = "FABNET_TOKEN"
SHORTEST = 16
TOKEN_NEEDED = (
    "this server needs its token: send the header `Authorization: Bearer TOKEN`, or open the address that it printed"
)


def new_token() -> str:
    """The token of a server: the one of the environment variable FABNET_TOKEN, or a new one.

    Raises:
        InputError: the one of the environment is too short, or has characters that no header can hold.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return secrets.token_urlsafe(24)
    if len(given) < SHORTEST or not (given.isascii() and given.isprintable()) or " " in given:
        raise InputError(f"{VARIABLE} must have {SHORTEST} or more letters, digits or signs, without spaces")
    return given


class Token:
    """Checks a token.

    Args:
        token: the token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._cookie = f"fabnet-{hashlib.sha256(self._token).hexdigest()[:12]}"
        """Name of the cookie: servers on other ports of the same host have other names."""

    def is_shown(self, scope: Scope) -> bool:
        """Whether a request shows the token, in a header or a cookie."""
        for name, value in scope["headers"]:
            if name == b"authorization" and value[:7].lower() == b"bearer " and self._is(value[7:].strip()):
                return True
            if name == b"cookie" and self._is(self._of_cookie(value.decode("latin-1"))):
                return True
        return False

    def is_asked_for(self, scope: Scope) -> bool:
        """Whether a request is that of a browser that opens the page with the token in its address."""
        if scope["path"] != "/" or scope["method"] != "GET":
            return False
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])
        return self._is(given[-1].encode("latin-1", "replace"))

    async def hand_over(self, send: Send) -> None:
        """Give a browser the token as a cookie that scripts cannot read, and an address without it."""
        cookie = f"{self._cookie}={self._token.hex()}; Path=/; HttpOnly; SameSite=Strict"
        head = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": head})
        await send({"type": "http.response.body", "body": b""})

    def _is(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._token)

    def _of_cookie(self, text: str) -> bytes:
        # Cookies of other programs on this host come along. SimpleCookie drops all if it cannot read one.
        pairs = (each.strip().partition("=") for each in text.split(";"))
        found = next((value for name, _, value in pairs if name == self._cookie), "")
        try:
            return bytes.fromhex(found)
        except ValueError:
            return b""
