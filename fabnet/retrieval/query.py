"""Reads the query of a search: photos, rows of the dataset, or the mean of several.

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
from fabnet.encoders.load_encoder import load, pinned
from fabnet.errors import InputError, ModelError, NoFaceError
from fabnet.faces.crop import framing_note
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
    """A query."""

    vector: np.ndarray
    """(D,) float32 of norm 1: mean direction of the given embeddings."""
    ids: tuple[str, ...]
    """Ids of the given rows, which are left out of the neighbours."""
    identities: tuple[str | None, ...]
    """Identities of the given rows; None if unknown. Those of photos are always unknown."""
    pictures: tuple[np.ndarray | None, ...]
    """Face of each given photo or row, (H, W, 3) uint8 RGB; None if the dataset has no thumbnail of it."""
    notes: tuple[str, ...] = ()
    """Remarks on the crop of photos."""


WITHOUT_FILES = re.compile(r"mean|pixels|dlib-identity|random(:\d{1,9})?", re.ASCII)
"""Names of baselines that need no files of the user."""


def model_of(gallery: Gallery) -> str | Path:
    """Find the model that a dataset names, if that is safe.

    It is safe for a shipped model, a baseline without a file, and a model in the dataset's folder or below with the
    digest that the dataset states. A foreign dataset can therefore not open other files or download anything.

    Raises:
        ModelError: the dataset names no model, or one that is not safe to load.
    """
    name, folder = gallery.model, gallery.full_path.parent
    if name is None or name == "given":
        raise ModelError(f"{gallery.path} does not say which model made it: give it with --model")
    if name in shipped_models() or WITHOUT_FILES.fullmatch(name):
        return name
    if not is_hub_name(name) and not is_baseline(name):
        for place in _beside(folder, name):
            with suppress(ModelError, InputError, OSError):
                if gallery.model_digest == model_digest(place):
                    return place
    raise ModelError(
        f"the model of {gallery.path} cannot be found ({name} is neither shipped with fabnet nor beside the dataset); "
        "give it with --model, if you trust it"
    )


def _beside(folder: Path, name: str) -> list[Path]:
    """Possible paths of a model in the dataset's folder or below: its old path, or its path after both were moved."""
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
    """Load the encoder that made a dataset's embeddings.

    Args:
        gallery: the dataset.
        model: a model as for `fabnet.load`, or a loaded encoder; None: the dataset's, from `model_of`.
        device: device of models that run on torch.

    Raises:
        ModelError: the model cannot be found, or another one made the embeddings.
    """
    if isinstance(model, Embedder):
        encoder = model
    else:
        name = model_of(gallery) if model is None else model
        try:
            name = pinned(name)
            digest = model_digest(name)
        except ModelError as error:
            if model is not None:
                raise
            raise ModelError(f"the model of {gallery.path} cannot be found ({error}); give it with --model") from None
        encoder = load(name, device=device)
        if gallery.model_digest not in (None, digest):
            raise ModelError(
                f"{gallery.path} was not embedded with {name} as it is now, but with {gallery.model}: give that model "
                "with --model, or embed again"
            )
    if encoder.embedding_dim != gallery.embedding_dim:
        raise ModelError(
            f"the model gives {encoder.embedding_dim} numbers per face; {gallery.path} has {gallery.embedding_dim}"
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
    """Read a query.

    Args:
        gallery: the dataset to search.
        given: photos (files, or (H, W, 3) uint8 RGB arrays) and ids of rows, one or more.
        model: see `encoder_of`; only photos need it.
        crop: "detect" takes the largest face of a photo; "none" takes the photo as a face crop.
        min_face: side of the smallest face looked for, in pixels; None: 1/64 of the photo's longer side, at least 20.
        device: device of models that run on torch.

    Raises:
        InputError: `given` is empty, or an item is neither a photo nor a row with an embedding.
        NoFaceError: a photo has no face.
        ModelError: see `encoder_of`.
    """
    if not len(given):
        raise InputError("the query is empty: give a photo or the id of a row")
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
    identities = tuple(row["identity"] for row in rows.values())
    cut_for = encoder.card if encoder is not None and crop == "detect" else None
    note = framing_note(cut_for.crop, cut_for.window[1]) if cut_for else None
    return Query(_mean_direction(vectors), tuple(ids), identities, tuple(pictures), (note,) if note else ())


def _is_photo(given: str | Path | np.ndarray) -> bool:
    """Whether a query is a photo or an existing file, rather than the id of a row."""
    if isinstance(given, np.ndarray):
        return True
    try:
        return Path(given).exists() and not Path(given).is_dir()
    except OSError:  # the id of a row, too long for a file name
        return False


def as_vector(embedding: Sequence[float | None] | None) -> np.ndarray | None:
    """Convert a stored embedding to (D,) float32; None if it is missing or contains NaN, infinity or nulls."""
    if embedding is None or any(value is None for value in embedding):
        return None
    with np.errstate(over="ignore"):  # float64 values may overflow
        vector = np.array(embedding, dtype=np.float32)
    return vector if np.isfinite(vector).all() else None


def _mean_direction(vectors: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.mean([vector / max(float(np.linalg.norm(vector)), 1e-12) for vector in vectors], axis=0)
    length = float(np.linalg.norm(mean))
    if not length >= 1e-6:  # NaN too
        raise InputError("the query's embeddings have no mean direction (all zero, or opposite): the cosine needs one")
    return np.asarray(mean / length, dtype=np.float32)


def _face(given: str | Path | np.ndarray, encoder: Embedder, crop: str, min_face: float | None) -> np.ndarray:
    """The face crop of a photo."""
    name = "the photo" if isinstance(given, np.ndarray) else str(given)
    try:
        image = given if isinstance(given, np.ndarray) else decode_picture(read_bytes(Path(given)))
    except InputError as error:
        raise InputError(f"{name} is neither a usable picture ({error}) nor the id of a row") from None
    if crop == "none":
        return image
    find = load_photo_detector(min_face_px=min_face, only_largest=True)
    faces = crop_faces(image, detector=find, spec=encoder.crop_spec)
    if not faces:
        height, width = image.shape[:2]
        smallest = find.smallest_px(height, width)
        raise NoFaceError(
            f"no face was found in {name} ({width} x {height} px): faces of {smallest:.0f} px or more were looked for; "
            "--min-face PX looks for smaller ones. For a face crop, give --crop none"
        )
    return faces[0].image
