"""The faces of a video, frame by frame: decoded, followed and embedded on all cores at once, then linked in order.

The video is cut into pieces of about a second. Each is read by itself (`follow`), in a thread; a piece ends at a fixed
time or amount of memory, whatever the number of cores, so the result is the same on one core and on many. Then shots
are found, and the faces of neighbouring pieces are linked by where they are and what they look like, as `track` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition
from typing import NamedTuple

import cv2
import numpy as np

from fabnet.errors import VideoError
from fabnet.faces.detect.detection import Detection, Detector
from fabnet.reading.canonical import Eyes, Picture, Settled, part_of
from fabnet.reading.follow import FollowedFrame, PieceFrame, follow_piece
from fabnet.reading.inputs import NO_FACE
from fabnet.runtime.threads import in_threads
from fabnet.video.appearance import describe
from fabnet.video.decode import DecodedFrame, Ticks, decode_frames
from fabnet.video.link import Linker
from fabnet.video.shots import ShotDetector

__all__ = ["NEIGHBOUR_SIMILARITY", "ReadFrame", "VideoFaces", "describe_faces", "read_video"]

FOLLOW_FPS = 12.0
"""Frames per second on which faces are followed, if fewer are kept."""
LINK_EVERY_S = 0.4
"""Longest time between frames on which it is checked that a followed face still looks the same, if frames lie closer;
with several faces, which may pass each other, this is checked on every frame. It is below the linker's `ADJACENT_S`,
beyond which a face that has turned meanwhile begins another track."""
OTHER_FACE = 0.8
"""Correlation of the middles of a face's windows on neighbouring frames below which it is checked at once whether it
looks the same. It was lower in 1.1 % of 1,638 pairs of frames of one person, and in all 3,520 pairs of different
people."""
GLANCE = 32
"""Side in pixels at which windows are correlated, in grey."""
NEIGHBOUR_SIMILARITY = 0.64
"""Similarity (`appearance`) that a face needs to be the one of the frame before. Between neighbouring frames, it was
0.65 or more for one person (3,444 pairs), and 0.63 or less for 99 % of different people."""
MAX_PIECE_BYTES = 48 * 2**20
"""Size of the decoded pictures of a piece beyond which it ends."""
MAX_WAITING_BYTES = 128 * 2**20
"""Size of the decoded pictures that wait to be read, beyond which no further piece is begun, however many cores there
are."""
DISSOLVES = "the picture fades or dissolves"


class ReadFrame(NamedTuple):
    """The faces of a frame that is kept.

    Attributes:
        number: its number in the video, from 0.
        time_s: its time in seconds.
        tracks: number of the track of each face, from 0.
        scores: score with which the detector found each face, last.
        faces: N faces in their canonical windows.
        reason: why there is no face; empty where there is one.
    """

    number: int
    time_s: float
    tracks: tuple[int, ...]
    scores: tuple[float, ...]
    faces: Settled
    reason: str


@dataclass(slots=True)
class VideoFaces:
    """Counts of `read_video`, updated while it runs."""

    frames_decoded: int = 0
    """Number of frames decoded."""
    frames_searched: int = 0
    """Number of frames that the detector searched."""
    looks: int = 0
    """Number of windows embedded."""
    warning: str | None = None
    """Error that ended decoding after at least one frame; None if there was none."""
    notes: list[str] = field(default_factory=list)
    """Which of several streams was read, and where the clock jumps or pauses."""


@dataclass(slots=True, eq=False)
class _Frame:
    """A frame on its way from decoding to linking."""

    index: int
    time_s: float
    is_kept: bool
    glance: np.ndarray
    size: tuple[int, int]
    picture: DecodedFrame | None
    numbers: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    faces: Settled | None = None
    descriptors: list[np.ndarray] | None = None
    """Each face's result of `describe`; None on frames where this is not asked for."""
    points5_px: np.ndarray = field(default_factory=lambda: np.zeros((0, 5, 2), np.float32))
    """Five points of each of these faces."""


class _Piece(NamedTuple):
    """Frames that are read together, and the size of their pictures."""

    frames: list[_Frame]
    num_bytes: int


class _Room:
    """Bounds the size of the pictures that wait to be read.

    Args:
        most: the bound in bytes; a larger piece is admitted alone.
    """

    def __init__(self, most: int) -> None:
        self._most, self._used, self._changed = most, 0, Condition()

    def admitted(self, pieces: Iterable[_Piece]) -> Iterator[_Piece]:
        """Pieces, each as soon as there is room for it."""
        for piece in pieces:
            with self._changed:
                while self._used and self._used + piece.num_bytes > self._most:
                    self._changed.wait()
                self._used += piece.num_bytes
            yield piece

    def give_back(self, num_bytes: int) -> None:
        """Make room when a piece has been read."""
        with self._changed:
            self._used -= num_bytes
            self._changed.notify()


