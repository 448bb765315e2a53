"""The face crop: its specification, and how a detector's box becomes a square picture.

Convention: a box is (4,) x0, y0, x1, y1 in pixels of the frame, pixel centres at integers + 0.5, so that a box over the
whole image is (0, 0, W, H). See `docs/crop.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np

from fabnet.errors import InputError
from fabnet.files.fields import read_fields

__all__ = [
    "VOXCELEB",
    "CropSpec",
    "Framing",
    "crop_box",
    "cut",
    "framing_note",
    "shrunk_square",
    "to_crop",
    "upright",
    "window_of",
]

EDGE_PX = 2
Framing = Literal["detector", "voxceleb", "unknown"]


@dataclass(frozen=True, kw_only=True)
class CropSpec:
    """How a face is cut out. The crop is loose, like VoxCeleb's: training moves a smaller window inside it."""

    margin: float = 1.8
    """Side of the crop over the geometric mean of the box's width and height."""
    shift_x: float = 0.0
    """Shift of the crop's centre from the box's centre to the right, in sides of the crop."""
    shift_y: float = 0.08
    """Shift of the crop's centre from the box's centre downwards, in sides of the crop."""
    smoothing_s: float = 0.5
    """Sigma in seconds of the Gaussian that smooths centre and size along a track; 0: no smoothing."""
    size: int = 256
    """Side of the crop in pixels."""
    jpeg_quality: int = 92
    """JPEG quality of the stored crop, 1 to 100."""
    framing: Framing = "detector"
    """What crops show. detector: a detector's face, by the numbers above; voxceleb: the same, but `margin` counts in
    longer sides of the box, as in VoxCeleb's pipeline; unknown: they were ready crops."""
    window_centre_y: float = 0.5
    """Vertical centre of the window that training moves about, in sides of the crop."""

    def __post_init__(self) -> None:
        """Check the ranges of the fields."""
        for name, low, high in (("margin", 0.5, 10), ("size", 16, 4096), ("smoothing_s", 0, 10)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"a crop's {name} must lie in {low}..{high}; got {getattr(self, name)}")
        if not (abs(self.shift_x) <= 10 and abs(self.shift_y) <= 10):
            raise InputError(f"a crop's shifts must lie in -10..10; got {self.shift_x} and {self.shift_y}")
        if not 1 <= self.jpeg_quality <= 100:
            raise InputError(f"a crop's jpeg_quality must lie in 1..100; got {self.jpeg_quality}")
        if not 0 <= self.window_centre_y <= 1:
            raise InputError(f"a crop's window_centre_y must lie in 0..1; got {self.window_centre_y}")

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object, without those that older versions lack if they have their defaults."""
        later = {"framing": "detector", "window_centre_y": 0.5}
        return {name: value for name, value in asdict(self).items() if name not in later or value != later[name]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CropSpec:
        """Read the result of `to_json`.

        Raises:
            InputError: a field is unknown, has the wrong type or is out of range.
        """
        try:
            return cls(**read_fields(cls, content))
        except ValueError as error:
            raise InputError(f"not a crop specification: {error}") from None


VOXCELEB = CropSpec(margin=1.4, shift_y=1 / 7, smoothing_s=0.0, framing="voxceleb", window_centre_y=103 / 256)
"""VoxCeleb's crops. Source: `crop_scale` 0.4 of the pipeline of VoxCeleb's makers (joonson/syncnet_python), in which a
box of longer side b becomes a square of 1.4 b from b / 2 above the box's centre; and, for the window, x 33-223,
y 8-198 of 256 in the code of FAb-Net's authors."""

UNKNOWN_FRAMING = "the model was trained on ready crops of unknown framing"
OFF_CENTRE = "the model's window lies off the middle, as in VoxCeleb's crops, though its crops count as the detector's"
MAX_OFF_CENTRE = 0.05


def framing_note(crop: Mapping[str, Any] | None, centre_y: float) -> str | None:
    """A note for those who give new faces to a model whose training crops may have been framed otherwise.

    Args:
        crop: the crop specification of its training, as JSON; None: the default.
        centre_y: vertical centre of its window.

    Returns:
        The note; None if new faces are cut as its training crops were.
    """
    spec = CropSpec.from_json(crop or {})
    reason = UNKNOWN_FRAMING if spec.framing == "unknown" else None
    if spec.framing == "detector" and not spec.smoothing_s and abs(centre_y - spec.window_centre_y) > MAX_OFF_CENTRE:
        reason = OFF_CENTRE  # older versions recorded all ready crops so
    return reason and (
        f"{reason}; new faces are cut around the detector's box, which may not fit: if they were VoxCeleb's or "
        "fabnet's crops, make the store again with import --crop voxceleb or fabnet"
    )


def crop_box(box_px: np.ndarray, spec: CropSpec) -> np.ndarray:
    """Square around a face that becomes its crop; it may extend beyond the image.

    Args:
        box_px: (4,) the detector's box.
        spec: the crop specification.

    Returns:
        (4,) float32 x0, y0, x1, y1 in the same pixels.
    """
    x0, y0, x1, y1 = np.asarray(box_px, dtype=np.float64)
    width, height = max(x1 - x0, 1.0), max(y1 - y0, 1.0)
    side = spec.margin * (max(width, height) if spec.framing == "voxceleb" else np.sqrt(width * height))
    centre_x, centre_y = (x0 + x1) / 2 + spec.shift_x * side, (y0 + y1) / 2 + spec.shift_y * side
    half = side / 2
    return np.array([centre_x - half, centre_y - half, centre_x + half, centre_y + half], dtype=np.float32)


