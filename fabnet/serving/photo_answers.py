"""What the API answers about a photo: what is read off its faces, and their embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from fabnet.serving.answers import DOCUMENTED

__all__ = ["EmbeddedFace", "EmbeddedPhoto", "Number", "Probability", "ReadFace", "ReadPhoto"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number that was read off a face, with how sure it is."""

    __pydantic_config__ = DOCUMENTED

    value: float
    """The number, in `unit`."""
    half_width: float
    """Made to hold nine of ten errors: the value is then off by less. In `unit`."""
    unit: str
    """degree, or face height: shares of the height from forehead to chin."""
    is_experimental: bool
    """Whether it is poor on people held out."""


@dataclass(frozen=True, slots=True)
class Probability:
    """A probability that was read off a face; it is calibrated and has no half-width."""

    __pydantic_config__ = DOCUMENTED

    value: float
    """0 to 1."""
    is_experimental: bool
    """Whether it is poor on people held out."""


@dataclass(frozen=True, slots=True)
class ReadFace:
    """A face of a photo, and what was read off it. The names are those of docs/reading.md."""

    __pydantic_config__ = DOCUMENTED

    box_px: tuple[float, float, float, float]
    """Left, top, right and bottom of the face's box, in pixels of the photo as shown."""
    score: float
    """The detector's confidence that it is a face, 0 to 1."""
    in_range: bool
    """Whether the face is like those that the numbers are reliable on."""
    out_of_range: str
    """Why not, in words of docs/reading.md; empty if it is in range."""
    numbers: dict[str, Number]
    """pose_roll_deg, pose_pitch_deg, pose_yaw_deg, mouth_opening, mouth_width, eyes_opening."""
    probabilities: dict[str, Probability]
    """smile, expression_neutral and the other expressions (which add up to 1), AU01 and the other action units."""
    expression: str
    """The most likely expression: neutral, happy, surprise, sad, anger, disgust, fear or contempt."""
    landmarks68_px: list[tuple[float, float]]
    """68 points, x and y in pixels of the photo as shown: jaw 0 to 16, brows to 26, nose to 35, eyes to 47, mouth to
    67."""
    landmarks68_pm_px: float
    """Half-width of their mean distance, in pixels, made to hold nine of ten errors."""


@dataclass(frozen=True, slots=True)
class ReadPhoto:
    """What was read off a photo."""

    __pydantic_config__ = DOCUMENTED

    model: str
    """The encoder that read it."""
    model_digest: str
    """Digest of that encoder: readings by the same digest and version can be compared."""
    attributes_version: str
    """Version of the attributes: it changes when the same face gets other numbers."""
    width_px: int
    """Width of the photo as shown."""
    height_px: int
    """Height of the photo as shown."""
    faces: list[ReadFace]
    """Its faces, the largest first, twelve at most."""


@dataclass(frozen=True, slots=True)
class EmbeddedFace:
    """A face of a photo, and its embedding."""

    __pydantic_config__ = DOCUMENTED

    box_px: tuple[float, float, float, float]
    """Left, top, right and bottom of the detector's box, in pixels of the photo as shown."""
    score: float
    """The detector's confidence that it is a face, 0 to 1."""
    embedding: list[float]
    """The embedding; the similarity of two faces is the cosine of theirs."""


@dataclass(frozen=True, slots=True)
class EmbeddedPhoto:
    """The embeddings of a photo's faces, by the model that made the dataset."""

    __pydantic_config__ = DOCUMENTED

    model: str | None
    """Name of the model, if the dataset says it."""
    model_digest: str | None
    """Digest of the model, if the dataset says it: embeddings of one digest can be compared."""
    width_px: int
    """Width of the photo as shown."""
    height_px: int
    """Height of the photo as shown."""
    faces: list[EmbeddedFace]
    """Its faces, the largest first, twelve at most."""
