"""Photos that are uploaded: checked before they are decoded, then searched for faces, which are read and embedded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.face_reader import LANDMARKS
from fabnet.errors import InputError, NoFaceError
from fabnet.faces.crop import CropSpec
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.find import Face, crop_faces
from fabnet.faces.picture import decode_bgr, picture_size
from fabnet.reading.attributes import ATTRIBUTES_MODEL, attributes, shipped_eyes
from fabnet.reading.photo_faces import faces_of_photo
from fabnet.reporting.pictures import data_uri
from fabnet.serving.answers import PhotoFace
from fabnet.serving.photo_answers import EmbeddedFace, Number, Probability, ReadFace, ReadPhoto

__all__ = ["MAX_BYTES", "MAX_FACES", "MAX_PIXELS", "FaceFinder", "Photo", "PhotoReader"]

MAX_FACES = 12
"""Faces of a photo that are read, the largest."""
THUMBNAIL_PX = 96
JPEG_QUALITY = 95
MAX_BYTES = 10 * 2**20
MAX_PIXELS = 50_000_000
LARGEST_PX = 3200
"""Maximum longer side of a photo for the search for faces; the smallest faces, 1/64 of it, then have 50 px."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """The largest faces of a photo, and one of them: its crop as a data URI, and its (D,) float32 embedding."""

    faces: list[PhotoFace]
    crop: str
    embedding: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """A photo of limited size, and its size as shown."""

    image: np.ndarray
    width: int
    height: int

    @property
    def times(self) -> float:
        """Pixels of the photo as shown per pixel of the image."""
        return self.width / int(self.image.shape[1])


class FaceFinder:
    """Finds the faces of photos, and reads them; one photo at a time, so that memory is bounded."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._detector = load_photo_detector(only_largest=True)
        shipped_eyes()
        self._detector(np.full((256, 256, 3), 128, dtype=np.uint8))  # the first run is slow

    @contextmanager
    def opened(self, data: bytes) -> Iterator[_Decoded]:
        """Decode a photo, whose turn it then is.

        Raises:
            InputError: it has another format, is corrupt, or has too many pixels.
        """
        width, height = picture_size(data)
        if width * height > MAX_PIXELS:
            raise InputError(f"the photo has {width:,} x {height:,} pixels; the limit is {MAX_PIXELS:,} in all")
        with self._lock:
            image = _decoded(data, max(width, height))
            if (image.shape[1] > image.shape[0]) != (width > height):  # turned, as its EXIF says
                width, height = height, width
            yield _Decoded(image, width, height)

    def cropped(self, photo: _Decoded, spec: CropSpec) -> list[Face]:
        """Find and crop the faces, the largest first.

        Raises:
            NoFaceError: there is none.
        """
        faces = crop_faces(photo.image, detector=self._detector, spec=spec)[:MAX_FACES]
        if not faces:
            raise self._no_face(photo)
        return faces

    def read(self, data: bytes) -> ReadPhoto:
        """Read the faces of a photo, as `fabnet read` does.

        Raises:
            InputError: see `opened`.
            NoFaceError: there is none.
        """
        eyes = shipped_eyes()
        with self.opened(data) as photo:
            found = faces_of_photo(photo.image, eyes, self._detector, most=MAX_FACES)
            if found is None:
                raise self._no_face(photo)
            read = eyes.reader.columns(found.seen)
            boxes = found.boxes_px * photo.times
        for name in (f"{LANDMARKS}_px", f"{LANDMARKS}_pm_px"):
            read[name] = read[name] * photo.times
        faces = [
            _read_face({name: values[index] for name, values in read.items()}, boxes[index], score)
            for index, score in enumerate(found.scores)
        ]
        return ReadPhoto(ATTRIBUTES_MODEL, eyes.reader.model, eyes.reader.version, photo.width, photo.height, faces)

    def _no_face(self, photo: _Decoded) -> NoFaceError:
        smallest = self._detector.smallest_px(*photo.image.shape[:2]) * photo.times
        return NoFaceError(
            f"no face was found in the photo of {photo.width} x {photo.height} px: a face must be at least "
            f"{smallest:.0f} px high and unobstructed"
        )


