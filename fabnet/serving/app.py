"""The web application: the page's files, and its JSON API.

`/api/v1/openapi.json` describes the API, which docs/rest.md explains. Errors are `{"detail": "one sentence"}`. A change
that could break a client gets another number than v1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException as StarletteHTTPException

from fabnet.errors import FabnetError, MissingDependencyError, ModelError, NoFaceError, RewrittenError
from fabnet.faces.window import decode_jpeg
from fabnet.serving.answers import DOCUMENTED, Attribute, Classes, Face, FacePage, Found, Problem, Timeline, Video
from fabnet.serving.compare import Comparison
from fabnet.serving.face_map import MapProgress
from fabnet.serving.guard import Guard
from fabnet.serving.page_files import NO_TELEMETRY, add_file
from fabnet.serving.photo_api import embed_photo, nearest_to_photo, read_photo
from fabnet.serving.photos import MAX_BYTES, MAX_FACES, MAX_PIXELS
from fabnet.serving.requests import AT_ONCE, Costly, Count, Here, Index, Row, Where, known, turns
from fabnet.serving.site import CurrentSite, Site
from fabnet.serving.turns import MOST_WAITING, Rate, Turns, Uploads
from fabnet.version import VERSION

__all__ = ["build_app"]

API = "v1"
DESCRIPTION = (
    "What fabnet reads off photos, their embeddings, and the faces of an embeddings dataset, of which each is named by "
    "the number of its row. The columns are those of docs/reading.md. Errors are JSON with one sentence, `detail`. A "
    "change that could break a client gets another number than v1; fields may be added."
)
SENT_BYTES = 2**18
MOST_LETTERS = 600
"""Maximum length of an error message, which may repeat parts of the request."""
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
NUMBERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "little-endian numbers, row by row"}
}


@dataclass(frozen=True, slots=True)
class Health:
    """Status of the server."""

    __pydantic_config__ = DOCUMENTED

    status: str
    """ok."""
    rows: int
    """Number of rows of the dataset."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes."""

    __pydantic_config__ = DOCUMENTED

    upload_bytes: int
    """Size of a photo's file."""
    photo_px: int
    """Pixels of a photo, its width times its height."""
    photo_faces: int
    """Faces of a photo that are read, the largest."""
    at_once: dict[str, int]
    """Costly requests of a kind that run at once; others wait."""
    waiting: int
    """Costly requests of a kind that wait; more are refused with status 503."""
    per_second: float
    """Costly requests per second from one address, on average; more are refused with status 429 and `retry-after`."""


@dataclass(frozen=True, slots=True)
class About:
    """The interface."""

    __pydantic_config__ = DOCUMENTED

    api: str
    """Version of the interface: v1."""
    fabnet: str
    """Version of fabnet."""
    openapi: str
    """Path of the description of the interface."""
    limits: Limits
    """What the server takes."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The dataset and its features."""

    __pydantic_config__ = DOCUMENTED

    name: str
    """Name of its folder."""
    version: str
    """Version of its rows, for the parameter `v`: row numbers belong to it."""
    model: str | None
    """Name of the model that made it, if it says so."""
    rows: int
    """Number of rows."""
    faces: int
    """Number of rows with a face."""
    tracks: int
    """Number of tracks with a face."""
    identities: int
    """Number of people, as far as the dataset knows."""
    attributes: list[Attribute]
    """Columns of numbers that were predicted."""
    classes: list[Classes]
    """Columns of classes that were predicted."""
    maps: list[str]
    """Methods of the map."""
    photos: str
    """Why photos cannot be embedded and searched for; empty if they can."""
    compare: str
    """Why faces cannot be compared; empty if they can."""


