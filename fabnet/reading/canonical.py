"""The canonical crop: the window around a face where its own embedding puts it, not where a detector does.

A face is embedded in a first window, near it; the embedding says where the head lies in this window, and the face is
cut again there, with the window turned if the head leans. This is repeated until the window stays where it is, so that
a face gets the same numbers from whatever window it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.encoded_faces import EncodedFaces, in_picture
from fabnet.encoders.face_reader import COVERED, FACE, FaceReader
from fabnet.faces.crop import EDGE_PX, crop_box, cut, shrunk_square, upright
from fabnet.faces.detect.detection import Detection
from fabnet.faces.quality import detail_of, light_of

if TYPE_CHECKING:  # imports PyAV, which photos do not need
    from fabnet.video.decode import DecodedFrame

__all__ = ["Eyes", "Picture", "Settled", "moved_by", "part_of", "size_of", "whole"]

Picture: TypeAlias = "np.ndarray | DecodedFrame"
"""(H, W, 3) uint8 RGB, or a frame of which only the parts that are looked at are converted to that."""

TOLERANCE = 0.01
"""A window that would move by less, in shares of its side, stays."""
MIDDLE = 0.5
"""Side, in sides of the crop, of the middle of a window, which reaches from the brows to the chin. Faces are told apart
by it, so that it does not matter how much an encoder sees around them."""
CORNER = 0.21
"""How far the corners of a turned square reach beyond its sides, in shares of a side."""
TRIED_DEG = (60.0, -60.0, 120.0, -120.0, 180.0)
"""Turns of the windows that are tried where an upright one does not surely show a face."""
SURE, BETTER = 4.0, 3.0
"""Log-odds from which a window surely shows a face, and by how much a turned one must exceed the upright one. Upright
faces have more than 4 in 98 to 100 % of cases, those turned by 135 or 180 degrees in 0 to 5 %; of these, 98 % have 4.8
more in a turned window. None of cmu_faces' 546 faces is taken for one on its side; with `SURE` alone, 2 were."""
MAX_LOOKS = 6
"""A face that has not settled by then is read from the last window."""


ARRAYS = ("outputs", "next_px", "next_turns_deg", "views")
"""Fields of `Settled` with an entry for each face, beside `seen`."""


class Settled(NamedTuple):
    """N faces in their canonical windows.

    Attributes:
        seen: what the encoder saw in the last windows.
        outputs: (N, 6) float32 outputs of the face reader that say where each face is.
        next_px: (N, 4) float32 where the outputs put the windows.
        next_turns_deg: (N,) float32 how far they turn them.
        views: (N, size, size, 3) uint8 RGB, the last windows.
        num_looks: number of windows embedded, in all.
    """

    seen: EncodedFaces
    outputs: np.ndarray
    next_px: np.ndarray
    next_turns_deg: np.ndarray
    views: np.ndarray
    num_looks: int

    def at(self, indices: np.ndarray | slice) -> Settled:
        """The faces at these indices."""
        return self._replace(seen=self.seen.at(indices), **{name: getattr(self, name)[indices] for name in ARRAYS})

    def take(self, indices: np.ndarray, others: Settled) -> None:
        """Take the faces of another at these indices."""
        for part, new in zip(self.seen, others.seen, strict=True):
            part[indices] = new
        for name in ARRAYS:
            getattr(self, name)[indices] = getattr(others, name)

    def joined(self, other: Settled) -> Settled:
        """These faces and those of another."""
        arrays = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in ARRAYS}
        seen = EncodedFaces.joined([self.seen, other.seen])
        return self._replace(seen=seen, **arrays, num_looks=self.num_looks + other.num_looks)


