"""What is searched for: photos, rows of the dataset, or several of them averaged.

Letters: D features.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fabnet.encoders.baselines.registry import is_baseline
from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.errors import InputError, ModelError, NoFaceError
from fabnet.faces.crop import CropSpec
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.find import crop_faces
from fabnet.faces.picture import decode_picture
from fabnet.files.limits import read_bytes
from fabnet.files.places import is_remote
from fabnet.models.hub import is_hub_name
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.sheet import decode_stored
from fabnet.weights import shipped_models

__all__ = ["Query", "as_vector", "encoder_of", "model_of", "read_query"]


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is searched for.

    Attributes:
        vector: (D,) float32 of length 1: the mean of what was given, each at length 1.
        ids: of the rows that were given, which are no neighbours of themselves.
        identities: of these rows, None where it is not known; who is on a photo is not known either.
        pictures: a face for each thing given: (H, W, 3) uint8 RGB, or None where the dataset has no thumbnails.
    """

    vector: np.ndarray
    ids: tuple[str, ...]
    identities: tuple[str | None, ...]
    pictures: tuple[np.ndarray | None, ...]


WITHOUT_FILES = re.compile(r"mean|pixels|dlib-identity|random(:\d{1,9})?", re.ASCII)
"""Baselines that come with installed packages."""


def model_of(gallery: Gallery) -> str | Path:
    """The model that a dataset names, if its name alone may be followed.

    That is a shipped model, a baseline without a file, or a model that lies in the dataset's folder or below it and has
    the digest that the dataset says. A dataset of somebody else's opens no other file, and fetches nothing.

    Raises:
        ModelError: the dataset names none, or another.
    """
    name, folder = gallery.model, gallery.full_path.parent
    if name is None or name == "given":
        raise ModelError(f"{gallery.path} does not say which model made it: name it with --model")
    if name in shipped_models() or WITHOUT_FILES.fullmatch(name):
        return name
    if not is_hub_name(name) and not is_baseline(name):
        for place in _beside(folder, name):
            with suppress(ModelError, InputError, OSError):
                if gallery.model_digest == model_digest(place):
                    return place
    raise ModelError(
        f"the model of {gallery.path} cannot be found ({name} neither ships nor lies beside the dataset); name "
        "it with --model, if you trust it"
    )


def _beside(folder: Path, name: str) -> list[Path]:
    """Where a model of this name can lie beside a dataset, or below: where it was, or after both were moved."""
    if is_remote(folder):
        parts = name.removeprefix(f"{folder}/").split("/")
        is_inside = name.startswith(f"{folder}/") and not {"", ".", ".."} & set(parts)
        return [folder.joinpath(*parts)] if is_inside else []
    if is_remote(name):
        return []
    root = folder.resolve()
    places = [Path(name), root / Path(name).name]
    return [place for place in places if place.exists() and place.resolve().is_relative_to(root)]


def encoder_of(gallery: Gallery, model: str | Path | Embedder | None, *, device: str = "auto") -> Embedder:
    """The encoder that made a dataset's embeddings.

    Args:
        gallery: the dataset.
        model: as `fabnet.load` takes it, or an encoder that it gave; None: as `model_of` the dataset.
        device: for models that run on torch.

    Raises:
        ModelError: the dataset names none that can be found, or it is another one than made the embeddings.
    """
    if isinstance(model, Embedder):
        encoder = model
    else:
        name = model_of(gallery) if model is None else model
        try:
            digest = model_digest(name)
        except ModelError as error:
            if model is not None:
                raise
            raise ModelError(f"the model of {gallery.path} cannot be found ({error}); name it with --model") from None
        encoder = load(name, device=device)
        if gallery.model_digest not in (None, digest):
            raise ModelError(
                f"{gallery.path} was embedded with another model than {name} is now ({gallery.model}): give that one "
                "with --model, or embed again"
            )
    if encoder.embedding_dim != gallery.embedding_dim:
        raise ModelError(
            f"the model makes {encoder.embedding_dim} numbers a face; {gallery.path} holds {gallery.embedding_dim}"
        )
    return encoder