def build_app(site: Site, *, hosts: Collection[str] = (), token: str | None = None, rate: float = 20.0) -> FastAPI:
    """Build the application.

    Args:
        site: the site that it shows.
        hosts: see `Guard`; empty: only loopback.
        token: see `Guard`; None: none is needed.
        rate: costly requests per second from one address, on average.
    """
    bearer = HTTPBearer(auto_error=False, description="The token that the server printed.")
    app = FastAPI(
        title="fabnet", version=API, docs_url=None, redoc_url=None, openapi_url=f"/api/{API}/openapi.json",
        description=DESCRIPTION, generate_unique_id_function=lambda route: route.name,
        responses={"4XX": {"model": Problem, "description": "The request is refused."},
                   "5XX": {"model": Problem, "description": "The server is busy, or failed."}},
        dependencies=[Depends(bearer)] if token else [],
        telemetry=NO_TELEMETRY,
    )  # fmt: skip
    app.state.shown = CurrentSite(site)
    app.state.uploads, app.state.rate = Uploads(), Rate(rate)
    app.state.turns = {kind: Turns(at_once) for kind, at_once in AT_ONCE.items()}
    app.add_middleware(Guard, hosts=hosts, token=token)
    app.add_exception_handler(FabnetError, _explained)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _explained)
    for file in files("fabnet.serving").joinpath("static").iterdir():
        add_file(app, file, start="index.html")
    app.get("/healthz")(health)
    app.get("/api/v1")(about)
    app.get("/api/v1/dataset")(dataset)
    app.get("/api/v1/faces")(faces)
    app.get("/api/v1/faces/mask", response_class=Response, responses=NUMBERS)(mask)
    app.get("/api/v1/faces/{row}")(face)
    app.get("/api/v1/faces/{row}/thumbnail", response_class=Response, responses=JPEG)(thumbnail)
    app.get("/api/v1/faces/{row}/crop", response_class=Response, responses=JPEG)(crop)
    app.get("/api/v1/faces/{row}/nearest", dependencies=[Costly])(nearest)
    binary = {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    photo: dict[str, Any] = {"openapi_extra": {"requestBody": binary}, "dependencies": [Costly]}
    app.post("/api/v1/read", **photo)(read_photo)
    app.post("/api/v1/embed", **photo)(embed_photo)
    app.post("/api/v1/nearest", **photo)(nearest_to_photo)
    app.get("/api/v1/columns/{column:path}", response_class=Response, responses=NUMBERS)(column)
    app.get("/api/v1/map/{method}/progress")(map_progress)
    app.get("/api/v1/map/{method}", response_class=Response, responses=NUMBERS, dependencies=[Costly])(face_map)
    app.get("/api/v1/videos")(videos)
    app.get("/api/v1/timeline")(timeline)
    app.get("/api/v1/compare", dependencies=[Costly])(compare)
    return app


async def _explained(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}"
        return JSONResponse({"detail": reason[:MOST_LETTERS]}, 422)
    status = 400
    if isinstance(error, NoFaceError):
        status = 422
    elif isinstance(error, RewrittenError):
        status = 410
    elif isinstance(error, ModelError | MissingDependencyError):
        status = 409
    return JSONResponse({"detail": " ".join(str(error).split())[:MOST_LETTERS]}, status)


async def _refused(_: Request, error: Exception) -> Response:
    """The refusal of a request; one that no function of the API has seen gets a sentence, too."""
    assert isinstance(error, StarletteHTTPException)
    reason = str(error.detail)
    if reason == HTTPStatus(error.status_code).phrase:
        reason = f"there is nothing at this address for this method; /api/{API}/openapi.json lists what there is"
    return JSONResponse({"detail": reason[:MOST_LETTERS]}, error.status_code, dict(error.headers or {}))


def about(request: Request) -> About:
    """The version of the interface, and its limits."""
    rate: Rate = request.app.state.rate
    limits = Limits(MAX_BYTES, MAX_PIXELS, MAX_FACES, AT_ONCE, MOST_WAITING, rate.per_s)
    return About(API, VERSION, f"/api/{API}/openapi.json", limits)


async def health(site: Here) -> Health:
    """Health check."""
    return Health("ok", site.catalogue.num_rows)


def dataset(site: Here) -> Dataset:
    """The dataset and its features."""
    catalogue = site.catalogue
    return Dataset(
        name=catalogue.gallery.full_path.name,
        version=catalogue.version,
        model=catalogue.gallery.model,
        rows=catalogue.num_rows,
        faces=len(catalogue.faces),
        tracks=catalogue.num_tracks,
        identities=catalogue.num_identities,
        attributes=catalogue.attributes,
        classes=catalogue.classes,
        maps=site.face_map.methods,
        photos=str(site.photos) if isinstance(site.photos, FabnetError) else "",
        compare=str(site.comparer) if isinstance(site.comparer, FabnetError) else "",
    )


def faces(
    site: Here,
    where: Where,
    start: Index = 0,
    count: Count = 100,
    by_track: Annotated[bool, Query(description="one face per track, with the number of its faces")] = False,
    track_of: Annotated[int | None, Query(description="only the faces of the track of this row")] = None,
) -> FacePage:
    """A range of the faces that meet a condition, in the order of the dataset."""
    if track_of is not None:
        return site.catalogue.page(where, start, count, track_of=known(site, track_of))
    return site.catalogue.page_of_tracks(where, start, count) if by_track else site.catalogue.page(where, start, count)


def mask(site: Here, where: Where) -> Response:
    """Which rows meet a condition: one byte per row, 1 or 0."""
    meets = np.zeros(site.catalogue.num_rows, dtype=np.uint8)
    meets[site.catalogue.select(where)] = 1
    return Response(meets.tobytes(), media_type="application/octet-stream")


def face(site: Here, row: Row) -> Face:
    """A face."""
    return site.catalogue.read([row])[0]


def thumbnail(site: Here, row: Row) -> Response:
    """A face, 96 pixels wide."""
    return _jpeg(site.catalogue.thumbnail(row))


def crop(site: Here, row: Row) -> Response:
    """The crop of a face in the track store, or else its thumbnail."""
    return _jpeg(site.crops.jpeg(row))


def _jpeg(data: bytes | None) -> Response:
    if data is None:
        raise HTTPException(404, "this row has no face")
    return Response(data, media_type="image/jpeg")


async def nearest(
    request: Request, site: Here, row: Row, where: Where, k: Count = 24, other_people: bool = True
) -> Found:
    """The faces most similar to a face by cosine similarity, by default of other people only."""

    def search() -> Found:
        vector = site.catalogue.embedding(row)
        if vector is None:
            raise HTTPException(404, "this row has no embedding to search with")
        return Found(site.catalogue.nearest(vector, k, where, not_row=row, other_people=other_people))

    return await turns(request, "nearest").take(request, search)


def column(site: Here, column: str) -> Response:
    """A predicted attribute of all rows; NaN if missing."""
    return _sent(site.catalogue.numbers(column))


async def face_map(request: Request, site: Here, method: str) -> Response:
    """The positions of all rows on the map: x and y of each row, mostly in -1 to 1; NaN without a face."""
    return _sent(await turns(request, "map").take(request, lambda: site.face_map.positions(method)))


def map_progress(site: Here, method: str) -> MapProgress:
    """How far the computation of a map is."""
    if method not in site.face_map.methods:
        raise HTTPException(404, "there is no such map")
    return site.face_map.progress()


def _sent(numbers: np.ndarray) -> Response:
    """Numbers as a streamed response, so that no copy of them is kept for a slow reader."""
    data = np.ascontiguousarray(numbers, dtype="<f4").reshape(-1).view(np.uint8)

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(data), SENT_BYTES):
            yield data[start : start + SENT_BYTES].tobytes()

    headers = {"content-length": str(len(data))}
    return StreamingResponse(parts(), media_type="application/octet-stream", headers=headers)


