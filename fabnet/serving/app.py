"""The web application: the page's files, and its JSON API.

`/openapi.json` describes the API. Errors are `{"detail": "one line"}`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse

from fabnet.errors import FabnetError, MissingDependencyError, ModelError, NoFaceError, RewrittenError
from fabnet.faces.window import decode_jpeg
from fabnet.serving.answers import Attribute, Classes, Face, FacePage, PhotoFace, Timeline, Video
from fabnet.serving.compare import Comparison
from fabnet.serving.conditions import Condition
from fabnet.serving.face_map import MapProgress
from fabnet.serving.guard import Guard
from fabnet.serving.photos import as_data
from fabnet.serving.site import Shown, Site
from fabnet.serving.turns import Turns, Uploads
from fabnet.version import VERSION

__all__ = ["build_app"]

AT_ONCE = {"nearest": 4, "photo": 1, "map": 1, "compare": 1}
"""Costly requests of each kind that run at once; the others wait, without delaying cheap requests."""
SENT_BYTES = 2**18
MOST_LETTERS = 600
"""Maximum length of an error message, which may repeat parts of the request."""
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
NUMBERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "little-endian numbers, row by row"}
}


@dataclass(frozen=True, slots=True)
class Health:
    """Status of the server."""

    status: str
    rows: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """The dataset and its features: `photos` and `compare` are empty, or give the reason why a feature is missing."""

    name: str
    version: str
    model: str | None
    rows: int
    faces: int
    tracks: int
    identities: int
    attributes: list[Attribute]
    classes: list[Classes]
    maps: list[str]
    photos: str
    compare: str


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest faces; for a search by photo also the crop of its face, as a data URI, and all faces of the photo."""

    faces: list[Face]
    crop: str | None = None
    photo: list[PhotoFace] = field(default_factory=list)


def _site(
    request: Request,
    v: Annotated[str, Query(description="version of the dataset to which row numbers refer; others are refused")] = "",
) -> Site:
    shown: Shown = request.app.state.shown
    site = shown.now()
    if v not in ("", site.catalogue.version):
        raise HTTPException(410, "the dataset was rewritten since the page was loaded, so its row numbers changed")
    return site


Here = Annotated[Site, Depends(_site)]


def _condition(
    site: Here,
    where: Annotated[
        list[str],
        Query(
            default_factory=list,
            description="COLUMN:LOW:HIGH (a bound may be empty) or COLUMN:CLASS; all must hold",
        ),
    ],
) -> Condition:
    return site.catalogue.condition(where)


Where = Annotated[Condition, Depends(_condition)]
Count = Annotated[int, Query(ge=1, le=200)]
Index = Annotated[int, Query(ge=0)]


def _known(site: Site, row: int) -> int:
    if not 0 <= row < site.catalogue.num_rows:
        raise HTTPException(404, f"there is no row {str(row)[:20]}; the dataset has {site.catalogue.num_rows} rows")
    return row


def _row(site: Here, row: int) -> int:
    return _known(site, row)


Row = Annotated[int, Depends(_row)]


def build_app(site: Site, *, hosts: Collection[str] = ()) -> FastAPI:
    """Build the application.

    Args:
        site: the site that it shows.
        hosts: see `Guard`; empty: only loopback.
    """
    app = FastAPI(
        title="fabnet serve", version=VERSION, docs_url=None, redoc_url=None,
        description="The faces of an embeddings dataset. A face is named by the number of its row.",
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},  # overrides OTEL_...
    )  # fmt: skip
    app.state.shown = Shown(site)
    app.state.uploads = Uploads()
    app.state.turns = {kind: Turns(at_once) for kind, at_once in AT_ONCE.items()}
    app.add_middleware(Guard, hosts=hosts)
    app.add_exception_handler(FabnetError, _explained)
    app.add_exception_handler(RequestValidationError, _explained)
    for file in files("fabnet.serving").joinpath("static").iterdir():
        _add_file(app, file.name, file.read_bytes())
    app.get("/healthz")(health)
    app.get("/api/dataset")(dataset)
    app.get("/api/faces")(faces)
    app.get("/api/faces/mask", response_class=Response, responses=NUMBERS)(mask)
    app.get("/api/faces/{row}")(face)
    app.get("/api/faces/{row}/thumbnail", response_class=Response, responses=JPEG)(thumbnail)
    app.get("/api/faces/{row}/crop", response_class=Response, responses=JPEG)(crop)
    app.get("/api/faces/{row}/nearest")(nearest)
    binary = {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    app.post("/api/nearest", openapi_extra={"requestBody": binary})(nearest_to_photo)
    app.get("/api/columns/{column:path}", response_class=Response, responses=NUMBERS)(column)
    app.get("/api/map/{method}/progress")(map_progress)
    app.get("/api/map/{method}", response_class=Response, responses=NUMBERS)(face_map)
    app.get("/api/videos")(videos)
    app.get("/api/timeline")(timeline)
    app.get("/api/compare")(compare)
    return app


def _add_file(app: FastAPI, name: str, content: bytes) -> None:
    """Serve a file of the page under its fixed name, so that no part of a request is ever used as a path."""
    kind = TYPES[name.rpartition(".")[2]]

    async def send() -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    app.get("/" if name == "index.html" else f"/{name}", include_in_schema=False)(send)


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
        return site.catalogue.page(where, start, count, track_of=_known(site, track_of))
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

    return await _turns(request, "nearest").take(request, search)


async def nearest_to_photo(request: Request, site: Here, where: Where, k: Count = 24, face: Index = 0) -> Found:
    """The faces most similar to a face of a photo, 0 is its largest; the body is a picture file of at most 10 MiB."""
    if isinstance(site.photos, FabnetError):
        raise site.photos
    photos = site.photos
    uploads: Uploads = request.app.state.uploads
    async with uploads.read(request) as data:

        def search() -> Found:
            photo = photos.read(data, face)
            return Found(site.catalogue.nearest(photo.embedding, k, where), as_data(photo.crop), photo.faces)

        return await _turns(request, "photo").take(request, search)


def _turns(request: Request, kind: str) -> Turns:
    found: Turns = request.app.state.turns[kind]
    return found


def column(site: Here, column: str) -> Response:
    """A predicted attribute of all rows; NaN if missing."""
    return _sent(site.catalogue.numbers(column))


async def face_map(request: Request, site: Here, method: str) -> Response:
    """The positions of all rows on the map: x and y of each row, mostly in -1 to 1; NaN without a face."""
    return _sent(await _turns(request, "map").take(request, lambda: site.face_map.places(method)))


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
            data = site.crops.jpeg(_known(site, row))
            if data is None:
                raise HTTPException(404, f"row {row} has no face")
            images.append(np.ascontiguousarray(decode_jpeg(data)[:, :, ::-1]))
        return comparer.compare(images[0], images[1:])

    return await _turns(request, "compare").take(request, reconstruct)