def read_query(
    gallery: Gallery,
    given: Sequence[str | Path | np.ndarray],
    *,
    model: str | Path | Embedder | None = None,
    crop: Literal["detect", "none"] = "detect",
    min_face: float | None = None,
    device: str = "auto",
) -> Query:
    """Read what is searched for.

    Args:
        gallery: the dataset to search in.
        given: photos (files, or (H, W, 3) uint8 RGB arrays) and ids of rows, one or more.
        model: see `encoder_of`; only photos need it.
        crop: "detect" takes the largest face of a photo; "none" the photo as a face crop.
        min_face: side of the smallest face looked for, in pixels; None: 1/64 of the photo's longer side, at least 20.
        device: for models that run on torch.

    Raises:
        InputError: nothing was given, or it is neither a photo nor a row with an embedding.
        NoFaceError: a photo has no face.
        ModelError: see `encoder_of`.
    """
    if not len(given):
        raise InputError("nothing to search for: give a photo or the id of a row")
    ids = [str(each) for each in given if not _is_photo(each)]
    columns = ["identity", "reason", "embedding", *(["thumbnail"] if gallery.has_thumbnails else [])]
    rows = {row["id"]: row for row in gallery.rows(ids, columns)} if ids else {}
    encoder = encoder_of(gallery, model, device=device) if len(ids) < len(given) else None
    vectors: list[np.ndarray] = []
    pictures: list[np.ndarray | None] = []
    for each in given:
        if encoder is not None and _is_photo(each):
            picture = _face(each, encoder, crop, min_face)
            vectors.append(encoder.embed([picture])[0])
            pictures.append(picture)
            continue
        row = rows[str(each)]
        if row["embedding"] is None:
            why = row["reason"] or "the dataset does not say why"
            raise InputError(f"row {each} of {gallery.path} has no embedding: {why}")
        vector = as_vector(row["embedding"])
        if vector is None:
            raise InputError(
                f"row {each} of {gallery.path} has an embedding with NaN, infinity or nulls: embed it again"
            )
        vectors.append(vector)
        pictures.append(decode_stored(row["thumbnail"]) if gallery.has_thumbnails else None)
    return Query(_mean_direction(vectors), tuple(ids), tuple(row["identity"] for row in rows.values()), tuple(pictures))


def _is_photo(given: str | Path | np.ndarray) -> bool:
    """Whether something is a photo, or a file that was meant as one, rather than the id of a row."""
    if isinstance(given, np.ndarray):
        return True
    try:
        return Path(given).exists() and not Path(given).is_dir()
    except OSError:  # the id of a row that is too long for a file's name
        return False


def as_vector(embedding: Sequence[float | None] | None) -> np.ndarray | None:
    """A stored embedding as (D,) float32; None where there is none, or it holds NaN, infinity or nulls."""
    if embedding is None or any(value is None for value in embedding):
        return None
    with np.errstate(over="ignore"):  # of float64
        vector = np.array(embedding, dtype=np.float32)
    return vector if np.isfinite(vector).all() else None


def _mean_direction(vectors: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.mean([vector / max(float(np.linalg.norm(vector)), 1e-12) for vector in vectors], axis=0)
    length = float(np.linalg.norm(mean))
    if not length >= 1e-6:  # NaN too
        raise InputError("the embeddings searched for have no direction (all zero, or opposite): the cosine needs one")
    return np.asarray(mean / length, dtype=np.float32)


def _face(given: str | Path | np.ndarray, encoder: Embedder, crop: str, min_face: float | None) -> np.ndarray:
    """The face crop that is embedded of a photo."""
    name = "the photo" if isinstance(given, np.ndarray) else str(given)
    try:
        image = given if isinstance(given, np.ndarray) else decode_picture(read_bytes(Path(given)))
    except InputError as error:
        raise InputError(f"{name} is no picture that can be used ({error}), and no id of a row") from None
    if crop == "none":
        return image
    spec = CropSpec.from_json(encoder.card.crop) if encoder.card.crop else CropSpec()
    find = load_photo_detector(min_face_px=min_face, only_largest=True)
    faces = crop_faces(image, detector=find, spec=spec)
    if not faces:
        height, width = image.shape[:2]
        smallest = find.smallest_px(height, width)
        raise NoFaceError(
            f"no face was found in {name} ({width} x {height} px): faces from {smallest:.0f} px on were looked for; "
            "--min-face PX looks for smaller ones. Of a face crop, give --crop none"
        )
    return faces[0].image
