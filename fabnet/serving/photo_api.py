"""The part of the API that takes photos: reads them, embeds them, and searches by them."""

from __future__ import annotations

from fastapi import Request

from fabnet.errors import FabnetError
from fabnet.serving.answers import Found
from fabnet.serving.photo_answers import EmbeddedPhoto, ReadPhoto
from fabnet.serving.photos import PhotoReader
from fabnet.serving.requests import Count, Here, Index, Where, turns
from fabnet.serving.site import Site
from fabnet.serving.turns import Uploads

__all__ = ["embed_photo", "nearest_to_photo", "read_photo"]


async def read_photo(request: Request, site: Here) -> ReadPhoto:
    """Read head pose, 68 points, expression, action units, smile, mouth and eyes of a photo's faces.

    Each number has its half-width and unit. The body is the picture file (JPEG, PNG, WebP, HEIC, AVIF or another of
    docs/reading.md); it is not kept.
    """
    async with _uploads(request).read(request) as data:
        return await turns(request, "photo").take(request, lambda: site.finder.read(data))


async def embed_photo(request: Request, site: Here) -> EmbeddedPhoto:
    """Embed the faces of a photo with the model that made the dataset; the body is the picture file."""
    photos = _photos(site)
    async with _uploads(request).read(request) as data:
        width, height, faces = await turns(request, "photo").take(request, lambda: photos.embed(data))
    gallery = site.catalogue.gallery
    return EmbeddedPhoto(gallery.model, gallery.model_digest, width, height, faces)


async def nearest_to_photo(request: Request, site: Here, where: Where, k: Count = 24, face: Index = 0) -> Found:
    """The faces of the dataset most similar to a face of a photo, 0 is its largest; the body is the picture file."""
    photos = _photos(site)
    async with _uploads(request).read(request) as data:

        def search() -> Found:
            photo = photos.read(data, face)
            return Found(site.catalogue.nearest(photo.embedding, k, where), photo.crop, photo.faces)

        return await turns(request, "photo").take(request, search)


def _photos(site: Site) -> PhotoReader:
    """The reader of photos.

    Raises:
        FabnetError: there is none, because the dataset's model is not found.
    """
    if isinstance(site.photos, FabnetError):
        raise site.photos
    return site.photos


def _uploads(request: Request) -> Uploads:
    found: Uploads = request.app.state.uploads
    return found