class Eyes:
    """An encoder with its face reader.

    Args:
        encoder: what embeds.
        reader: what is read off its embeddings.

    Raises:
        InputError: the model's card has no valid crop specification.
    """

    def __init__(self, encoder: Embedder, reader: FaceReader) -> None:
        self.encoder, self.reader, self._spec = encoder, reader, encoder.crop_spec

    @property
    def middle(self) -> float:
        """Side of the middle of a window (`MIDDLE`), in sides of the window."""
        return min(MIDDLE / self.encoder.window.side, 1.0)

    def first_windows(self, found: Sequence[Detection]) -> np.ndarray:
        """(N, 4) float32 windows to begin with, where a detector found faces: the encoder's in crops around them."""
        squares = np.array([crop_box(face.box_px, self._spec) for face in found], np.float32)
        return self.encoder.window.inside(squares.reshape(-1, 4))

    def face_boxes(self, windows_px: np.ndarray, turns_deg: np.ndarray) -> np.ndarray:
        """The boxes of faces, as a detector gives them, from the encoder's windows around them.

        Args:
            windows_px: (N, 4) windows.
            turns_deg: (N,) how far they are turned.

        Returns:
            (N, 4) float32 square boxes.
        """
        window, spec = self.encoder.window, self._spec
        crops = (windows_px[:, 2] - windows_px[:, 0]) / window.side
        middles = (windows_px[:, :2] + windows_px[:, 2:]) / 2
        shifts = np.array([window.centre_x - 0.5 + spec.shift_x, window.centre_y - 0.5 + spec.shift_y])
        middles = middles - crops[:, None] * in_picture(np.tile(shifts, (len(crops), 1)), turns_deg)
        half = (crops / spec.margin / 2)[:, None]
        return np.asarray(np.concatenate([middles - half, middles + half], axis=1), np.float32)

    def look(self, images: Sequence[Picture], boxes_px: np.ndarray, turns_deg: np.ndarray) -> Settled:
        """Embed one window of each picture.

        Args:
            images: N pictures; one may come several times.
            boxes_px: (N, 4) the square windows in them; large ones are moved to whole pixels first.
            turns_deg: (N,) how far they are turned.
        """
        size = self.encoder.card.size
        boxes_px = _on_pixels(boxes_px, size)
        turns_deg = np.where([_is_shown(*each) for each in zip(images, boxes_px, strict=True)], turns_deg, 0)
        views = np.empty((len(images), size, size, 3), np.uint8)
        for view, image, box, turn in zip(views, images, boxes_px, turns_deg, strict=True):
            view[:] = _view(image, box, float(turn), size)
        embeddings = self.encoder.embed_views(views)
        brightness, contrast = light_of(views)
        outputs = self.reader.where(embeddings)
        shown_px = np.array([(0, 0, *size_of(image)) for image in images], np.float32).reshape(-1, 4)
        turns_deg = np.array(turns_deg, np.float32)
        seen = EncodedFaces(embeddings, boxes_px, turns_deg, brightness, contrast, detail_of(views), shown_px)
        return Settled(seen, outputs, *self.reader.placed(outputs, boxes_px, seen.turns_deg), views, len(images))

    def settle(
        self,
        images: Sequence[Picture],
        boxes_px: np.ndarray,
        turns_deg: np.ndarray | None = None,
        *,
        tolerance: float = TOLERANCE,
        looks: int = MAX_LOOKS,
    ) -> Settled:
        """Find the canonical window of each face.

        Args:
            images: N pictures; one may come several times.
            boxes_px: (N, 4) windows near the faces.
            turns_deg: (N,) how far they are turned; None: not at all.
            tolerance: movement of a window, in shares of its side, below which it stays.
            looks: number of looks at the most.
        """
        settled = self.look(images, boxes_px, np.zeros(len(boxes_px)) if turns_deg is None else turns_deg)
        num_looks = settled.num_looks
        for _ in range(looks - 1):
            is_far = moved_by(settled.seen.boxes_px, settled.next_px) > tolerance
            far = np.flatnonzero(is_far | (settled.next_turns_deg != settled.seen.turns_deg))
            if not len(far):
                break
            again = self.look([images[int(i)] for i in far], settled.next_px[far], settled.next_turns_deg[far])
            num_looks += again.num_looks
            settled.take(far, again)
        return settled._replace(num_looks=num_looks)

    def find(
        self,
        images: Sequence[Picture],
        boxes_px: np.ndarray,
        turns_deg: np.ndarray | None = None,
        *,
        tolerance: float = TOLERANCE,
    ) -> Settled:
        """Find the canonical window of each detected face, whichever way up it is.

        Where this window does not surely show a face, or shows a covered one, as an upright window may if the face lies
        on its side, turned windows are tried; one that surely shows a face, and clearly more so, is taken.

        Args:
            images: N pictures; one may come several times.
            boxes_px: (N, 4) windows where a detector found the faces.
            turns_deg: (N,) how far the faces lie to a side, as the detector says; None: not at all.
            tolerance: as in `settle`.
        """
        settled = self.settle(images, boxes_px, turns_deg, tolerance=tolerance)
        lost = np.flatnonzero((settled.outputs[:, FACE] <= SURE) | (settled.outputs[:, COVERED] > 0))
        if not len(lost):
            return settled
        pictures = [images[int(i)] for i in lost]
        least, num_looks = np.maximum(settled.outputs[lost, FACE] + BETTER, SURE), settled.num_looks
        for turn in TRIED_DEG:
            turned = self.settle(pictures, boxes_px[lost], np.full(len(lost), turn), tolerance=tolerance)
            num_looks += turned.num_looks
            better = np.flatnonzero((turned.outputs[:, FACE] > least) & (turned.outputs[:, COVERED] <= 0))
            least[better] = turned.outputs[better, FACE]
            settled.take(lost[better], turned.at(better))
        return settled._replace(num_looks=num_looks)

    def in_crops(
        self, crops: Sequence[np.ndarray], boxes_px: np.ndarray, shown_px: np.ndarray | None = None
    ) -> EncodedFaces:
        """Find the canonical window of each face inside its crop.

        Args:
            crops: N crops, (H, W, 3) uint8 RGB.
            boxes_px: (N, 4) where they were cut out of their pictures, without distortion.
            shown_px: (N, 4) what these pictures show; None: what the crops do.

        Returns:
            What the encoder saw, with the windows and what is shown in pixels of the pictures.
        """
        sizes = np.array([(crop.shape[1], crop.shape[0]) for crop in crops], np.float32).reshape(-1, 2)
        half = sizes.min(axis=1, keepdims=True) / 2  # a picture that is taken as a crop need not be square
        squares = np.concatenate([sizes / 2 - half, sizes / 2 + half], axis=1)
        seen = self.find(crops, np.asarray(self.encoder.window.inside(squares), np.float32)).seen
        scale = (boxes_px[:, 2:] - boxes_px[:, :2]) / sizes
        shown = boxes_px if shown_px is None else shown_px
        placed = seen.boxes_px * np.tile(scale, 2) + np.tile(boxes_px[:, :2], 2)
        return seen._replace(boxes_px=np.asarray(placed, np.float32), shown_px=np.asarray(shown, np.float32))


