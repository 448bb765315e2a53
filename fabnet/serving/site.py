"""What the page stands on: the dataset, and what can be done with it here."""

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
from fabnet.serving.photos import PhotoReader

__all__ = ["Shown", "Site", "open_site"]

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Given:
    """What a site was asked to show: see `open_site`."""

    data: str | Path
    store: Path | None
    model: str | Path | None
    device: str


@dataclass(frozen=True, slots=True)
class Site:
    """An embeddings dataset, ready to be shown.

    Attributes:
        catalogue: its faces.
        crops: their pictures.
        face_map: where they lie on a map.
        photos: what embeds photos; or the reason why photos cannot be searched for.
        comparer: what reconstructs; or the reason why nothing can be compared.
        given: what it was asked to show.
    """

    catalogue: Catalogue
    crops: Crops
    face_map: FaceMap
    photos: PhotoReader | FabnetError
    comparer: Comparer | FabnetError
    given: Given

    def is_current(self) -> bool:
        """Whether rows still have the numbers that they had when this was opened.

        Raises:
            StoreError: the dataset is not there any more, or cannot be opened.
        """
        return self.catalogue.gallery.is_current() and self.crops.is_current()

    def reopened(self) -> Site:
        """What is there now. A model that stayed the same stays loaded.

        Raises:
            StoreError: the dataset is not there any more, or cannot be opened.
            InputError: there is nothing to show any more.
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
                models = _models(gallery, self.given)
            except FabnetError as error:
                models = (error, error)
        return Site(catalogue, crops, face_map, *models, self.given)


class Shown:
    """The site that requests are answered from: it is opened again when what it shows was rewritten.

    Args:
        site: the first.
    """

    def __init__(self, site: Site) -> None:
        self._site, self._lock = site, Lock()

    def now(self) -> Site:
        """The site as it is now.

        Raises:
            StoreError: the dataset is not there any more, or cannot be opened; the next call tries again.
            InputError: there is nothing to show any more.
        """
        with self._lock:
            for attempt in range(ATTEMPTS):
                try:
                    if not self._site.is_current():
                        self._site = self._site.reopened()
                    break
                except RewrittenError:  # while it was opened
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
        model: that made the embeddings; None: as the dataset says, and where it cannot be found the page does without.
        device: for models that run on torch.

    Raises:
        StoreError: there is no such dataset or store, or they do not belong together.
        InputError: there is nothing to show.
        ModelError: the model that was named is not there, or is another one.
    """
    given = Given(data, None if store is None else as_place(store), model, device)
    catalogue = Catalogue(Gallery(data))
    crops = Crops(catalogue, given.store)
    return Site(catalogue, crops, FaceMap(catalogue), *_models(catalogue.gallery, given), given)


def _models(gallery: Gallery, given: Given) -> tuple[PhotoReader | FabnetError, Comparer | FabnetError]:
    try:
        photos = PhotoReader(encoder_of(gallery, given.model, device=given.device))
    except FabnetError as error:
        if given.model is not None:
            raise
        return error, error
    try:
        return photos, Comparer(given.model or model_of(gallery))
    except FabnetError as error:
        return photos, error
