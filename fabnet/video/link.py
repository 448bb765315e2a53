"""Links detections over time into tracks.

A false split only shortens a track, but a wrong join corrupts training, so tracks end when in doubt:

- A track never continues into another shot.
- A detection continues a track only if it is near the face's last position, has about its size, and looks as it did in
  the last 1.5 seconds. A face that moved little may change more in appearance than one that jumped.
- If another face is near, the appearance must fit better, and better than any other pairing of the nearby faces.
- If two pairings fit about equally well, the tracks concerned end and new ones begin.
- A face missed for up to a second continues its track only near its last position and only if it looks much the same.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fabnet.faces.detect.detection import Detection
from fabnet.video.appearance import similarity

__all__ = ["MAX_GAP_S", "Linker"]

MAX_GAP_S = 1.05
ADJACENT_S = 0.45
NEIGHBOUR_S = 0.1
MEMORY_S = 1.5
MIN_START_SCORE = 0.85
STILL_DISTANCE = 0.2
STILL_RATIO = 1.12
CALM_DISTANCE = 0.35
CALM_RATIO = 1.25
MAX_DISTANCE = 0.9
MAX_RATIO = 1.4
MAX_GAP_DISTANCE = 0.6
STILL_SIMILARITY = 0.36
CALM_SIMILARITY = 0.5
MOVED_SIMILARITY = 0.56
GAP_SIMILARITY = 0.72
CONTESTED_SIMILARITY = 0.7
CONTESTED_GAP_SIMILARITY = 0.82
CONTESTED_DISTANCE = 1.3
MARGIN = 0.12
"""Distances are in face sides (the geometric mean of a box's width and height)."""


@dataclass(slots=True, eq=False)
class _Track:
    number: int
    shot: int
    time_s: float
    centre: np.ndarray
    side: float
    speed: np.ndarray
    descriptors: deque[tuple[float, np.ndarray]] = field(default_factory=deque)

    def expected(self, time_s: float) -> np.ndarray:
        return self.centre + self.speed * min(time_s - self.time_s, ADJACENT_S)

    def see(self, time_s: float, centre: np.ndarray, side: float, descriptor: np.ndarray) -> None:
        self.speed = (centre - self.centre) / max(time_s - self.time_s, 1e-3)
        self.time_s, self.centre, self.side = time_s, centre, side
        self.descriptors.append((time_s, descriptor))
        while len(self.descriptors) > 1 and self.descriptors[0][0] < time_s - MEMORY_S:
            self.descriptors.popleft()


class Linker:
    """Assigns track numbers to detections, frame by frame, without look-ahead.

    Args:
        neighbour_similarity: similarity that a detection needs at the least to continue a track that was seen at most
            0.1 s before, where the points of faces are steady enough for that.
    """

    def __init__(self, neighbour_similarity: float = 0.0) -> None:
        self._neighbour_similarity = neighbour_similarity
        self._tracks: list[_Track] = []
        self._next_number = 0

    @property
    def open_tracks(self) -> frozenset[int]:
        """Numbers of the tracks that a later detection may still join."""
        return frozenset(track.number for track in self._tracks)

    def push(
        self, time_s: float, shot: int | None, detections: Sequence[Detection], descriptors: Sequence[np.ndarray]
    ) -> list[int | None]:
        """Link the detections of the next frame.

        Args:
            time_s: the frame's time; non-decreasing.
            shot: the frame's shot; None: within a fade or dissolve, where every track ends and none begins.
            detections: its faces.
            descriptors: each face's result of `describe`.

        Returns:
            The track number of each detection; None for one that belongs to no track. A frame has at most one detection
            per track.
        """
        self._tracks = [track for track in self._tracks if track.shot == shot and time_s - track.time_s <= MAX_GAP_S]
        if shot is None:
            return [None] * len(detections)
        centres = [(face.box_px[:2] + face.box_px[2:]) / 2 for face in detections]
        sides = [_side(face.box_px) for face in detections]
        pairs, ended = self._pairs(time_s, centres, sides, descriptors)
        numbers: list[int | None] = []
        for index, face in enumerate(detections):
            seen = (centres[index], sides[index])
            if index in pairs:
                track = pairs[index]
                track.see(time_s, *seen, descriptors[index])
                numbers.append(track.number)
            elif face.score >= MIN_START_SCORE:
                numbers.append(self._start(time_s, shot, *seen, descriptors[index]))
            else:
                numbers.append(None)
        self._tracks = [track for track in self._tracks if track.number not in ended]
        return numbers

    def _start(self, time_s: float, shot: int, centre: np.ndarray, side: float, descriptor: np.ndarray) -> int:
        track = _Track(self._next_number, shot, time_s, centre, side, np.zeros(2), deque([(time_s, descriptor)]))
        self._next_number += 1
        self._tracks.append(track)
        return track.number

    def _pairs(
        self, time_s: float, centres: list[np.ndarray], sides: list[float], descriptors: Sequence[np.ndarray]
    ) -> tuple[dict[int, _Track], set[int]]:
        """The track that each detection continues, by index, and the numbers of the tracks that end in doubt."""
        shape = (len(self._tracks), len(centres))
        fit, distance, needed = np.full(shape, -1.0), np.full(shape, np.inf), np.full(shape, np.inf)
        for row, track in enumerate(self._tracks):
            for column, (centre, side) in enumerate(zip(centres, sides, strict=True)):
                distance[row, column] = _distance(track, time_s, centre, side)
                if distance[row, column] > CONTESTED_DISTANCE:
                    continue
                fit[row, column] = max(similarity(descriptors[column], seen) for _, seen in track.descriptors)
                is_contested = self._is_contested(time_s, row, column, centres, sides)
                needed[row, column] = _needed(
                    time_s - track.time_s, distance[row, column], _ratio(track.side, side), is_contested
                )
                if time_s - track.time_s <= NEIGHBOUR_S:
                    needed[row, column] = max(needed[row, column], self._neighbour_similarity)
        fits = fit >= needed
        pairs: dict[int, _Track] = {}
        ended: set[int] = set()
        for row, column in zip(*np.nonzero(fits), strict=True):
            rivals = _rivals(fit, distance, row, column)
            if (fit[row, column] < rivals + MARGIN).any():
                if fit[row, column] >= rivals.max():
                    ended.add(self._tracks[row].number)
                continue
            pairs[int(column)] = self._tracks[row]
        return pairs, ended

    def _is_contested(
        self, time_s: float, row: int, column: int, centres: list[np.ndarray], sides: list[float]
    ) -> bool:
        """Whether another face, seen now or up to `MAX_GAP_S` ago, is near this detection."""
        here, reach = centres[column], CONTESTED_DISTANCE * sides[column]
        near = [other for index, other in enumerate(centres) if index != column]
        near += [track.expected(time_s) for index, track in enumerate(self._tracks) if index != row]
        return any(float(np.linalg.norm(other - here)) < reach for other in near)


def _rivals(fit: np.ndarray, distance: np.ndarray, row: int, column: int) -> np.ndarray:
    """Fits of the other pairings of this track and of this detection; clearly more distant ones do not count."""
    others = np.concatenate([np.delete(fit[:, column], row), np.delete(fit[row], column)])
    away = np.concatenate([np.delete(distance[:, column], row), np.delete(distance[row], column)])
    is_plain = (distance[row, column] < CALM_DISTANCE) & (away > distance[row, column] + 0.5)
    return np.append(np.where(is_plain, -1.0, others), -1.0)


def _needed(gap_s: float, distance: float, ratio: float, is_contested: bool) -> float:
    """Similarity that a pairing needs; infinite if position or size rule it out."""
    if gap_s > ADJACENT_S:
        if distance > MAX_GAP_DISTANCE or ratio > MAX_RATIO:
            return float("inf")
        return CONTESTED_GAP_SIMILARITY if is_contested else GAP_SIMILARITY
    if distance > MAX_DISTANCE or ratio > MAX_RATIO:
        return float("inf")
    if is_contested:
        return CONTESTED_SIMILARITY
    if distance <= STILL_DISTANCE and ratio <= STILL_RATIO:
        return STILL_SIMILARITY
    return CALM_SIMILARITY if distance <= CALM_DISTANCE and ratio <= CALM_RATIO else MOVED_SIMILARITY


def _distance(track: _Track, time_s: float, centre: np.ndarray, side: float) -> float:
    """Distance in face sides from the face's last or its extrapolated position, whichever is nearer."""
    nearest = min(float(np.linalg.norm(centre - index)) for index in (track.centre, track.expected(time_s)))
    return nearest / math.sqrt(track.side * side)


def _ratio(first: float, second: float) -> float:
    return max(first, second) / min(first, second)


def _side(box_px: np.ndarray) -> float:
    width, height = np.maximum(box_px[2:] - box_px[:2], 1.0)
    return float(np.sqrt(width * height))