def videos(site: Here, contains: str = "", limit: Count = 200) -> list[Video]:
    """Videos of two or more rows, sorted by name."""
    return site.catalogue.videos(contains, limit)


def timeline(
    site: Here, video: str, track: str | None = None, first: Index = 0, last: Annotated[int | None, Query(ge=0)] = None
) -> Timeline:
    """The predicted attributes of a video's faces over time, of all tracks or of one; `first` and `last` are indices
    among these rows, as in `places`, to see a part of a long video in detail."""
    found = site.catalogue.timeline(video, track=track, first=first, last=last)
    if found is None:
        raise HTTPException(404, "there is no such video in the dataset")
    return found


async def compare(
    request: Request, site: Here, target: int, source: Annotated[list[int], Query(min_length=1, max_length=3)]
) -> Comparison:
    """Warp one to three sources to a target with the model's decoders; pictures are data URIs."""
    if isinstance(site.comparer, FabnetError):
        raise site.comparer
    comparer = site.comparer

    def reconstruct() -> Comparison:
        images = []
        for row in (target, *source):
            data = site.crops.jpeg(known(site, row))
            if data is None:
                raise HTTPException(404, f"row {row} has no face")
            images.append(np.ascontiguousarray(decode_jpeg(data)[:, :, ::-1]))
        return comparer.compare(images[0], images[1:])

    return await turns(request, "compare").take(request, reconstruct)
