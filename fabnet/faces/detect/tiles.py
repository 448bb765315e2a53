"""Splits large images into tiles for networks that take small ones, and halves them for faces larger than a tile."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from fabnet.faces.boxes import intersections_over_smaller, intersections_over_union
from fabnet.faces.detect.detection import Detection

__all__ = ["in_tiles", "merged", "suppress"]

MAX_SHARED = 0.5
"""Intersection over the smaller box beyond which two detections are the same face; the better one is kept."""
MIN_SAME = 0.5
"""Intersection over union beyond which detections say where the same face is."""
EDGE_PX = 2.0


def in_tiles(
    find: Callable[[np.ndarray], list[Detection]], image: np.ndarray, *, tile_px: int, overlap_px: int
) -> list[Detection]:
    """Find the faces of an image of any size with the memory of one tile.

    A face up to `overlap_px` lies completely in some tile. Larger ones are found in the image at half size, and so on.

    Args:
        find: finds the faces of an image no larger than `tile_px`.
        image: (H, W, 3) uint8 RGB.
        tile_px: longer side of a tile.
        overlap_px: overlap of neighbouring tiles.

    Returns:
        The faces without duplicates, best score first.
    """
    height, width = image.shape[:2]
    if max(height, width) <= tile_px:
        return find(image)
    size = (max(1, width // 2), max(1, height // 2))
    half = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    to_image = np.array([width / size[0], height / size[1]], np.float32)
    found = [face.scaled(to_image) for face in in_tiles(find, half, tile_px=tile_px, overlap_px=overlap_px)]
    step = tile_px - overlap_px
    for top in range(0, max(1, height - overlap_px), step):
        for left in range(0, max(1, width - overlap_px), step):
            tile = np.ascontiguousarray(image[top : top + tile_px, left : left + tile_px])
            whole = [face for face in find(tile) if not _is_cut(face, tile, left, top, width, height)]
            found += [face.moved(left, top) for face in whole]
    return suppress(found)


def _is_cut(face: Detection, tile: np.ndarray, left: int, top: int, width: int, height: int) -> bool:
    """Whether a face touches an edge of its tile that is not an edge of the image."""
    high, wide = tile.shape[:2]
    x0, y0, x1, y1 = face.box_px.tolist()
    return (
        (x0 < EDGE_PX and left > 0)
        or (y0 < EDGE_PX and top > 0)
        or (x1 > wide - EDGE_PX and left + wide < width)
        or (y1 > high - EDGE_PX and top + high < height)
    )


def suppress(faces: list[Detection]) -> list[Detection]:
    """Drop duplicate faces; best score first."""
    if not faces:
        return []
    kept, boxes, is_open = [], np.stack([face.box_px for face in faces]), np.ones(len(faces), bool)
    for index in sorted(range(len(faces)), key=lambda index: -faces[index].score):
        if is_open[index]:
            kept.append(faces[index])
            is_open &= intersections_over_smaller(boxes[index], boxes) <= MAX_SHARED
    return kept


def merged(faces: list[Detection]) -> list[Detection]:
    """Keep each face once, best score first, at the mean, weighted by score, of the boxes and points found for it."""
    kept, boxes = [], np.stack([face.box_px for face in faces]) if faces else np.zeros((0, 4), np.float32)
    for best in suppress(faces):
        (indices,) = np.nonzero(intersections_over_union(best.box_px, boxes) > MIN_SAME)
        same = [faces[index] for index in indices]
        weights = np.array([each.score for each in same], np.float32)
        weights /= weights.sum()
        box = np.tensordot(weights, np.stack([each.box_px for each in same]), 1)
        five = np.tensordot(weights, np.stack([each.landmarks5_px for each in same]), 1)
        kept.append(Detection(box, five, best.score))
    return kept
