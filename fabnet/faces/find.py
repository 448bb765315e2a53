"""Finds the faces of one picture and cuts them out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from fabnet.errors import InputError, first_line
from fabnet.faces.crop import CropSpec, crop_box, cut, to_crop
from fabnet.faces.detect.detection import Detection, Detector, NamedDetector
from fabnet.faces.detect.load import load_detector
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.picture import decode_picture
from fabnet.files.limits import read_bytes
from fabnet.files.places import as_place, fetched

__all__ = ["Face", "chosen_face", "crop_faces", "loaded_detector", "read_photo"]

LARGE_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face of a picture."""

    image: np.ndarray
    """(size, size, 3) uint8 RGB, the crop."""
    box_px: np.ndarray
    """(4,) float32, the detector's box in the picture."""
    crop_box_px: np.ndarray
    """(4,) float32, the square that was cut out of the picture."""
    score: float
    """The detector's confidence, 0 to 1."""
    landmarks5_px: np.ndarray
    """(5, 2) float32, x and y in the picture."""
    to_crop: np.ndarray
    """(2, 3) float64, affine map from the picture's pixels to the crop's."""
    shown_px: np.ndarray
    """(4,) float32, the picture's own box: 0, 0, its width, its height. The crop may reach beyond it."""


def crop_faces(
    image: np.ndarray | str | Path,
    *,
    detector: Detector | None = None,
    spec: CropSpec | None = None,
    min_face: float | None = None,
) -> list[Face]:
    """Find the faces of a picture and cut them out, largest first.

    Args:
        image: (H, W, 3) uint8 RGB, or a photo's path.
        detector: what finds faces; None: the default, as `load_photo_detector` gives it.
        spec: how they are cut out; None: the default crop.
        min_face: side of the smallest face looked for, in pixels; None: 1/64 of the longer side, at least 20. Not
            beside a detector, which has a limit of its own.

    Returns:
        The faces; none if there is none.

    Raises:
        InputError: the photo is missing or damaged; the image is not (H, W, 3) uint8, or is empty; `min_face` is
            not positive, or is given beside a detector.
    """
    image = image if isinstance(image, np.ndarray) else read_photo(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(f"expected an image (H, W, 3) uint8 RGB; got {image.shape} {image.dtype}")
    if detector is not None and min_face is not None:
        raise InputError("the detector that is given has a smallest face of its own: give one of detector and min_face")
    detector, spec = detector or load_photo_detector(min_face_px=min_face), spec or CropSpec()
    faces, shown = [], np.array([0, 0, image.shape[1], image.shape[0]], np.float32)
    for found in detector(image):
        square = crop_box(found.box_px, spec)
        faces.append(
            Face(
                image=cut(image, square, spec.size),
                box_px=found.box_px,
                crop_box_px=square,
                score=found.score,
                landmarks5_px=found.landmarks5_px,
                to_crop=to_crop(square, spec.size),
                shown_px=shown,
            )
        )
    return sorted(faces, key=lambda face: float(face.crop_box_px[0] - face.crop_box_px[2]))


def read_photo(photo: str | Path) -> np.ndarray:
    """Read a photo to (H, W, 3) uint8 RGB.

    Raises:
        InputError: it is missing or damaged.
    """
    file = fetched(as_place(photo))
    try:
        return decode_picture(read_bytes(file))
    except InputError as error:
        raise InputError(f"{photo} is not a usable photo: {error}") from None
    except OSError as error:
        raise InputError(f"{photo} cannot be read: {first_line(error)}") from None


def chosen_face(faces: list[Detection], width: int, height: int) -> Detection | None:
    """Choose the main face of a frame: the most central one of those at least half as large as the largest.

    Args:
        faces: the faces found in the frame.
        width: width of the frame in pixels.
        height: height of the frame in pixels.

    Returns:
        The face; None if `faces` is empty.
    """
    if not faces:
        return None
    sides = np.array([np.sqrt(np.prod(face.box_px[2:] - face.box_px[:2])) for face in faces])
    centres = np.array([(face.box_px[:2] + face.box_px[2:]) / 2 for face in faces])
    distances = np.linalg.norm(centres - np.array([width, height]) / 2, axis=1)
    distances[sides < LARGE_SHARE * sides.max()] = np.inf
    return faces[int(distances.argmin())]


@lru_cache(maxsize=1)
def loaded_detector(name: str, min_face_px: float | None = None, *, for_photos: bool = False) -> NamedDetector:
    """Load a detector of faces that are about upright, which runs on one thread, once per process."""
    cv2.setNumThreads(1)
    if for_photos:
        return load_photo_detector(name, min_face_px=min_face_px, only_largest=True, any_way_up=False)
    return load_detector(name, min_face_px=min_face_px)
