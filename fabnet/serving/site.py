"""The site behind the page: the dataset, and the models and pictures that are available for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from fabnet.errors import FabnetError, RewrittenError
from fabnet.files.places import as_place
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.query import encoder_of, model_of
from fabnet.serving.catalogue import Catalogue
from fabnet.serving.compare import Comparer
from fabnet.serving.crops import Crops
from fabnet.serving.face_map import FaceMap
from fabnet.serving.photos import FaceFinder, PhotoReader

__all__ = ["CurrentSite", "Site", "open_site"]

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of `open_site`."""

    data: str | Path
    store: Path | None
    model: str | Path | None
    device: str


@dataclass(frozen=True, slots=True)
class Site:
    """An embeddings dataset, ready to be shown."""

    catalogue: Catalogue
    """Faces of the dataset."""
    crops: Crops
    """Pictures of the faces."""
    face_map: FaceMap
    """Maps of the faces."""
    finder: FaceFinder
    """Finder and reader of the faces of photos."""
    photos: PhotoReader | FabnetError
    """Reader of photos, or the reason why searching by photo is not possible."""
    comparer: Comparer | FabnetError
    """Comparer of faces, or the reason why comparing is not possible."""
    given: Given
    """Arguments with which the site was opened."""

    def is_current(self) -> bool:
        """Whether row numbers are the same as when the site was opened.

        Raises:
            StoreError: the dataset was deleted, or cannot be opened.
        """
        return self.catalogue.gallery.is_current() and self.crops.is_current()

    def reopened(self) -> Site:
        """Open the site again. The models stay loaded if the dataset still has the same model.

        Raises:
            StoreError: the dataset was deleted, or cannot be opened.
            InputError: there is nothing left to show.
        """
        former = self.catalogue.gallery
        if former.is_current():
            return replace(self, crops=Crops.reopened(self.catalogue, self.given.store))
        catalogue = Catalogue(Gallery(self.given.data))
        gallery = catalogue.gallery
        crops, face_map = Crops.reopened(catalogue, self.given.store), FaceMap(catalogue)
        about = [(each.model, each.model_digest, each.embedding_dim) for each in (former, gallery)]
        models = (self.photos, self.comparer)
        if about[0] != about[1]:
            try:
                models = _models(gallery, self.given, self.finder)
            except FabnetError as error:
                models = (error, error)
        return Site(catalogue, crops, face_map, self.finder, *models, self.given)


class CurrentSite:
    """The site that answers requests; it is opened again if its dataset or store was rewritten.

    Args:
        site: the initial site.
    """

    def __init__(self, site: Site) -> None:
        self._site, self._lock = site, Lock()

    def now(self) -> Site:
        """The current site.

        Raises:
            StoreError: the dataset was deleted, or cannot be opened; the next call tries again.
            InputError: there is nothing left to show.
        """
        with self._lock:
            for attempt in range(ATTEMPTS):
                try:
                    if not self._site.is_current():
                        self._site = self._site.reopened()
                    break
                except RewrittenError:  # it was rewritten while it was opened
                    if attempt == ATTEMPTS - 1:
                        raise
            return self._site


def open_site(
    data: str | Path, *, store: str | Path | None = None, model: str | Path | None = None, device: str = "auto"
) -> Site:
    """Open a dataset, and load the model that made it.

    Args:
        data: the embeddings dataset.
        store: the track store that was embedded; None: only thumbnails are shown.
        model: the model that made the embeddings; None: the one that the dataset names, or none if it is not found.
        device: device for models that run on torch.

    Raises:
        StoreError: the dataset or store does not exist, or they do not belong together.
        InputError: there is nothing to show.
        ModelError: the model given does not exist, or did not make the dataset.
    """
    given = Given(data, None if store is None else as_place(store), model, device)
    catalogue = Catalogue(Gallery(data))
    crops = Crops(catalogue, given.store)
    finder = FaceFinder()
    return Site(catalogue, crops, FaceMap(catalogue), finder, *_models(catalogue.gallery, given, finder), given)


def _models(
    gallery: Gallery, given: Given, finder: FaceFinder
) -> tuple[PhotoReader | FabnetError, Comparer | FabnetError]:
    try:
        photos = PhotoReader(encoder_of(gallery, given.model, device=given.device), finder)
    except FabnetError as error:
        if given.model is not None:
            raise
        return error, error
    try:
        return photos, Comparer(given.model or model_of(gallery))
    except FabnetError as error:
        return photos, error
