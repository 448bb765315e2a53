"""The page of `live`: the picture with what is read drawn on it, and the readings, as they come."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Sequence
from importlib.resources import files
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fabnet.encoders.face_reader import ReaderTask
from fabnet.reading.overlay import draw_face
from fabnet.reporting.pictures import data_uri
from fabnet.runtime.terminal import say
from fabnet.serving.serve import check_packages, listening
from fabnet.watching.terminal import facts

if TYPE_CHECKING:
    from fabnet.watching.reader import Now

__all__ = ["LivePage"]

HOST = "127.0.0.1"
DRAWN = ("points", "values")
"""Kinds of tasks that are drawn on the picture: its points, and the head's axes; the others stand beside it."""
LARGEST_PX = 960
"""Longer side of the picture that is sent."""
JPEG_QUALITY = 80
PAUSE_S = 1.0
"""Time after which a page without a new picture is told that the connection is alive."""
WATCHED_S = 2.0
"""Time after the last page took a picture in which pictures are still drawn."""


class LivePage:
    """Serves the page to this machine; a context manager. Each page gets the newest picture when it is ready for it.

    Args:
        port: the port; 0 for any free one.
        tasks: what gives the rows their columns.

    Raises:
        MissingDependencyError: fastapi or uvicorn is not installed.
        InputError: the port is taken.
    """

    def __init__(self, port: int, tasks: Sequence[ReaderTask]) -> None:
        check_packages("fabnet live --page")
        self._port, self._drawn = port, [task for task in tasks if task.kind in DRAWN]
        self._changed = threading.Condition()
        self._message, self._number, self._has_ended = "", 0, False
        self._asked_s = -np.inf

    def __enter__(self) -> LivePage:
        from fabnet.serving.connections import Server

        self._listener = listening(HOST, self._port)
        self._server = Server(self._app(), self._listener)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="fabnet page", daemon=True
        )
        self._thread.start()
        say(f"open http://{HOST}:{self._listener.getsockname()[1]} (Ctrl-C stops it)", to_stderr=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        self._server.should_exit = True
        self._thread.join(5.0)
        self._listener.close()

    def _app(self) -> Any:
        from fastapi import FastAPI
        from fastapi.responses import StreamingResponse

        from fabnet.serving.guard import Guard
        from fabnet.serving.page_files import NO_TELEMETRY, add_file

        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry=NO_TELEMETRY)
        app.add_middleware(Guard, hosts=())
        shown = [files("fabnet.watching").joinpath("static", name) for name in ("live.html", "live.css", "live.js")]
        shown += [files("fabnet.serving").joinpath("static", name) for name in ("page.css", "icon.svg")]
        for file in shown:
            add_file(app, file, start="live.html")

        async def stream() -> StreamingResponse:
            return StreamingResponse(self._events(), media_type="text/event-stream")

        app.get("/api/v1/live")(stream)
        return app

    async def _events(self) -> AsyncIterator[str]:
        """The newest message each time that the client has taken the one before."""
        sent = 0
        while True:
            self._asked_s = time.monotonic()
            message, number, has_ended = await asyncio.to_thread(self._newer, sent)
            if number > sent:
                sent = number
                yield f"data: {message}\n\n"
            elif has_ended:
                yield "event: ended\ndata: {}\n\n"
                return
            else:
                yield ": waiting\n\n"

    def _newer(self, than: int) -> tuple[str, int, bool]:
        with self._changed:
            self._changed.wait_for(lambda: self._number > than or self._has_ended, PAUSE_S)
            return self._message, self._number, self._has_ended

    def show(self, now: Now) -> None:
        """Give the pages a frame that was read; it is drawn only if one is open."""
        if time.monotonic() - self._asked_s > WATCHED_S:
            return
        image, rows = now.frame.captured.frame.image(), now.frame.batch.to_pylist()
        times = min(1.0, LARGEST_PX / max(image.shape[:2]))
        if times < 1:
            image = cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_AREA)
        image = image.copy()
        for row in rows:
            draw_face(image, _scaled(row, times), self._drawn)
        faces = [
            {"track": row["track"], "out_of_range": row["out_of_range"], **facts(row)}
            for row in rows
            if row["in_range"] is not None
        ]
        reason = "" if faces else rows[0]["reason"]
        message = {
            "name": now.name, "frame": now.frame.captured.frame.index, "time_s": now.frame.captured.frame.time_s,
            "frames_per_s": round(now.frames_per_s, 1), "delay_ms": round(now.delay_ms), "frames": now.frames,
            "dropped": now.dropped, "reason": reason, "faces": faces, "width": image.shape[1], "height": image.shape[0],
            "picture": data_uri(image, quality=JPEG_QUALITY),
        }  # fmt: skip
        with self._changed:
            self._message, self._number = json.dumps(message), self._number + 1
            self._changed.notify_all()


def _scaled(row: dict[str, Any], times: float) -> dict[str, Any]:
    """A row with its pixels in those of a smaller picture."""
    if times == 1 or row["box_px"] is None:
        return row
    scaled = {name: [value * times for value in row[name]] for name in ("box_px", "landmarks68_px")}
    return row | scaled
