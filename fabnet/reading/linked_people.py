"""Links the tracks of one person by a face-recognition model, when all rows have been read.

The rows say in which frames a track's face is in range. A few of these frames are looked up again in the inputs, their
faces are embedded, and tracks are joined by average linkage of their median embeddings. Tracks that are visible at the
same time are never joined.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from fabnet.encoders.recogniser import Recogniser
from fabnet.errors import FabnetError, MissingDependencyError
from fabnet.faces.crop import CropSpec, crop_box, cut
from fabnet.faces.landmarks import five_of_68
from fabnet.files.limits import read_bytes
from fabnet.files.output import output_errors
from fabnet.reading.inputs import Input, picture, store_rows

__all__ = ["LinkedPeople", "PeopleLinker", "groups", "spooled", "with_people"]

FACES = 3
"""Number of faces of a track that are embedded: the least turned one of a second, of the seconds where it is least."""
MIN_FRAMES = 3
"""Number of frames in range below which a track of a video is too short."""
MAX_TRACKS = 5000
"""Number of tracks beyond which the others stay alone; the distances of 5,000 take 200 MB."""
CROP_SIZE = 256
BATCH = 16
FAR = 1e9
"""Distance of two tracks that are visible at the same time: no mean that contains it is below a threshold."""

Track = tuple[str, str]
"""Source and track."""


@dataclass(frozen=True)
class LinkedPeople:
    """How tracks became people."""

    model: str
    """The face-recognition model."""
    digest: str
    """Its digest."""
    distance: float
    """Mean cosine distance up to which tracks are one person."""
    tracks: int
    """Number of tracks."""
    people: int
    """Number of people, with the tracks that stay alone."""
    alone: dict[str, str]
    """Tracks that could not be compared and stay alone, as SOURCE/TRACK, each with the reason."""

    def line(self) -> str:
        """What happened, in a line."""
        tracks = f"{self.tracks:,} {'track' if self.tracks == 1 else 'tracks'}"
        people = f"{self.people:,} {'person' if self.people == 1 else 'people'}"
        said = f"{tracks} became {people} ({self.model}, distance {self.distance:g})"
        if not self.alone:
            return said
        reasons = list(self.alone.values())
        counts = ", ".join(f"{reasons.count(reason):,} {reason}" for reason in dict.fromkeys(reasons))
        return f"{said}; not compared: {counts}"


class _Look(NamedTuple):
    """A face to look up again."""

    turn: float
    frame: int
    box_px: np.ndarray
    points_px: np.ndarray


@dataclass(slots=True, eq=False)
class _TrackSummary:
    """What the rows say about a track."""

    first: int
    last: int
    is_timed: bool
    count: int = 0
    best: dict[int, _Look] = field(default_factory=dict)


class PeopleLinker:
    """Links tracks after their rows have been read.

    Args:
        recogniser: the face-recognition model.
        distance: cosine distance up to which tracks are one person.

    Raises:
        MissingDependencyError: SciPy is not installed.
    """

    def __init__(self, recogniser: Recogniser, distance: float) -> None:
        try:
            import scipy.cluster.hierarchy  # noqa: F401
        except ImportError:
            raise MissingDependencyError(
                f"--people {recogniser.name} needs SciPy: pip install 'fabnet[people]'"
            ) from None
        self._recogniser, self._distance = recogniser, distance
        self._summaries: dict[Track, _TrackSummary] = {}

    def see(self, rows: Sequence[Mapping[str, Any]], attributes: Mapping[str, np.ndarray]) -> None:
        """Take note of rows with a face.

        Args:
            rows: N rows, each with `source`, `track`, `frame`, `time_s` and `box_px`.
            attributes: their N attributes.
        """
        turns = np.hypot(attributes["pose_yaw_deg"], attributes["pose_pitch_deg"])
        points = np.asarray(attributes["landmarks68_px"]).reshape(-1, 68, 2)
        for index, row in enumerate(rows):
            frame, time_s = row["frame"], row["time_s"]
            summary = self._summaries.setdefault(
                (row["source"], row["track"]), _TrackSummary(frame, frame, is_timed=time_s is not None)
            )
            summary.first, summary.last = min(summary.first, frame), max(summary.last, frame)
            if not attributes["in_range"][index]:
                continue
            summary.count += 1
            second = frame if time_s is None else int(time_s)
            if second not in summary.best or turns[index] < summary.best[second].turn:
                summary.best[second] = _Look(float(turns[index]), frame, row["box_px"], five_of_68(points[index]))

    def link(self, inputs: Sequence[Input]) -> tuple[dict[Track, str], LinkedPeople]:
        """Look up faces of each track again, and link the tracks.

        Args:
            inputs: where the rows came from.

        Returns:
            The person of each track, named after the person's first track; and what happened.
        """
        alone: dict[Track, str] = {}
        looks: dict[Track, list[_Look]] = {}
        for track, summary in self._summaries.items():
            if not summary.count:
                alone[track] = "never in range"
            elif summary.is_timed and summary.count < MIN_FRAMES:
                alone[track] = f"in range in fewer than {MIN_FRAMES} frames"
            elif len(looks) == MAX_TRACKS:
                alone[track] = f"beyond the limit of {MAX_TRACKS:,} tracks"
            else:
                looks[track] = sorted(summary.best.values(), key=lambda look: look.turn)[:FACES]
        vectors = self._embedded(looks, inputs)
        alone |= dict.fromkeys(looks.keys() - vectors.keys(), "could not be looked up again")
        compared = [track for track in looks if track in vectors]
        people = {track: f"{track[0]}/{track[1]}" for track in self._summaries}
        labels = groups(np.array([vectors[track] for track in compared]), self._never(compared), self._distance)
        names: dict[int, str] = {}
        for track, label in zip(compared, labels, strict=True):
            people[track] = names.setdefault(int(label), people[track])
        reasons = {people[track]: alone[track] for track in self._summaries if track in alone}
        about = LinkedPeople(
            self._recogniser.name, self._recogniser.digest, self._distance, len(people), len(set(people.values())),
            reasons,
        )  # fmt: skip
        return people, about

    def _never(self, tracks: Sequence[Track]) -> np.ndarray:
        """(N, N) whether two tracks are of one source and overlap in time."""
        sources = np.unique([source for source, _ in tracks], return_inverse=True)[1].ravel()
        first, last = (
            np.array([getattr(self._summaries[track], name) for track in tracks]) for name in ("first", "last")
        )
        is_later = first[:, None] > last[None]
        return np.asarray((sources[:, None] == sources[None]) & ~is_later & ~is_later.T)

    def _embedded(self, looks: Mapping[Track, Sequence[_Look]], inputs: Sequence[Input]) -> dict[Track, np.ndarray]:
        """The median embedding of each track, of norm 1; without tracks whose faces cannot be looked up."""
        wanted: dict[str, dict[int, list[tuple[str, _Look]]]] = defaultdict(lambda: defaultdict(list))
        for (source, track), chosen in looks.items():
            for look in chosen:
                wanted[source][look.frame].append((track, look))
        found: dict[Track, list[np.ndarray]] = defaultdict(list)
        batch: list[tuple[Track, np.ndarray, np.ndarray]] = []

        def embed() -> None:
            made = self._recogniser.embed([crop for _, crop, _ in batch], np.array([five for *_, five in batch]))
            for (track, _, _), vector in zip(batch, made, strict=True):
                found[track].append(vector / max(float(np.linalg.norm(vector)), 1e-9))
            batch.clear()

        for face in _faces(inputs, wanted):
            batch.append(face)
            if len(batch) == BATCH:
                embed()
        if batch:
            embed()
        return {track: np.median(vectors, axis=0) for track, vectors in found.items()}


def groups(vectors: np.ndarray, never: np.ndarray, distance: float) -> np.ndarray:
    """Group vectors by average linkage.

    Args:
        vectors: (N, D) vectors.
        never: (N, N) symmetric: pairs that may not be in one group; the diagonal is ignored.
        distance: mean cosine distance up to which two groups are joined.

    Returns:
        (N,) number of each vector's group.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist, squareform

    if len(vectors) < 2:
        return np.arange(len(vectors))
    apart = pdist(vectors, "cosine")
    apart[squareform(never & ~np.eye(len(never), dtype=bool))] = FAR
    return np.asarray(fcluster(linkage(apart, "average"), distance, "distance"))


