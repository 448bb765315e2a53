"""Requests to the application without a network."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fabnet.serving.site import Site

httpx = pytest.importorskip("httpx", reason="httpx is not installed")

__all__ = ["Client"]


class Client:
    """Sends requests to the application without a network."""

    def __init__(self, site: Site, **options: Any) -> None:
        from fabnet.serving.app import build_app

        self._app = build_app(site, **options)

    def ask(self, method: str, path: str, **given: Any) -> Any:
        async def answer() -> Any:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost:8000", trust_env=False
            ) as client:
                return await client.request(method, path, **given)

        return asyncio.run(answer())

    def get(self, path: str, **given: Any) -> Any:
        return self.ask("GET", path, **given)

    def json(self, path: str, **given: Any) -> Any:
        answer = self.get(path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, status: int, method: str = "GET", **given: Any) -> str:
        """The error line of a refusal."""
        answer = self.ask(method, path, **given)
        assert answer.status_code == status, answer.text
        reason = answer.json()["detail"]
        assert isinstance(reason, str)
        assert "\n" not in reason
        return reason
