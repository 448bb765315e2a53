"""Photos that are dropped on the page: checked before they are decoded, then searched for the largest face."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.errors import InputError, NoFaceError
from fabnet.faces.crop import CropSpec
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.find import crop_faces
from fabnet.faces.picture import decode_bgr, picture_size

__all__ = ["MAX_BYTES", "MAX_PIXELS", "Photo", "PhotoReader"]

MAX_BYTES = 10 * 2**20
MAX_PIXELS = 50_000_000
LARGEST_PX = 3200
"""Maximum longer side of a photo for the search for faces; the smallest faces, 1/64 of it, then have 50 px."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """The largest face of a photo: its crop as JPEG, and its (D,) float32 embedding."""

    crop: bytes
    embedding: np.ndarray


class PhotoReader:
    """Embeds the largest face of a photo; one photo at a time, so that memory is bounded.

    Args:
        encoder: the encoder that made the dataset's embeddings.
    """

    def __init__(self, encoder: Embedder) -> None:
        self._encoder, self._lock = encoder, Lock()
        self._detector = load_photo_detector(only_largest=True)
        self._spec = CropSpec.from_json(encoder.card.crop) if encoder.card.crop else CropSpec()
        grey = np.full((256, 256, 3), 128, dtype=np.uint8)
        self._detector(grey)  # the first run of the detector and of the encoder is slow
        self._encoder.embed([grey])

    def read(self, data: bytes) -> Photo:
        """Find and embed the largest face.

        Args:
            data: a picture in one of `fabnet.faces.picture.FORMATS`.

        Raises:
            InputError: it has another format, is corrupt, or has too many pixels.
            NoFaceError: no face was found.
        """
        width, height = picture_size(data)
        if width * height > MAX_PIXELS:
            raise InputError(f"the photo has {width:,} x {height:,} pixels; the limit is {MAX_PIXELS:,} in all")
        with self._lock:
            image = _decoded(data, max(width, height))
            faces = crop_faces(image, detector=self._detector, spec=self._spec)
            if not faces:
                smallest = self._detector.smallest_px(*image.shape[:2]) * max(width, height) / max(image.shape[:2])
                raise NoFaceError(
                    f"no face was found in the photo of {width} x {height} px: a face must be at least "
                    f"{smallest:.0f} px high, upright and unobstructed"
                )
            done, crop = cv2.imencode(".jpg", cv2.cvtColor(faces[0].image, cv2.COLOR_RGB2BGR))
            assert done
            return Photo(crop.tobytes(), self._encoder.embed([faces[0].image])[0])


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