class PhotoReader:
    """Embeds the faces of a photo, and reads all of its large ones.

    Args:
        encoder: the encoder that made the dataset's embeddings.
        finder: what finds faces.
    """

    def __init__(self, encoder: Embedder, finder: FaceFinder) -> None:
        self._encoder, self._finder, self._spec = encoder, finder, encoder.crop_spec
        self._encoder.embed([np.full((256, 256, 3), 128, dtype=np.uint8)])  # the first run is slow

    def read(self, data: bytes, chosen: int = 0) -> Photo:
        """Find the faces, read them, and embed one.

        Args:
            data: a picture in one of `fabnet.faces.picture.FORMATS`.
            chosen: which one, 0 is the largest.

        Raises:
            InputError: it has another format, is corrupt, or has too many pixels, or there is no such face.
            NoFaceError: no face was found.
        """
        with self._finder.opened(data) as photo:
            faces = self._finder.cropped(photo, self._spec)
            if chosen >= len(faces):
                raise InputError(f"there is no face {chosen} in the photo; {len(faces)} are shown")
            crop = faces[chosen].image
            embedding = self._encoder.embed([crop])[0]
            return Photo(_shown(faces), data_uri(crop, quality=JPEG_QUALITY), embedding)

    def embed(self, data: bytes) -> tuple[int, int, list[EmbeddedFace]]:
        """Embed all faces.

        Returns:
            Width and height of the photo as shown, and its faces.

        Raises:
            InputError: as in `read`.
            NoFaceError: no face was found.
        """
        with self._finder.opened(data) as photo:
            faces = self._finder.cropped(photo, self._spec)
            embeddings = self._encoder.embed([face.image for face in faces])
        found = [
            EmbeddedFace(_box(face.box_px * photo.times), float(face.score), embedding.tolist())
            for face, embedding in zip(faces, embeddings, strict=True)
        ]
        return photo.width, photo.height, found


def _read_face(values: dict[str, Any], box_px: np.ndarray, score: float) -> ReadFace:
    numbers: dict[str, Number] = {}
    probabilities: dict[str, Probability] = {}
    expression = ""
    for task in shipped_eyes().reader.tasks:
        unsure = task.is_experimental
        for name in task.columns if task.kind != "points" else ():
            if task.kind == "values":
                unit = "degree" if name.endswith("_deg") else "face height"
                numbers[name] = Number(float(values[name]), float(values[f"{name}_pm"]), unit, unsure)
            else:
                probabilities[name] = Probability(float(values[name]), unsure)
        expression = str(values[task.name]) if task.kind == "classes" else expression
    return ReadFace(
        box_px=_box(box_px), score=float(score), in_range=bool(values["in_range"]),
        out_of_range=str(values["out_of_range"]), numbers=numbers, probabilities=probabilities, expression=expression,
        landmarks68_px=[(float(x), float(y)) for x, y in np.reshape(values[f"{LANDMARKS}_px"], (-1, 2))],
        landmarks68_pm_px=float(values[f"{LANDMARKS}_pm_px"]),
    )  # fmt: skip


def _box(box_px: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, box_px)
    return left, top, right, bottom


def _shown(faces: list[Face]) -> list[PhotoFace]:
    """Faces with their attributes."""
    flat = {name: values for name, values in attributes(faces).items() if values.ndim == 1}
    small = (THUMBNAIL_PX, THUMBNAIL_PX)
    return [
        PhotoFace(
            data_uri(cv2.resize(face.image, small, interpolation=cv2.INTER_AREA), quality=JPEG_QUALITY),
            {name: _plain(values[index]) for name, values in flat.items()},
        )
        for index, face in enumerate(faces)
    ]


def _plain(value: Any) -> float | str:
    """A value as JSON has it; whether a flag is set as text, as in the answers about rows."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    return str(value) if isinstance(value, str) else float(value)


def _decoded(data: bytes, longer_px: int) -> np.ndarray:
    """The photo as (H, W, 3) uint8 RGB, with a longer side of at most `LARGEST_PX`."""
    flag = cv2.IMREAD_COLOR
    if longer_px >= 2 * LARGEST_PX:  # a JPEG is then never decoded at full size
        flag = cv2.IMREAD_REDUCED_COLOR_4 if longer_px >= 4 * LARGEST_PX else cv2.IMREAD_REDUCED_COLOR_2
    try:
        image = decode_bgr(data, flag)
    except InputError:
        raise InputError("the photo is truncated or corrupt: it has a header, but cannot be decoded") from None
    times = LARGEST_PX / max(image.shape[:2])
    if times < 1:
        width, height = (max(1, round(side * times)) for side in (image.shape[1], image.shape[0]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
