"""Following faces through a piece of video: the window of one frame gives the first window of the next.

A piece is about a second of frames. It begins with the detector, so pieces do not depend on each other and can be read
on several cores, with the same result as on one. Who is who across pieces is decided in `read_video`.

Letters: N faces of a frame.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fabnet.faces.boxes import intersection_over_union
from fabnet.faces.detect.detection import Detection, Detector
from fabnet.faces.detect.turned import search_turned
from fabnet.reading.canonical import Eyes, Picture, Settled, size_of, whole
from fabnet.video.shots import is_jump

__all__ = ["AHEAD", "FollowedFrame", "PieceFrame", "follow_piece"]

TOLERANCE = 0.03
"""Movement of a window below which it stays, in shares of its side: on video, where the frame before gives it."""
MAX_LOOKS = 3
SAME_FACE = 0.25
"""Intersection over union of their middles beyond which a detected and a followed window may show the same face."""
ONE_FACE = 0.5
"""Intersection over union of their middles beyond which two windows show one face: of two followed ones, that with the
lower score ends."""
SEARCH_AGAIN = 5
"""Number of frames after a face was lost on which it is searched for."""
SEARCH_EMPTY = 3
"""Every third frame is searched while there is no face, and after that number of frames until the piece ends."""
DAMPING = 0.7
"""Share of a face's last movement that is expected on the next frame."""
AHEAD = 3
"""Frames on which a lone face is looked at in one call, each where its last movement would put it."""


