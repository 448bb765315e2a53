"""Faces of inputs, read: photos, videos and stores to a stream of rows, each with its face in its canonical window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from threading import local
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.errors import FabnetError, first_line
from fabnet.faces.detect.detection import Detector
from fabnet.faces.detect.load import load_detector
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.files.limits import read_bytes
from fabnet.reading.canonical import Eyes
from fabnet.reading.inputs import NO_FACE, Failure, Input, Remark, picture, store_rows
from fabnet.reading.options import ReadOptions
from fabnet.reading.photo_faces import faces_of_photo
from fabnet.runtime.threads import batched, in_threads

if TYPE_CHECKING:
    from fabnet.reading.read_video import ReadFrame

__all__ = ["ReadingRow", "read_faces", "rows_of_frame"]

STORE_ROWS_AT_ONCE = 64


class ReadingRow(NamedTuple):
    """A row to come.

    Attributes:
        row: `source`, `person` (a store's identity), `track`, `frame`, `time_s`, `score`, `box_px`, `reason`.
        seen: what the encoder saw of the face, of one face; None without a face.
    """

    row: dict[str, Any]
    seen: EncodedFaces | None


def read_faces(inputs: Sequence[Input], eyes: Eyes, options: ReadOptions) -> Iterator[ReadingRow | Failure | Remark]:
    """Read the faces of inputs, in their order; memory does not grow with the length of a video or store.

    Photos are read on all cores, one in each thread; so are the pieces of a video and the rows of a store.
    """
    if any(each.kind == "video" for each in inputs):
        # An unknown one fails here, not in each video.
        load_detector(options.detector, min_face_px=options.min_face, device=options.device)
    photos: list[Input] = []
    own = local()
    for each in inputs:
        if each.kind == "image":
            photos.append(each)
            continue
        yield from _of_photos(photos, eyes, options, own)
        photos = []
        try:
            if each.kind == "video":
                yield from _of_video(each, eyes, options)
            else:
                yield from _of_store(each, eyes, options)
        except FabnetError as error:
            yield Failure(each.name, str(error))
        except OSError as error:
            yield Failure(each.name, f"cannot be read ({error.strerror or first_line(error)})")
    yield from _of_photos(photos, eyes, options, own)


def _of_photos(photos: Sequence[Input], eyes: Eyes, options: ReadOptions, own: local) -> Iterator[ReadingRow | Failure]:
    read = partial(_of_photo, eyes=eyes, options=options, own=own)
    for found in in_threads(read, photos, workers=options.num_threads):
        yield from found


def _of_photo(each: Input, *, eyes: Eyes, options: ReadOptions, own: local) -> list[ReadingRow | Failure]:
    """The faces of a photo, largest first; called in a thread."""
    try:
        image = picture(read_bytes(each.path), each.name)
    except FabnetError as error:
        return [Failure(each.name, str(error))]
    except OSError as error:
        return [Failure(each.name, f"cannot be read ({error.strerror or first_line(error)})")]
    if not hasattr(own, "photos"):
        own.photos = load_photo_detector(
            options.detector,
            min_face_px=options.min_face,
            only_largest=options.faces == "largest",
            device=options.device,
        )
    found = faces_of_photo(image, eyes, own.photos, most=1 if options.faces == "largest" else None)
    if found is None:
        return [ReadingRow(_row(each.name, reason=NO_FACE), None)]
    return [
        ReadingRow(
            _row(each.name, track=str(index), score=score, box_px=found.boxes_px[index]),
            found.seen.at(slice(index, index + 1)),
        )
        for index, score in enumerate(found.scores)
    ]


def _of_video(each: Input, eyes: Eyes, options: ReadOptions) -> Iterator[ReadingRow | Failure | Remark]:
    from fabnet.reading.read_video import VideoFaces, read_video  # imports PyAV, which photos do not need

    own = local()

    def detector() -> Detector:
        if not hasattr(own, "detector"):
            own.detector = load_detector(options.detector, min_face_px=options.min_face, device=options.device)
        return own.detector  # type: ignore[no-any-return]

    counts = VideoFaces()
    for frame in read_video(
        each.path, eyes, detector, fps=options.rate, search_every_s=options.search_every, counts=counts,
        num_threads=options.num_threads,
    ):  # fmt: skip
        yield from rows_of_frame(each.name, frame, eyes, faces=options.faces)
    yield from (Remark(each.name, note) for note in counts.notes)
    if counts.warning is not None:
        yield Failure(each.name, counts.warning)


def rows_of_frame(name: str, frame: ReadFrame, eyes: Eyes, *, faces: Literal["largest", "all"]) -> Iterator[ReadingRow]:
    """The rows of a frame of a video: one per face, or one with the reason why there is none.

    Args:
        name: of the video.
        frame: the frame.
        eyes: what read it.
        faces: the largest face, or all.
    """
    values = {"frame": frame.number, "time_s": frame.time_s}
    seen = frame.faces.seen
    boxes = eyes.face_boxes(seen.boxes_px, seen.turns_deg)
    indices = list(range(len(frame.tracks)))
    if faces == "largest":
        indices = sorted(indices, key=lambda index: float(boxes[index, 0] - boxes[index, 2]))[:1]
    if not indices:
        yield ReadingRow(_row(name, reason=frame.reason, **values), None)
    for index in indices:
        found = {"track": str(frame.tracks[index]), "score": frame.scores[index], "box_px": boxes[index]}
        yield ReadingRow(_row(name, **values, **found), seen.at(slice(index, index + 1)))


def _of_store(each: Input, eyes: Eyes, options: ReadOptions) -> Iterator[ReadingRow | Failure]:
    """The crops of a store; a face is read where it lies in its crop, and its box is in the frame's pixels."""

    def read(rows: list[dict[str, Any]]) -> list[ReadingRow | Failure]:
        made: list[ReadingRow | Failure] = []
        images, kept = [], []
        for row in rows:
            data, name = row.pop("image"), f"{row['video']}/{row['track']}/{row['frame']}"
            try:
                images.append(picture(data, name))
                kept.append(row)
            except FabnetError as error:
                made.append(Failure(name, str(error)))
        if not kept:
            return made
        whole = np.array([[0, 0, image.shape[1], image.shape[0]] for image in images], np.float32)
        squares = [
            box if row["crop_box_px"] is None else row["crop_box_px"] for row, box in zip(kept, whole, strict=True)
        ]
        seen = eyes.in_crops(images, np.array(squares, np.float32))
        boxes = eyes.face_boxes(seen.boxes_px, seen.turns_deg)
        for index, row in enumerate(kept):
            names = {name: row[name] for name in ("track", "frame", "time_s", "score")}
            own = {"source": row["video"], "person": row["identity"]}
            made.append(
                ReadingRow(_row(each.name, box_px=boxes[index], **names) | own, seen.at(slice(index, index + 1)))
            )
        return made

    for made in in_threads(read, batched(store_rows(each), STORE_ROWS_AT_ONCE), workers=options.num_threads):
        yield from made


def _row(name: str, **values: Any) -> dict[str, Any]:
    empty = {"person": None, "track": "0", "frame": 0, "time_s": None, "score": None, "box_px": None, "reason": ""}
    return {"source": name} | empty | values