def read_video(
    path: Path,
    eyes: Eyes,
    make_detector: Callable[[], Detector],
    *,
    fps: float | None,
    search_every_s: float,
    counts: VideoFaces,
    num_threads: int | None = None,
) -> Iterator[ReadFrame]:
    """Read the faces of a video; memory does not grow with its length.

    Args:
        path: the file.
        eyes: the encoder and its face reader.
        make_detector: gives the detector of a thread.
        fps: frames kept per second; None: all.
        search_every_s: time after which the detector looks for new faces.
        counts: updated while running; a truncated or corrupt file gives the frames up to the error and sets `warning`.
        num_threads: threads beside the one that decodes; None: one per core.

    Yields:
        The frames that are kept, in order.

    Raises:
        VideoError: the file does not exist, has no video, or no frame can be decoded.
    """

    room = _Room(MAX_WAITING_BYTES)

    def read(piece: _Piece) -> tuple[list[_Frame], int, int]:
        try:
            return _read_piece(piece.frames, eyes, make_detector())
        finally:
            room.give_back(piece.num_bytes)

    shots, linking = ShotDetector(), _Linking(eyes)
    waiting: deque[_Frame] = deque()
    pieces = room.admitted(_pieces(path, fps, search_every_s, counts))
    for piece, looks, searched in in_threads(read, pieces, workers=num_threads, ahead=1):
        counts.looks, counts.frames_searched = counts.looks + looks, counts.frames_searched + searched
        for index, frame in enumerate(piece):
            waiting.append(frame)
            if index == 0:
                linking.starts.add(frame.index)
            decided = shots.push(frame.index, frame.time_s, frame.glance, frame.size)
            yield from linking.linked(waiting, decided)
    yield from linking.linked(waiting, shots.finish())


def _pieces(path: Path, fps: float | None, search_every_s: float, counts: VideoFaces) -> Iterator[_Piece]:
    """The frames to read, in pieces."""
    kept, follow, starts = Ticks(fps), Ticks(FOLLOW_FPS), Ticks(1 / search_every_s)
    piece: list[_Frame] = []
    num_bytes = 0
    frames = decode_frames(path, notes=counts.notes)
    while True:
        try:
            picture = next(frames, None)
        except VideoError as error:
            if counts.frames_decoded == 0:
                raise
            counts.warning, picture = str(error), None
        if picture is None:
            break
        counts.frames_decoded += 1
        is_kept, is_followed, is_start = (each.meets(picture.time_s) for each in (kept, follow, starts))
        if piece and (is_start or num_bytes > MAX_PIECE_BYTES):
            yield _Piece(piece, num_bytes)
            piece, num_bytes = [], 0
        if is_kept or is_followed:
            glance = picture.thumbnail()
            piece.append(_Frame(picture.index, picture.time_s, is_kept, glance, picture.size, picture))
            num_bytes += picture.num_bytes
    if piece:
        yield _Piece(piece, num_bytes)


def _read_piece(piece: list[_Frame], eyes: Eyes, detector: Detector) -> tuple[list[_Frame], int, int]:
    """Follow the faces of a piece; called in a thread.

    Returns:
        The frames, the number of windows embedded, and the number of frames searched.
    """
    looks, searched, has_several = 0, 0, False
    described: set[int] = set()
    described_s = -np.inf
    later_s = [*(frame.time_s for frame in piece[1:]), np.inf]
    before: tuple[_Frame, FollowedFrame] | None = None
    glances: dict[int, np.ndarray] = {}
    for index, (frame, found) in enumerate(zip(piece, follow_piece(_shown(piece), eyes, detector), strict=True)):
        frame.numbers, frame.scores, frame.faces = found.numbers, found.scores, found.faces
        looks, searched = looks + found.faces.num_looks, searched + found.is_searched
        is_new = not described.issuperset(found.numbers)
        has_several |= len(found.numbers) > 1
        last, glances = glances, {} if has_several else dict(zip(found.numbers, _glances(found, eyes), strict=True))
        has_changed = any(float(last[face] @ glances[face]) < OTHER_FACE for face in glances.keys() & last.keys())
        if has_changed and before is not None and before[0].descriptors is None:
            _add_descriptors(*before, eyes)
        is_due = later_s[index] > described_s + LINK_EVERY_S
        if is_due or is_new or has_several or has_changed:
            described_s = frame.time_s
            described.update(found.numbers)
            _add_descriptors(frame, found, eyes)
        before = frame, found
    return piece, looks, searched


