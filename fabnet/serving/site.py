"""What the page stands on: the dataset, and what can be done with it here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import FabnetError
from fabnet.places import as_place
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.query import encoder_of, model_of
from fabnet.serving.catalogue import Catalogue
from fabnet.serving.compare import Comparer
from fabnet.serving.crops import Crops
from fabnet.serving.face_map import FaceMap
from fabnet.serving.photos import PhotoReader

__all__ = ["Site", "open_site"]


@dataclass(frozen=True, slots=True)
class Site:
    """An embeddings dataset, ready to be shown.

    Attributes:
        catalogue: its faces.
        crops: their pictures.
        face_map: where they lie on a map.
        photos: what embeds photos; or the reason why photos cannot be searched for.
        comparer: what reconstructs; or the reason why nothing can be compared.
    """

    catalogue: Catalogue
    crops: Crops
    face_map: FaceMap
    photos: PhotoReader | FabnetError
    comparer: Comparer | FabnetError


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
    catalogue = Catalogue(Gallery(data))
    crops = Crops(catalogue, None if store is None else as_place(store))
    photos: PhotoReader | FabnetError
    comparer: Comparer | FabnetError
    try:
        photos = PhotoReader(encoder_of(catalogue.gallery, model, device=device))
    except FabnetError as error:
        if model is not None:
            raise
        photos = comparer = error
    else:
        try:
            comparer = Comparer(model or model_of(catalogue.gallery))
        except FabnetError as error:
            comparer = error
    return Site(catalogue, crops, FaceMap(catalogue), photos, comparer)
