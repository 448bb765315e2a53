"""Resources that requests share: turns at costly work, how often one address may ask for it, and memory for uploads."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from fabnet.serving.photos import MAX_BYTES

__all__ = ["MOST_WAITING", "Rate", "Turns", "Uploads"]

MOST_ADDRESSES = 4096
"""Addresses whose rate is counted; beyond, the one that asked longest ago is forgotten."""
BURST_S = 10.0
"""Time whose requests may come at once."""
MOST_WAITING = 64
"""Requests that wait for their turn at one kind of costly work."""
MAX_HELD_BYTES = 64 * 2**20
"""Maximum size of all uploads together."""
MAX_DRAINED_BYTES = 256 * 2**20
"""Bytes to read and discard of an upload that is too large, since browsers show no answer before they have sent all."""
PROGRESS_BYTES = 2**16
Made = TypeVar("Made")


class Rate:
    """Limits how many costly requests per second come from one address, on average; a burst may be larger.

    Args:
        per_s: requests per second.
    """

    def __init__(self, per_s: float) -> None:
        self.per_s, self._most = per_s, max(1.0, per_s * BURST_S)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """How many requests each address has left, and when that was."""

    def take(self, address: str, now: float) -> None:
        """Count a request.

        Raises:
            HTTPException: there were too many.
        """
        left, then = self._left.pop(address, (self._most, now))
        left = min(self._most, left + (now - then) * self.per_s)
        is_allowed = left >= 1
        self._left[address] = (left - is_allowed, now)
        if len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        if not is_allowed:
            wait_s = max(1, math.ceil((1 - left) / self.per_s))
            reason = (
                f"too many requests from this address; the limit is {self.per_s:g} a second: try again in {wait_s} s"
            )
            raise HTTPException(429, reason, {"retry-after": str(wait_s)})


class Turns:
    """Lets a limited number of requests work at once, and up to `MOST_WAITING` more wait.

    Args:
        at_once: number of requests that work at once.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def take(self, request: Request, work: Callable[[], Made]) -> Made:
        """Wait for this request's turn, then do its work in a thread.

        Raises:
            HTTPException: too many requests are waiting, or the client has disconnected meanwhile.
        """
        if self._waiting >= MOST_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            if await request.is_disconnected():
                raise HTTPException(400, "the client has disconnected")
            return await run_in_threadpool(work)
        finally:
            self._free.release()


@dataclass(eq=False)
class _Upload:
    data: bytearray = field(default_factory=bytearray)
    marked_s: float = field(default_factory=time.monotonic)
    """Time at which another `PROGRESS_BYTES` had last arrived."""
    is_whole: bool = False
    is_ousted: bool = False


class Uploads:
    """The uploads that are arriving or being processed, with a limit of their total size.

    If the limit is exceeded, the slowest upload is refused, so that a stalled one does not delay the others.
    """

    def __init__(self) -> None:
        self._all: set[_Upload] = set()

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read the body of a request; it counts until the block ends.

        Raises:
            HTTPException: the body is too large or incomplete, or there is no room for it.
        """
        upload = _Upload()
        self._all.add(upload)
        try:
            await self._fill(upload, request)
            upload.is_whole = True
            yield bytes(upload.data)
        finally:
            self._all.discard(upload)

    async def _fill(self, upload: _Upload, request: Request) -> None:
        announced = request.headers.get("content-length", "0")
        size, is_too_large = 0, not announced.isdecimal() or int(announced[:20]) > MAX_BYTES
        try:
            async for part in request.stream():
                if upload.is_ousted:
                    raise _busy()
                if size // PROGRESS_BYTES != (size + len(part)) // PROGRESS_BYTES:
                    upload.marked_s = time.monotonic()
                size += len(part)
                is_too_large |= size > MAX_BYTES
                if is_too_large:  # discarded as it arrives, and refused at the end
                    upload.data.clear()
                else:
                    upload.data += part
                    self._make_room()
                if size > MAX_DRAINED_BYTES:
                    break
        except ClientDisconnect:
            raise HTTPException(400, "the photo did not arrive completely") from None
        if is_too_large:
            raise HTTPException(413, f"the photo is too large; the limit is {MAX_BYTES // 2**20} MiB")
        if upload.is_ousted:
            raise _busy()

    def _make_room(self) -> None:
        while sum(len(each.data) for each in self._all) > MAX_HELD_BYTES:
            coming = [each for each in self._all if each.data and not each.is_whole]
            slowest = min(coming, key=lambda each: each.marked_s)
            slowest.is_ousted = True
            slowest.data.clear()


def _busy() -> HTTPException:
    return HTTPException(503, "too many requests are waiting: try again in a moment", {"retry-after": "1"})
