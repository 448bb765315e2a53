"""Photos that are dropped on the page: checked before they are decoded, then searched for faces, which are read."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.errors import InputError, NoFaceError
from fabnet.faces.crop import CropSpec
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.find import Face, crop_faces
from fabnet.faces.picture import decode_bgr, picture_size
from fabnet.reading.attributes import attributes, shipped_eyes
from fabnet.serving.answers import PhotoFace

__all__ = ["MAX_BYTES", "MAX_PIXELS", "Photo", "PhotoReader", "as_data"]

MAX_FACES = 12
"""Faces of a photo that are read, the largest."""
THUMBNAIL_PX = 96
MAX_BYTES = 10 * 2**20
MAX_PIXELS = 50_000_000
LARGEST_PX = 3200
"""Maximum longer side of a photo for the search for faces; the smallest faces, 1/64 of it, then have 50 px."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """The largest faces of a photo, and one of them: its crop as JPEG, and its (D,) float32 embedding."""

    faces: list[PhotoFace]
    crop: bytes
    embedding: np.ndarray


class PhotoReader:
    """Embeds a face of a photo, and reads all of its large ones; one photo at a time, so that memory is bounded.

    Args:
        encoder: the encoder that made the dataset's embeddings.
    """

    def __init__(self, encoder: Embedder) -> None:
        self._encoder, self._lock = encoder, Lock()
        self._detector = load_photo_detector(only_largest=True)
        self._spec = CropSpec.from_json(encoder.card.crop) if encoder.card.crop else CropSpec()
        shipped_eyes()
        grey = np.full((256, 256, 3), 128, dtype=np.uint8)
        self._detector(grey)  # the first run of the detector and of the encoder is slow
        self._encoder.embed([grey])

    def read(self, data: bytes, chosen: int = 0) -> Photo:
        """Find the faces, read them, and embed one.

        Args:
            data: a picture in one of `fabnet.faces.picture.FORMATS`.
            chosen: which one, 0 is the largest.

        Raises:
            InputError: it has another format, is corrupt, or has too many pixels, or there is no such face.
            NoFaceError: no face was found.
        """
        width, height = picture_size(data)
        if width * height > MAX_PIXELS:
            raise InputError(f"the photo has {width:,} x {height:,} pixels; the limit is {MAX_PIXELS:,} in all")
        with self._lock:
            image = _decoded(data, max(width, height))
            faces = crop_faces(image, detector=self._detector, spec=self._spec)[:MAX_FACES]
            if not faces:
                smallest = self._detector.smallest_px(*image.shape[:2]) * max(width, height) / max(image.shape[:2])
                raise NoFaceError(
                    f"no face was found in the photo of {width} x {height} px: a face must be at least "
                    f"{smallest:.0f} px high, upright and unobstructed"
                )
            if chosen >= len(faces):
                raise InputError(f"there is no face {chosen} in the photo; {len(faces)} are shown")
            crop = faces[chosen].image
            embedding = self._encoder.embed([crop])[0]
            return Photo(_shown(faces), _jpeg(crop), embedding)


def _shown(faces: list[Face]) -> list[PhotoFace]:
    """Faces with their attributes."""
    flat = {name: values for name, values in attributes(faces).items() if values.ndim == 1}
    small = (THUMBNAIL_PX, THUMBNAIL_PX)
    return [
        PhotoFace(
            as_data(_jpeg(cv2.resize(face.image, small, interpolation=cv2.INTER_AREA))),
            {name: _plain(values[place]) for name, values in flat.items()},
        )
        for place, face in enumerate(faces)
    ]


def as_data(jpeg: bytes) -> str:
    """A picture as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _jpeg(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert done
    return data.tobytes()


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
