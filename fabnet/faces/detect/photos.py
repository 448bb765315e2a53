"""Detectors for photos, which show smaller faces than frames of video but are fewer, so that each may take longer."""

from __future__ import annotations

import numpy as np

from fabnet.faces.detect.detection import Detection, NamedDetector
from fabnet.faces.detect.load import DEFAULT_DETECTOR, load_detector
from fabnet.faces.detect.turned import AnyWayUp

__all__ = ["PHOTO_SHARE", "load_photo_detector"]

PHOTO_SHARE = 1 / 64
"""Side of the smallest face looked for in a photo, over the photo's longer side: 62 px of 4000."""


class _LargeFirst:
    """A detector for callers who want the largest face: looks for small faces only if there are no large ones."""

    def __init__(self, large: NamedDetector, small: NamedDetector) -> None:
        self._large, self._small = large, small

    def __call__(self, image: np.ndarray) -> list[Detection]:
        return self._large(image) or self._small(image)

    def smallest_px(self, height: int, width: int) -> float:
        return self._small.smallest_px(height, width)


def load_photo_detector(
    name: str = DEFAULT_DETECTOR,
    *,
    min_face_px: float | None = None,
    only_largest: bool = False,
    any_way_up: bool = True,
    device: str = "cpu",
) -> NamedDetector:
    """Make a face detector for photos.

    Args:
        name: see `load_detector`.
        min_face_px: side of the smallest face looked for, in pixels of the photos; None: `PHOTO_SHARE` of the longer
            side, at least 20.
        only_largest: only the largest face is needed, so small ones are looked for only if no large one is found, which
            is faster.
        any_way_up: also look for faces that lie on their side or upside down if none that is surely upright is found
            (`AnyWayUp`).
        device: see `load_detector`.

    Raises:
        InputError: see `load_detector`.
        MissingDependencyError: see `load_detector`.
    """
    detectors = [load_detector(name, min_face_px=min_face_px, min_face_share=PHOTO_SHARE, device=device)]
    if min_face_px is None and only_largest:
        detectors.insert(0, load_detector(name, device=device))
    if any_way_up:
        detectors = [AnyWayUp(each) for each in detectors]
    return detectors[0] if len(detectors) == 1 else _LargeFirst(*detectors)