@dataclass(frozen=True, slots=True, eq=False)
class PieceFrame:
    """A frame to read."""

    index: int
    """Its number in the video, from 0."""
    time_s: float
    """Its time in seconds."""
    image: Picture
    """The frame."""
    glance: np.ndarray
    """From `DecodedFrame.thumbnail`."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowedFrame:
    """The faces of a frame."""

    numbers: tuple[int, ...]
    """Number of each face within its piece."""
    scores: tuple[float, ...]
    """Highest score with which the detector has found each face in this piece."""
    faces: Settled
    """N faces in their canonical windows, in the same order."""
    is_searched: bool
    """Whether the detector searched the whole frame."""
    image: Picture
    """The frame."""


@dataclass(slots=True, eq=False)
class _Face:
    number: int
    score: float
    box_px: np.ndarray
    velocity_px: np.ndarray
    turn_deg: float


def follow_piece(
    frames: Iterable[PieceFrame], eyes: Eyes, detector: Detector, *, ahead: int = AHEAD
) -> Iterator[FollowedFrame]:
    """Find the faces of the first frame, and follow them through the others.

    The whole of a frame is searched where the picture jumps, where a face is lost, and then on every frame for a while
    and on every third until the piece ends. A first frame without a face is also searched for faces that lie on their
    side or upside down.

    Args:
        frames: of a piece, in order; each is drawn when the one before has been read.
        eyes: the encoder and its face reader.
        detector: what finds faces.
        ahead: frames that are drawn before the first of them is yielded; 1 for a camera.

    Yields:
        One for each frame.
    """
    faces: list[_Face] = []
    numbers = itertools.count()
    lost: int | None = None
    source = _with_jumps(frames)
    coming: deque[tuple[PieceFrame, bool]] = deque()
    seen: deque[Settled] = deque()
    for index in itertools.count():
        coming.extend(itertools.islice(source, ahead - len(coming)))
        if not coming:
            return
        frame, has_jumped = coming.popleft()
        if has_jumped:
            faces, lost = [], None
        is_first = not seen
        if is_first:
            has_one = len(faces) == 1 and lost is None  # several may pass each other
            later = [each for each, _ in itertools.takewhile(lambda pair: not pair[1], coming)] if has_one else []
            seen = _seen([frame, *later], faces, eyes)
        settled, kept = _followed(frame, faces, seen.popleft(), eyes)
        if len(kept) < len(faces) and not is_first:  # it may be beside where it was expected: begin at its last place
            seen = _seen([frame], faces, eyes)
            settled, kept = _followed(frame, faces, seen.popleft(), eyes)
        if len(kept) < len(faces):
            lost = index
            seen.clear()
        is_missing = not kept or lost is not None
        is_again = lost is not None and index <= lost + SEARCH_AGAIN
        is_searched = has_jumped or is_again or (is_missing and index % SEARCH_EMPTY == 0)
        if is_searched:
            settled, kept = _added(frame, settled, kept, eyes, detector(whole(frame.image)), numbers)
        if index == 0 and not kept:  # once a piece, because it takes three more searches
            found = search_turned(detector, whole(frame.image))
            settled, kept = _added(frame, settled, kept, eyes, found, numbers)
        for face, box, turn in zip(kept, settled.next_px, settled.next_turns_deg, strict=True):
            face.velocity_px, face.box_px, face.turn_deg = (box - face.box_px) * DAMPING, box, float(turn)
        numbered, scores = tuple(face.number for face in kept), tuple(face.score for face in kept)
        yield FollowedFrame(numbered, scores, settled, is_searched, frame.image)
        faces = kept


def _with_jumps(frames: Iterable[PieceFrame]) -> Iterator[tuple[PieceFrame, bool]]:
    """Frames, each with whether the picture jumps there, as at the first one."""
    before: tuple[tuple[int, int], np.ndarray] | None = None
    for frame in frames:
        size = size_of(frame.image)
        yield frame, before is None or size != before[0] or is_jump(before[1], frame.glance)
        before = size, frame.glance


def _seen(frames: Sequence[PieceFrame], faces: list[_Face], eyes: Eyes) -> deque[Settled]:
    """Where faces are on the next frames, if each moves on as it did; one for each frame."""
    boxes, velocities = np.array([(face.box_px, face.velocity_px) for face in faces]).reshape(-1, 2, 4).swapaxes(0, 1)
    steps = np.cumsum(DAMPING ** np.arange(len(frames)))
    expected = (boxes + steps[:, None, None] * velocities).astype(np.float32).reshape(-1, 4)
    images = [frame.image for frame in frames for _ in faces]
    turns = np.tile([face.turn_deg for face in faces], len(frames))
    settled = eyes.settle(images, expected, turns, tolerance=TOLERANCE, looks=MAX_LOOKS)
    if len(frames) == 1:
        return deque([settled])
    count = len(faces)
    parts = (settled.at(slice(i * count, (i + 1) * count)) for i in range(len(frames)))
    return deque(part._replace(num_looks=settled.num_looks * (i == 0)) for i, part in enumerate(parts))


def _followed(frame: PieceFrame, faces: list[_Face], settled: Settled, eyes: Eyes) -> tuple[Settled, list[_Face]]:
    """The faces of the frame before, where they are now; without those that are not there any more."""
    keep = eyes.reader.is_face(settled.outputs) & _inside(settled.next_px, size_of(frame.image))
    middles = _middles(settled.next_px, eyes)
    for one, other in itertools.combinations(range(len(faces)), 2):
        if keep[one] and keep[other] and intersection_over_union(middles[one], middles[other]) > ONE_FACE:
            keep[one if faces[one].score < faces[other].score else other] = False
    if keep.all():
        return settled, faces
    return settled.at(np.flatnonzero(keep)), [face for face, kept in zip(faces, keep, strict=True) if kept]


def _added(
    frame: PieceFrame, settled: Settled, faces: list[_Face], eyes: Eyes, found: Sequence[Detection],
    numbers: itertools.count[int],
) -> tuple[Settled, list[_Face]]:  # fmt: skip
    """Add the faces that a detector found and that are not followed yet, best score first."""
    windows = eyes.first_windows(found)
    middles = list(_middles(settled.next_px, eyes))
    overlaps = np.array([[intersection_over_union(one, box) for box in middles] for one in _middles(windows, eyes)])
    new = [index for index in range(len(found)) if overlaps[index].max(initial=0.0) <= ONE_FACE]
    for _ in faces:  # each followed face is one detected face: the two that overlap most, first
        if overlaps.max(initial=0.0) <= SAME_FACE:
            break
        index, known = divmod(int(overlaps.argmax()), len(faces))
        faces[known].score = max(faces[known].score, found[index].score)
        overlaps[index], overlaps[:, known] = 0, 0
        new = [each for each in new if each != index]
    if not new:
        return settled, faces
    turns_deg = np.array([found[index].turn_deg for index in new])
    more = eyes.find([frame.image] * len(new), windows[new], turns_deg, tolerance=TOLERANCE)
    are_there = eyes.reader.is_face(more.outputs) & _inside(more.next_px, size_of(frame.image))
    added: list[_Face] = []
    indices: list[int] = []
    for i, (index, middle) in enumerate(zip(new, _middles(more.next_px, eyes), strict=True)):
        if are_there[i] and all(intersection_over_union(middle, other) <= ONE_FACE for other in middles):
            middles.append(middle)
            indices.append(i)
            turn = float(more.next_turns_deg[i])
            added.append(_Face(next(numbers), found[index].score, more.next_px[i], np.zeros(4), turn))
    return settled.joined(more.at(np.array(indices, int))), [*faces, *added]


def _middles(boxes_px: np.ndarray, eyes: Eyes) -> np.ndarray:
    """(N, 4) the middles of windows."""
    centres = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2
    half = (boxes_px[:, 2:] - boxes_px[:, :2]) * (eyes.middle / 2)
    return np.concatenate([centres - half, centres + half], axis=1)


def _inside(boxes_px: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N,) whether the middle of each window lies in a picture of this width and height."""
    middles = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2
    return np.asarray(((middles >= 0) & (middles < size)).all(axis=1))
