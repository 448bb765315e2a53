"""`fabnet.FaceEmbedder`: photos to embeddings as a step of a scikit-learn pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.errors import InputError, MissingDependencyError, ModelError, NoFaceError
from fabnet.faces.detect.detection import Detector
from fabnet.faces.detect.load import DEFAULT_DETECTOR
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.faces.find import crop_faces, read_photo
from fabnet.runtime.threads import batched, in_threads

try:
    from sklearn.base import BaseEstimator, TransformerMixin
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "sklearn":
        raise
    raise MissingDependencyError("FaceEmbedder needs scikit-learn: pip install 'fabnet[train]'") from None

__all__ = ["FaceEmbedder"]

Photo = str | Path | np.ndarray
AT_ONCE = 64
CHOICES = {"crop": ("detect", "none"), "no_face": ("error", "nan")}


class FaceEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A scikit-learn transformer from photos to the embedding of the largest face of each.

    The embeddings are those of `fabnet.embed`. Nothing is learned in `fit`, so `transform` works without it. A pickle
    holds the name of the model and no weights.

    Args:
        model: a shipped name, a run, a checkpoint, an .onnx file, hf:OWNER/NAME or a baseline, as in `fabnet.load`; or
            an encoder from `fabnet.load`.
        crop: "detect": find the largest face of each photo first; "none": take each photo as a face crop.
        detector: what finds faces: "yunet", "mtcnn", "uniface" or "yunet:FILE.onnx".
        min_face: side of the smallest face to find, in pixels; None: 1/64 of the photo's longer side, at least 20.
        no_face: what becomes of a photo without a face. "error": a `NoFaceError` names it; "nan": its row is NaN.
        device: for models that run on torch: "auto", "cpu", "cuda" or "cuda:N".

    Attributes:
        encoder_: the encoder that `fit` loaded.

    Raises:
        MissingDependencyError: on import, if scikit-learn is not installed.

    Example:
        ``make_pipeline(fabnet.FaceEmbedder(), StandardScaler(), LogisticRegression()).fit(paths, labels)``
    """

    def __init__(
        self,
        model: str | Path | Embedder = "small",
        *,
        crop: Literal["detect", "none"] = "detect",
        detector: str = DEFAULT_DETECTOR,
        min_face: float | None = None,
        no_face: Literal["error", "nan"] = "error",
        device: str = "auto",
    ) -> None:
        self.model = model
        self.crop = crop
        self.detector = detector
        self.min_face = min_face
        self.no_face = no_face
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  # scikit-learn's name
        """Load the encoder and check the options; the photos are not looked at.

        Args:
            X: as in `transform`.
            y: ignored.

        Returns:
            This object.

        Raises:
            InputError: an option is impossible.
            ModelError: there is no such model, or it is corrupt.
        """
        self._check()
        if self.crop == "detect":
            self._detector()
        self.encoder_ = self._load()
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Embed photos.

        Args:
            X: N photos: paths, (H, W, 3) uint8 RGB arrays, or a mixture, as a list, an array or a column of a data
                frame; or an (N, H, W, 3) uint8 array. A single path or (H, W, 3) array counts as one photo.

        Returns:
            (N, D) float32, D = 256 for the models that ship.

        Raises:
            NoFaceError: a photo has no face, and `no_face` is "error".
            InputError: a photo is missing or damaged, is not (H, W, 3) uint8, or an option is impossible.
            ModelError: there is no such model, it is corrupt, or its embeddings are not finite.
        """
        self._check()
        photos, encoder = _photos(X), self._fitted() or self._load()
        embeddings = np.full((len(photos), encoder.embedding_dim), np.nan, np.float32)
        rows: list[int] = []

        def crops() -> Iterator[np.ndarray]:
            for row, crop in enumerate(self._crops(photos, encoder)):
                if crop is not None:
                    rows.append(row)
                    yield crop

        batches = batched(crops(), encoder.at_once(AT_ONCE))
        for index, part in enumerate(in_threads(encoder.embed_batch, batches)):
            if not np.isfinite(part).all():
                raise ModelError(f"the model {self.model} gave numbers that are not finite (NaN or infinity)")
            first = index * encoder.at_once(AT_ONCE)
            embeddings[rows[first : first + len(part)]] = part
        return embeddings

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The names of the columns, (D,) object: e0 to e255, as in the CSV files of `fabnet.embed`.

        Args:
            input_features: ignored; photos have no columns.
        """
        encoder = self._fitted() or self._load()
        return np.array([f"e{index}" for index in range(encoder.embedding_dim)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit, tags.no_validation = False, True
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = False, True, True
        return tags

    def _fitted(self) -> Embedder | None:
        encoder: Embedder | None = getattr(self, "encoder_", None)
        return encoder

    def _load(self) -> Embedder:
        return self.model if isinstance(self.model, Embedder) else load(self.model, device=self.device)

    def _check(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be {' or '.join(map(repr, choices))}; got {getattr(self, name)!r:.60}")

    def _detector(self) -> Detector:
        return load_photo_detector(self.detector, min_face_px=self.min_face, only_largest=True)

    def _crops(self, photos: Sequence[Photo], encoder: Embedder) -> Iterator[np.ndarray | None]:
        """The crop of each photo, (H, W, 3) uint8 RGB; None where there is no face."""
        if self.crop == "none":
            yield from (each if isinstance(each, np.ndarray) else read_photo(each) for each in photos)
            return
        detector = self._detector()
        for number, photo in enumerate(photos):
            faces = crop_faces(photo, detector=detector, spec=encoder.crop_spec)
            if not faces and self.no_face == "error":
                name = f"number {number} of the photos" if isinstance(photo, np.ndarray) else photo
                raise NoFaceError(
                    f"{name} has no face; no_face='nan' gives a row of NaN, and min_face finds smaller ones"
                )
            yield faces[0].image if faces else None


def _photos(given: Any) -> list[Photo]:
    """The photos that are given, each a path or an (H, W, 3) uint8 array.

    Raises:
        InputError: they are something else.
    """
    if isinstance(given, str | Path):
        return [given]
    if not isinstance(given, np.ndarray) and hasattr(given, "to_numpy"):  # a column of pandas, Polars or Arrow
        given = given.to_numpy()
    if isinstance(given, np.ndarray):
        if given.dtype == np.uint8 and given.ndim == 3:
            given = given[None]
        elif given.ndim == 2 and given.shape[1] == 1:
            given = given[:, 0]
    elif not isinstance(given, list | tuple):
        raise InputError(f"expected photos, as a list of paths or (H, W, 3) uint8 arrays; got {type(given).__name__}")
    photos: list[Photo] = list(given)
    for number, each in enumerate(photos):
        if isinstance(each, str | Path):
            continue
        if not isinstance(each, np.ndarray):
            raise InputError(f"number {number} of the photos is {_kind(each)}; expected a path or (H, W, 3) uint8 RGB")
        if each.ndim != 3 or each.shape[2] != 3 or each.dtype != np.uint8 or not each.size:
            raise InputError(
                f"number {number} of the photos is {each.shape} {each.dtype}; expected (H, W, 3) uint8 RGB"
            )
    return photos


def _kind(value: Any) -> str:
    return "None" if value is None else f"of the type {type(value).__name__}"