def spooled(batches: Iterable[pa.RecordBatch], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Write batches to a temporary file at once, and return what reads them again.

    Raises:
        OutputError: the disk of temporary files is full.
    """
    with ExitStack() as opened:
        file = opened.enter_context(tempfile.TemporaryFile())
        writer = opened.enter_context(ipc.new_stream(file, columns))
        for batch in batches:
            with output_errors(Path(tempfile.gettempdir())):
                writer.write_batch(batch)
        writer.close()
        file.seek(0)
        kept = opened.pop_all()

    def read_again() -> Iterator[pa.RecordBatch]:
        with kept, ipc.open_stream(file) as reader:
            yield from reader

    return read_again()


def with_people(batch: pa.RecordBatch, people: Mapping[Track, str]) -> pa.RecordBatch:
    """The batch with the people of its tracks."""
    tracks = zip(batch.column("source").to_pylist(), batch.column("track").to_pylist(), strict=True)
    index = batch.schema.get_field_index("person")
    return batch.set_column(index, batch.schema.field(index), pa.array(map(people.get, tracks), pa.string()))


Wanted = Mapping[str, Mapping[int, Sequence[tuple[str, _Look]]]]


class _Picture(NamedTuple):
    """A picture that shows wanted faces: a whole frame, or the crop of one track."""

    source: str
    frame: int
    image: np.ndarray
    track: str | None = None
    left_top: np.ndarray | None = None
    scale: float = 1.0


def _faces(inputs: Sequence[Input], wanted: Wanted) -> Iterator[tuple[Track, np.ndarray, np.ndarray]]:
    """Track, default crop and five points in it of each face that is wanted; without those of unreadable inputs."""
    for each in inputs:
        try:
            for shown in _pictures(each, wanted):
                left_top = np.zeros(2) if shown.left_top is None else shown.left_top
                for track, look in wanted[shown.source][shown.frame]:
                    if shown.track not in (None, track):
                        continue
                    square = crop_box((look.box_px - np.tile(left_top, 2)) * shown.scale, CropSpec())
                    points = (look.points_px - left_top) * shown.scale - square[:2]
                    crop = cut(shown.image, square, CROP_SIZE)
                    yield (shown.source, track), crop, points * CROP_SIZE / (square[2] - square[0])
        except (FabnetError, OSError):
            continue  # its tracks are reported as not looked up


def _pictures(each: Input, wanted: Wanted) -> Iterator[_Picture]:
    if each.kind == "store":
        for row in store_rows(each):
            source, frame, track, box = row["video"], row["frame"], row["track"], row["crop_box_px"]
            if any(track == other for other, _ in wanted.get(source, {}).get(frame, ())):
                image = picture(row["image"], source)
                if box is None:
                    yield _Picture(source, frame, image, track)
                else:
                    yield _Picture(source, frame, image, track, np.array(box[:2]), image.shape[1] / (box[2] - box[0]))
        return
    frames = wanted.get(each.name, {})
    if not frames:
        return
    if each.kind == "image":
        yield _Picture(each.name, 0, picture(read_bytes(each.path), each.name))
        return
    from fabnet.video.decode import decode_frames  # imports PyAV, which photos do not need

    last = max(frames)
    for frame in decode_frames(each.path):
        if frame.index in frames:
            yield _Picture(each.name, frame.index, frame.image())
        if frame.index == last:
            return