def to_crop(crop_box_px: np.ndarray, size: int) -> np.ndarray:
    """Affine map from the frame's pixels to the crop's.

    Args:
        crop_box_px: (4,) the square in the frame.
        size: side of the crop in pixels.

    Returns:
        (2, 3) float64, which maps (x, y, 1) in the frame to (x, y) in the crop, and the box's corners to (0, 0) and
        (size, size).
    """
    x0, y0, x1, y1 = np.asarray(crop_box_px, dtype=np.float64)
    scale_x, scale_y = size / (x1 - x0), size / (y1 - y0)
    return np.array([[scale_x, 0, -x0 * scale_x], [0, scale_y, -y0 * scale_y]])


def cut(image: np.ndarray, crop_box_px: np.ndarray, size: int) -> np.ndarray:
    """Cut a square out of an image; outside the image its border is repeated.

    To avoid aliasing, shrinking warps to an integer multiple of the size at full detail, then averages whole pixels.
    The stored crop box reproduces the crop bit for bit, even from a part of the image that contains the box and a
    margin of `EDGE_PX` (with the box moved by whole pixels).

    Args:
        image: (H, W, 3) uint8.
        crop_box_px: (4,) the square in the image.
        size: side of the crop in pixels.

    Returns:
        (size, size, 3) uint8, colours in the same order.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in crop_box_px)
    left, top = min(max(math.floor(x0) - EDGE_PX, 0), width - 1), min(max(math.floor(y0) - EDGE_PX, 0), height - 1)
    right, bottom = max(math.ceil(x1) + EDGE_PX, left + 1), max(math.ceil(y1) + EDGE_PX, top + 1)
    part = image[top:bottom, left:right]
    times = max(1, math.ceil((x1 - x0) / size - 1e-6))
    inner = size * times
    matrix = to_crop(np.array([x0 - left, y0 - top, x1 - left, y1 - top]), inner)
    # warpAffine counts pixel centres from 0, boxes from 0.5.
    matrix[:, 2] += (matrix[:, 0] + matrix[:, 1]) * 0.5 - 0.5
    crop = cv2.warpAffine(part, matrix, (inner, inner), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if times > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop)


def upright(
    image: np.ndarray, centre_px: np.ndarray, turn_deg: float, region_px: tuple[int, int, int, int]
) -> np.ndarray:
    """Turn an image about a point, so that a head that leans by an angle stands upright, and cut out a part.

    Args:
        image: (H, W, 3) uint8.
        centre_px: (2,) the point, which stays where it is.
        turn_deg: the head's angle, anticlockwise in the image.
        region_px: left, top, right and bottom of the part of the turned image; it may reach beyond the image.

    Returns:
        (bottom - top, right - left, 3) uint8; where it shows what lies outside the image, the border is repeated.
    """
    x, y = (float(value) - 0.5 for value in centre_px)  # warpAffine counts pixel centres from 0
    left, top, right, bottom = region_px
    turn = cv2.getRotationMatrix2D((x, y), -turn_deg, 1.0)
    turn[:, 2] -= left, top
    size = right - left, bottom - top
    return np.asarray(cv2.warpAffine(image, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def shrunk_square(image: np.ndarray, left: int, top: int, side: int, size: int, *, smoothly: bool = True) -> np.ndarray:
    """Cut a square on whole pixels out of an image and shrink it, several times as fast as `cut`.

    It is halved while it stays large enough, then interpolated to twice the size, of which four pixels are averaged.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        left: first column of the square; outside the image its border is repeated.
        top: first row.
        side: side of the square in pixels, at least `size`. It should be divisible as often as it is halved.
        size: side of the result in pixels.
        smoothly: False: it is interpolated to the size itself, which is enough for colours without brightness.

    Returns:
        (size, size) or (size, size, 3) uint8.
    """
    height, width = image.shape[:2]
    last = left + side, top + side
    part = image[min(max(top, 0), height - 1) : max(last[1], 1), min(max(left, 0), width - 1) : max(last[0], 1)]
    if left < 0 or top < 0 or last[0] > width or last[1] > height:
        # The border is also repeated around a square that lies beside the image.
        above, below, before, after = (min(max(by, 0), side) for by in (-top, last[1] - height, -left, last[0] - width))
        part = cv2.copyMakeBorder(part, above, below, before, after, cv2.BORDER_REPLICATE)[:side, :side]
    inner = 2 * size if smoothly and side >= 2 * size else size
    while side >= 2 * inner:
        side = (side + 1) // 2
        part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    if side != inner:
        part = cv2.resize(part, (inner, inner), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) if inner != size else part)


def window_of(image: np.ndarray, box_px: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Part of an image that a box covers.

    Args:
        image: (H, W, 3).
        box_px: (4,) in its pixels; it may extend beyond the image.

    Returns:
        The part's left and top in pixels of the image, and the part: a view of at least one pixel.
    """
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(box_px[:2]).astype(int), 0, [width - 1, height - 1]).tolist()
    right, bottom = np.ceil(box_px[2:]).astype(int).tolist()
    return left, top, image[top : max(bottom, top + 1), left : max(right, left + 1)]