def moved_by(boxes_px: np.ndarray, next_px: np.ndarray) -> np.ndarray:
    """(N, 4) windows and where they go, to (N,) the largest move of a side over the window's side."""
    sides = np.maximum(boxes_px[:, 2] - boxes_px[:, 0], 1e-6)
    return np.asarray(np.abs(next_px - boxes_px).max(axis=1) / sides)


def part_of(image: Picture, box_px: np.ndarray) -> tuple[int, int, np.ndarray]:
    """A part of a picture that covers a box as far as the picture does: its left, its top, and (H, W, 3) uint8 RGB."""
    return (0, 0, image) if isinstance(image, np.ndarray) else image.part(box_px)


def whole(image: Picture) -> np.ndarray:
    """A picture as (H, W, 3) uint8 RGB."""
    return image if isinstance(image, np.ndarray) else image.image()


def size_of(image: Picture) -> tuple[int, int]:
    """A picture's width and height."""
    return (image.shape[1], image.shape[0]) if isinstance(image, np.ndarray) else image.size


def _on_pixels(boxes_px: np.ndarray, size: int) -> np.ndarray:
    """(N, 4) windows, float32, of which those at least twice as large as the view lie on whole pixels.

    Their sides can be halved as often as `_view` does it.
    """
    boxes_px = np.asarray(boxes_px, np.float32)
    sides = boxes_px[:, 2:] - boxes_px[:, :2]
    steps = np.exp2(np.maximum(np.floor(np.log2(np.maximum(sides, 1) / size)) - 1, 0))
    first = np.rint(boxes_px[:, :2])
    whole = np.concatenate([first, first + np.rint(sides / steps) * steps], axis=1)
    return np.where(sides[:, :1] < 2 * size, boxes_px, whole)


def _view(image: Picture, box_px: np.ndarray, turn_deg: float, size: int) -> np.ndarray:
    """Cut out a window, like `cut`; for windows on whole pixels there are faster ways."""
    side = int(box_px[2] - box_px[0])
    if turn_deg:
        turned, box_px = _turned(image, box_px, turn_deg)
        return _view(turned, box_px, 0.0, size)
    if side >= 2 * size and not isinstance(image, np.ndarray):
        view = image.square(int(box_px[0]), int(box_px[1]), side, size)
        if view is not None:
            return view
    left, top, part = part_of(image, box_px)
    if side < 2 * size:
        return cut(part, box_px - np.array([left, top, left, top]), size)
    return shrunk_square(part, int(box_px[0]) - left, int(box_px[1]) - top, side, size)


def _is_shown(image: Picture, box_px: np.ndarray) -> bool:
    """Whether a window is small enough beside a picture to show something of it; larger ones are not turned."""
    return float(box_px[2] - box_px[0]) <= 2 * max(size_of(image))


def _turned(image: Picture, box_px: np.ndarray, turn_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """What a window that is turned shows, (H, W, 3) uint8 RGB, and (4,) the window in it."""
    reach = CORNER * (box_px[2] - box_px[0]) + EDGE_PX
    around = box_px + np.array([-reach, -reach, reach, reach])
    left, top, part = part_of(image, around)
    if isinstance(image, np.ndarray):  # only what is looked at
        (left, top), (right, bottom) = np.clip(around.astype(int).reshape(2, 2), 0, np.array(size_of(image)) - 1)
        part = image[top : bottom + 1, left : right + 1]
    box_px = box_px - np.array([left, top, left, top], np.float32)
    first, last = np.floor(box_px[:2]).astype(int) - EDGE_PX, np.ceil(box_px[2:]).astype(int) + EDGE_PX
    turned = upright(part, (box_px[:2] + box_px[2:]) / 2, turn_deg, (*first.tolist(), *last.tolist()))
    return turned, box_px - np.tile(first, 2).astype(np.float32)
