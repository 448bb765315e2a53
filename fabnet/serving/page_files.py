"""The files of a page, as an application serves them."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Any

from fastapi import FastAPI, Response

__all__ = ["NO_TELEMETRY", "add_file"]

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}
NO_TELEMETRY: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""For an application's `telemetry`: overrides the environment's OTEL_..."""


def add_file(app: FastAPI, file: Traversable, *, start: str) -> None:
    """Serve a file under its own name, so that no part of a request is ever used as a path.

    Args:
        app: the application.
        file: the file, which is read now.
        start: name of the file that is served as `/` instead.
    """
    content, kind = file.read_bytes(), TYPES[file.name.rpartition(".")[2]]

    async def send() -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    app.get("/" if file.name == start else f"/{file.name}", include_in_schema=False)(send)
