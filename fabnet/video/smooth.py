"""Smooths a track's crop boxes in a stream, so that crops do not jitter."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from fabnet.faces.crop import CropSpec, crop_box

__all__ = ["MAX_DRIFT", "MAX_GROWTH", "BoxSmoother", "allowed_box"]

MAX_DRIFT = 0.12
"""Upper bound on a crop's shift by smoothing, in sides of the unsmoothed crop."""
MAX_GROWTH = 1.2
"""Upper bound on the factor by which smoothing enlarges or reduces a crop's side."""
REACH = 3.0
"""Sigmas of the Gaussian that are used to each side."""

Item = TypeVar("Item")


@dataclass(slots=True, eq=False)
class _Box:
    time_s: float
    centre: np.ndarray
    side: float


class BoxSmoother(Generic[Item]):
    """Smooths the crop boxes of one track by a Gaussian over time, applied to their centre and the log of their side.

    A smoothed crop stays within `MAX_DRIFT` and `MAX_GROWTH` of the unsmoothed one, so that it still contains a face
    that moves fast.

    Args:
        spec: the crop; its `smoothing_s` is the Gaussian's sigma.
    """

    def __init__(self, spec: CropSpec) -> None:
        self._spec = spec
        self._boxes: deque[_Box] = deque()
        self._waiting: deque[tuple[_Box, Item]] = deque()

    def __len__(self) -> int:
        """Number of items that wait for their box."""
        return len(self._waiting)

    def push(self, time_s: float, box_px: np.ndarray, item: Item | None) -> None:
        """Add the track's next detection.

        Args:
            time_s: its time; non-decreasing.
            box_px: (4,) the detector's box.
            item: an object to return with the smoothed box; None: the box is not needed.
        """
        x0, y0, x1, y1 = crop_box(box_px, self._spec).astype(np.float64)
        box = _Box(time_s, np.array([(x0 + x1) / 2, (y0 + y1) / 2]), x1 - x0)
        self._boxes.append(box)
        if item is not None:
            self._waiting.append((box, item))

    def pop(self, now_s: float, *, is_over: bool = False) -> list[tuple[Item, np.ndarray]]:
        """Take the items whose box is final.

        Args:
            now_s: all detections of the track before this time have been pushed.
            is_over: whether the track has ended or its items must not wait any longer.

        Returns:
            Each item with its crop box, (4,) float32, in order.
        """
        reach = REACH * self._spec.smoothing_s
        done = []
        while self._waiting and (is_over or self._waiting[0][0].time_s + reach < now_s):
            box, item = self._waiting.popleft()
            done.append((item, self._smoothed(box)))
        oldest = min(self._waiting[0][0].time_s if self._waiting else np.inf, now_s)
        while self._boxes and self._boxes[0].time_s < oldest - reach:
            self._boxes.popleft()
        return done

    def _smoothed(self, box: _Box) -> np.ndarray:
        sigma = self._spec.smoothing_s
        near = [other for other in self._boxes if abs(other.time_s - box.time_s) <= REACH * sigma] or [box]
        offsets = np.array([other.time_s - box.time_s for other in near])
        weights = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma > 0 else np.ones(len(near))
        weights /= weights.sum()
        centre = weights @ np.stack([other.centre for other in near])
        side = float(np.exp(weights @ np.log([other.side for other in near])))
        side = float(np.clip(side, box.side / MAX_GROWTH, box.side * MAX_GROWTH))
        drift = np.clip(centre - box.centre, -MAX_DRIFT * box.side, MAX_DRIFT * box.side)
        centre = box.centre + drift
        return np.concatenate([centre - side / 2, centre + side / 2]).astype(np.float32)


def allowed_box(box_px: np.ndarray, spec: CropSpec) -> np.ndarray:
    """(4,) float64 box that contains every crop that smoothing may give a detection."""
    x0, y0, x1, y1 = crop_box(box_px, spec).astype(np.float64)
    half = (MAX_GROWTH / 2 + MAX_DRIFT) * (x1 - x0)
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    return np.array([centre_x - half, centre_y - half, centre_x + half, centre_y + half])
