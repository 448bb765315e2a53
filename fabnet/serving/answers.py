"""What the API answers about an embeddings dataset: its columns, faces and videos.

The strings under the fields are the documentation of `/api/v1/openapi.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "DOCUMENTED",
    "Attribute",
    "Classes",
    "Face",
    "FacePage",
    "Found",
    "PhotoFace",
    "Problem",
    "Timeline",
    "Track",
    "Video",
]

DOCUMENTED = {"use_attribute_docstrings": True}
"""Configuration of pydantic by which the strings under fields are their descriptions."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was refused."""

    __pydantic_config__ = DOCUMENTED

    detail: str
    """One sentence: what is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A number that a probe predicts for each face."""

    __pydantic_config__ = DOCUMENTED

    column: str
    """Name of the column."""
    low: float
    """Smallest value in the dataset."""
    high: float
    """Largest value in the dataset."""
    classes: str | None
    """Column of the classes if the number is the probability of a class; else None."""
    value: str | None
    """That class, or None."""
    half_width: str | None
    """Column of the half-width that holds 90 % of its errors, or None."""
    is_experimental: bool
    """Whether it is hardly reliable."""


@dataclass(frozen=True, slots=True)
class Classes:
    """A class that a probe predicts for each face."""

    __pydantic_config__ = DOCUMENTED

    column: str
    """Name of the column."""
    values: list[str]
    """Classes that occur in the dataset."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face; names that the dataset lacks are "" or None."""

    __pydantic_config__ = DOCUMENTED

    row: int
    """Number of its row."""
    id: str
    """Name of the row: VIDEO/TRACK/FRAME."""
    identity: str
    """Name of the person, as far as the dataset knows."""
    video: str
    """Name of the video or photo."""
    track: str
    """Name of the track in its video."""
    frame: int | None
    """Number of the frame, from 0."""
    time_s: float | None
    """Seconds since the video's first frame."""
    attributes: dict[str, float | str | None]
    """Predicted attributes by column; the units are those of docs/reading.md."""
    similarity: float | None = None
    """Cosine similarity of a neighbour, -1 to 1."""
    count: int | None = None
    """If the face stands for its track, the number of the track's faces that meet the condition."""


@dataclass(frozen=True, slots=True)
class FacePage:
    """A range of the faces that meet a condition."""

    __pydantic_config__ = DOCUMENTED

    total: int
    """Number of all faces that meet the condition, or of their tracks."""
    start: int
    """Index of the first face of the range."""
    faces: list[Face]
    """Faces of the range."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video: its name, and its number of rows with and without a face."""

    __pydantic_config__ = DOCUMENTED

    name: str
    """Name of the video."""
    faces: int
    """Rows with a face."""
    without_face: int
    """Rows without one."""


@dataclass(frozen=True, slots=True)
class Track:
    """A track of a video: its name, and its number of faces."""

    __pydantic_config__ = DOCUMENTED

    name: str
    """Name of the track."""
    faces: int
    """Number of its faces."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A video's rows in the order of time."""

    __pydantic_config__ = DOCUMENTED

    video: str
    """Name of the video."""
    is_frames: bool
    """Whether `times` are not in seconds."""
    rows: list[int | None]
    """Row numbers; None: no face in the frame."""
    times: list[float]
    """Times in seconds; frame numbers if some time is unknown; indices in the video if frames are unknown, too."""
    tracks: list[str]
    """Name of each row's track."""
    attributes: dict[str, list[float | None]]
    """Predicted attributes by column, one value per row."""
    classes: dict[str, list[str]]
    """Predicted classes by column, one per row; empty if unknown."""
    places: list[int]
    """Index of each row among all that were asked about."""
    total: int
    """Number of these; if there are more than `rows`, ask for fewer with `first` and `last` to see each."""
    all_tracks: list[Track]
    """All tracks of the video, those with the most faces first, at most 200."""


@dataclass(frozen=True, slots=True)
class PhotoFace:
    """A face of an uploaded photo: its picture as a data URI, and what is read off it, by column."""

    __pydantic_config__ = DOCUMENTED

    picture: str
    """A JPEG as a data URI, for `<img src>`."""
    attributes: dict[str, float | str | None]
    """What was read, by the columns of docs/reading.md."""


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest faces."""

    __pydantic_config__ = DOCUMENTED

    faces: list[Face]
    """The faces, the most similar first."""
    crop: str | None = None
    """For a search by photo, the crop of the face that was searched for, a JPEG as a data URI."""
    photo: list[PhotoFace] = field(default_factory=list)
    """For a search by photo, the photo's faces, the largest first."""
