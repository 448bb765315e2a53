"""Reads the faces of frames as they come: found, followed and linked as `read` does, one frame at a time."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fabnet.encoders.load_encoder import load_for_reading
from fabnet.faces.detect.detection import Detection
from fabnet.faces.detect.load import load_detector
from fabnet.reading.canonical import Eyes
from fabnet.reading.follow import FollowedFrame, PieceFrame, follow_piece
from fabnet.reading.inputs import NO_FACE
from fabnet.reading.read_batch import about_reading, read_batch
from fabnet.reading.read_rows import rows_of_frame
from fabnet.reading.read_video import NEIGHBOUR_SIMILARITY, ReadFrame, describe_faces
from fabnet.reading.table import schema
from fabnet.video.camera import Captured
from fabnet.video.link import MAX_GAP_S, Linker
from fabnet.video.shots import is_jump
from fabnet.watching.options import LiveOptions

__all__ = ["LiveFrame", "LiveReader", "Now"]


class LiveFrame(NamedTuple):
    """A frame that was read.

    Attributes:
        captured: the frame.
        batch: its rows, as `read` has them.
        delay_s: seconds from its coming until it was read.
    """

    captured: Captured
    batch: pa.RecordBatch
    delay_s: float


class Now(NamedTuple):
    """The state of a reading.

    Attributes:
        name: of the camera.
        frame: the frame that was read last.
        frames_per_s: frames read per second, lately.
        delay_ms: mean time from a frame's coming to its reading, lately.
        frames: number of frames read.
        dropped: number of frames that were not.
    """

    name: str
    frame: LiveFrame
    frames_per_s: float
    delay_ms: float
    frames: int
    dropped: int


class LiveReader:
    """Reads frames as they come.

    Args:
        name: of the camera, for the column `source`.
        options: how to read.

    Raises:
        InputError: the detector is unknown.
        ModelError: the model is missing or corrupt, or carries no face reader.
    """

    def __init__(self, name: str, options: LiveOptions) -> None:
        encoder = load_for_reading(options.model, device=options.device)
        reader = encoder.required_reader()
        self.eyes = Eyes(encoder, reader)
        self.schema = schema(
            reader, embedding_dim=None, about=about_reading(self.eyes, options, options.model, options.detector)
        )
        self._name, self._options = name, options
        self._detector = load_detector(options.detector, min_face_px=options.min_face, device=options.device)
        self._linker = Linker(NEIGHBOUR_SIMILARITY)
        self._tracks: dict[int, int] = {}
        """The linker's numbers to those of the tracks, in the order in which they are seen."""
        self._shot = 0
        self._before: tuple[float, np.ndarray, tuple[int, int]] | None = None
        warm = np.full((encoder.card.size * 2, encoder.card.size * 2, 3), 128, np.uint8)
        self.eyes.look([warm], np.array([[0, 0, *warm.shape[:2]]], np.float32), np.zeros(1))  # the first run is slow
        self._detector(np.full((480, 640, 3), 128, np.uint8))

    def read(self, frames: Iterable[Captured]) -> Iterator[LiveFrame]:
        """Read frames, each before the next is taken.

        The detector looks for new faces every `search_every` seconds, and where the picture jumps or a face is lost.
        """
        source = iter(frames)
        for first in source:
            taken: deque[Captured] = deque()
            piece = self._piece(itertools.chain([first], source), taken)
            for found in follow_piece(piece, self.eyes, self._detector, ahead=1):
                captured = taken.popleft()
                batch = self._rows(captured, found)
                yield LiveFrame(captured, batch, time.monotonic() - captured.came_s)

    def _piece(self, frames: Iterable[Captured], taken: deque[Captured]) -> Iterator[PieceFrame]:
        """Frames up to the time at which the detector looks again."""
        end_s: float | None = None
        for captured in frames:
            frame = captured.frame
            glance = frame.thumbnail()
            if self._before is not None:
                before_s, before, size = self._before
                has_jumped = size != frame.size or is_jump(before, glance)
                self._shot += has_jumped or frame.time_s - before_s > MAX_GAP_S
            self._before = frame.time_s, glance, frame.size
            taken.append(captured)
            end_s = frame.time_s + self._options.search_every if end_s is None else end_s
            yield PieceFrame(frame.index, frame.time_s, frame, glance)
            if frame.time_s >= end_s:
                return

    def _rows(self, captured: Captured, found: FollowedFrame) -> pa.RecordBatch:
        points, descriptors = (
            describe_faces(found, self.eyes) if found.numbers else (np.zeros((0, 5, 2), np.float32), [])
        )
        boxes = self.eyes.face_boxes(found.faces.next_px, found.faces.next_turns_deg)
        detections = [Detection(*each) for each in zip(boxes, points, found.scores, strict=True)]
        linked = self._linker.push(captured.frame.time_s, self._shot, detections, descriptors)
        known = [(index, number) for index, number in enumerate(linked) if number is not None]
        indices = [index for index, _ in known]
        frame = ReadFrame(
            captured.frame.index, captured.frame.time_s,
            tuple(self._tracks.setdefault(number, len(self._tracks)) for _, number in known),
            tuple(found.scores[index] for index in indices), found.faces.at(np.array(indices, int)),
            "" if indices else NO_FACE,
        )  # fmt: skip
        rows = list(rows_of_frame(self._name, frame, self.eyes, faces=self._options.faces))
        return read_batch(rows, self.schema, self.eyes.reader, lambda row: None)[0]
