"""The canonical crop: the window around a face where its own embedding puts it, not where a detector does.

A face is embedded in a first window, near it; the embedding says where the head lies in this window, and the face is
cut again there. This is repeated until the window stays where it is, so that a face gets the same numbers from whatever
window it began. Roll is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.face_reader import FaceReader, Seen
from fabnet.faces.crop import CropSpec, cut
from fabnet.faces.window import Window

__all__ = ["Eyes", "Settled", "face_boxes", "moved_by"]

TOLERANCE = 0.02
"""A window that would move by less, in shares of its side, stays."""
MAX_LOOKS = 4
"""A face that has not settled by then is read from the last window."""


class Settled(NamedTuple):
    """N faces in their canonical windows.

    Attributes:
        seen: what the encoder saw in the last windows.
        outputs: (N, K) float32 outputs of the face reader.
        next_px: (N, 4) float32 where the outputs put the windows.
        num_looks: number of windows embedded, in all.
    """

    seen: Seen
    outputs: np.ndarray
    next_px: np.ndarray
    num_looks: int

    def at(self, places: np.ndarray) -> Settled:
        """The faces at these indices."""
        seen = Seen(*(part[places] for part in self.seen))
        return Settled(seen, self.outputs[places], self.next_px[places], self.num_looks)

    def joined(self, other: Settled) -> Settled:
        """These faces and those of another."""
        seen = Seen(*(np.concatenate(parts) for parts in zip(self.seen, other.seen, strict=True)))
        outputs = np.concatenate([self.outputs, other.outputs])
        next_px = np.concatenate([self.next_px, other.next_px])
        return Settled(seen, outputs, next_px, self.num_looks + other.num_looks)


class Eyes:
    """An encoder with its face reader.

    Args:
        encoder: what embeds.
        reader: what is read off its embeddings.
    """

    def __init__(self, encoder: Embedder, reader: FaceReader) -> None:
        self.encoder, self.reader = encoder, reader

    def look(self, images: Sequence[np.ndarray], boxes_px: np.ndarray) -> Settled:
        """Embed one window of each picture.

        Args:
            images: N pictures, (H, W, 3) uint8 RGB; one may come several times.
            boxes_px: (N, 4) the square windows in them.
        """
        size = self.encoder.card.size
        views = np.empty((len(images), size, size, 3), np.uint8)
        for view, image, box in zip(views, images, boxes_px, strict=True):
            view[:] = cut(image, box, size)
        embeddings = self.encoder.embed_views(views)
        brightness, contrast = _light(views)
        outputs = self.reader.outputs(embeddings)
        seen = Seen(embeddings, np.asarray(boxes_px, np.float32), brightness, contrast)
        return Settled(seen, outputs, self.reader.placed(outputs, boxes_px), len(images))

    def settle(
        self,
        images: Sequence[np.ndarray],
        boxes_px: np.ndarray,
        *,
        tolerance: float = TOLERANCE,
        looks: int = MAX_LOOKS,
    ) -> Settled:
        """Find the canonical window of each face.

        Args:
            images: N pictures, (H, W, 3) uint8 RGB; one may come several times.
            boxes_px: (N, 4) windows near the faces.
            tolerance: movement of a window, in shares of its side, below which it stays.
            looks: number of looks at the most.
        """
        settled = self.look(images, boxes_px)
        num_looks = settled.num_looks
        for _ in range(looks - 1):
            far = np.flatnonzero(moved_by(settled.seen.boxes_px, settled.next_px) > tolerance)
            if not len(far):
                break
            again = self.look([images[int(i)] for i in far], settled.next_px[far])
            num_looks += again.num_looks
            for part, new in zip((*settled.seen, settled.outputs, settled.next_px),
                                 (*again.seen, again.outputs, again.next_px), strict=True):  # fmt: skip
                part[far] = new
        return settled._replace(num_looks=num_looks)


def moved_by(boxes_px: np.ndarray, next_px: np.ndarray) -> np.ndarray:
    """(N, 4) windows and where they go, to (N,) the largest move of a side over the window's side."""
    sides = np.maximum(boxes_px[:, 2] - boxes_px[:, 0], 1e-6)
    return np.asarray(np.abs(next_px - boxes_px).max(axis=1) / sides)


def face_boxes(windows_px: np.ndarray, window: Window, spec: CropSpec) -> np.ndarray:
    """The boxes of faces, as a detector gives them, from the encoder's windows around them.

    Args:
        windows_px: (N, 4) windows.
        window: the encoder's window in its training crops.
        spec: how these crops were cut around boxes.

    Returns:
        (N, 4) float32 square boxes.
    """
    crops = (windows_px[:, 2] - windows_px[:, 0]) / window.side
    middles = (windows_px[:, :2] + windows_px[:, 2:]) / 2
    shifts = np.array([window.centre_x - 0.5 + spec.shift_x, window.centre_y - 0.5 + spec.shift_y])
    middles = middles - crops[:, None] * shifts
    half = (crops / spec.margin / 2)[:, None]
    return np.asarray(np.concatenate([middles - half, middles + half], axis=1), np.float32)


def _light(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness and contrast of the middle of (N, size, size, 3) windows, (N,) float32 in [0, 1] each."""
    size = views.shape[1]
    middle = views[:, size // 4 : -(size // 4), size // 4 : -(size // 4)]
    grey = [cv2.cvtColor(np.ascontiguousarray(view), cv2.COLOR_RGB2GRAY) for view in middle]
    stats = [cv2.meanStdDev(view) for view in grey]
    means, deviations = (np.array([each[k][0, 0] for each in stats], np.float32) / 255 for k in (0, 1))
    return means, deviations