def _glances(found: FollowedFrame, eyes: Eyes) -> Iterator[np.ndarray]:
    """The middle of each face's window as (GLANCE * GLANCE,) float32 of norm 1, to correlate."""
    size = eyes.encoder.card.size
    edge = round(size * (1 - eyes.middle) / 2)
    for view in found.faces.views:
        middle = cv2.cvtColor(view[edge : size - edge, edge : size - edge], cv2.COLOR_RGB2GRAY)
        small = cv2.resize(middle, (GLANCE, GLANCE), interpolation=cv2.INTER_AREA)
        grey = small.astype(np.float32).ravel()
        grey -= grey.mean()
        yield grey / max(float(np.sqrt(grey @ grey)), 1e-6)


def _add_descriptors(frame: _Frame, found: FollowedFrame, eyes: Eyes) -> None:
    frame.points5_px, frame.descriptors = describe_faces(found, eyes)


def describe_faces(found: FollowedFrame, eyes: Eyes) -> tuple[np.ndarray, list[np.ndarray]]:
    """Describe the appearance of a frame's faces, for a `Linker`.

    Args:
        found: the frame and its N faces, one or more.
        eyes: the encoder and its face reader.

    Returns:
        (N, 5, 2) float32 points in pixels of the frame, and N results of `describe`.
    """
    seen = found.faces.seen
    points = eyes.reader.points5(eyes.reader.outputs(seen.embeddings), seen)
    return points, [_describe_face(found.image, *each) for each in zip(found.faces.next_px, points, strict=True)]


def _shown(piece: list[_Frame]) -> Iterator[PieceFrame]:
    """The pictures of a piece, each let go when it has been read."""
    for frame in piece:
        assert frame.picture is not None
        picture, frame.picture = frame.picture, None
        yield PieceFrame(frame.index, frame.time_s, picture, frame.glance)


def _describe_face(image: Picture, box_px: np.ndarray, points5_px: np.ndarray) -> np.ndarray:
    """The result of `describe` for a face; twice its window holds what that function needs."""
    reach = (box_px[2:] - box_px[:2]) / 2
    left, top, part = part_of(image, np.concatenate([box_px[:2] - reach, box_px[2:] + reach]))
    return describe(part, points5_px - np.array([left, top], np.float32))


class _Linking:
    """Gives the faces of frames, in order, the numbers of their tracks."""

    def __init__(self, eyes: Eyes) -> None:
        self.starts: set[int] = set()
        """Numbers of the frames with which a piece begins."""
        self._linker, self._eyes = Linker(NEIGHBOUR_SIMILARITY), eyes
        self._tracks: dict[int, int | None] = {}
        """Of the piece's faces, the number that the linker gave them last; without those that it has not seen since the
        picture last faded or dissolved."""
        self._open: list[tuple[_Frame, int | None]] = []
        """Frames with faces that the linker has not seen, and their shots."""
        self._numbers: dict[int, int] = {}
        """The linker's numbers to those of the tracks, in the order in which they are yielded."""

    def linked(self, waiting: deque[_Frame], decided: list[tuple[int, int | None]]) -> Iterator[ReadFrame]:
        """Link the frames whose shot is known, and yield those that are kept."""
        for index, shot in decided:
            frame = waiting.popleft()
            if index in self.starts:
                self.starts.discard(index)
                self._tracks = {}
            yield from self._link(frame, shot)

    def _link(self, frame: _Frame, shot: int | None) -> Iterator[ReadFrame]:
        assert frame.faces is not None
        if shot is None:
            self._tracks = {}
        if frame.descriptors is not None or shot is None:
            boxes = self._eyes.face_boxes(frame.faces.next_px, frame.faces.next_turns_deg)
            seen = [] if frame.descriptors is None else zip(boxes, frame.points5_px, frame.scores, strict=True)
            found = self._linker.push(frame.time_s, shot, [Detection(*each) for each in seen], frame.descriptors or [])
            if shot is not None:
                self._tracks |= dict(zip(frame.numbers, found, strict=True))
        self._open.append((frame, shot))
        if shot is None or self._tracks.keys() >= set(frame.numbers):
            yield from (self._numbered(each, its_shot) for each, its_shot in self._open if each.is_kept)
            self._open = []

    def _numbered(self, frame: _Frame, shot: int | None) -> ReadFrame:
        assert frame.faces is not None
        tracks = [(index, self._tracks.get(number)) for index, number in enumerate(frame.numbers)]
        known = [(index, track) for index, track in tracks if track is not None]
        indices = [index for index, _ in known]
        numbers = tuple(self._numbers.setdefault(track, len(self._numbers)) for _, track in known)
        faces, scores = frame.faces, frame.scores
        if len(indices) < len(scores):
            faces, scores = faces.at(np.array(indices, int)), tuple(scores[index] for index in indices)
        is_between = shot is None or not self._tracks.keys() >= set(frame.numbers)
        reason = "" if indices else DISSOLVES if is_between else NO_FACE
        return ReadFrame(frame.index, frame.time_s, numbers, scores, faces, reason)
