"""How MTCNN's box follows from another detector's, so that the crops of both lie alike."""

from __future__ import annotations

import numpy as np

from fabnet.faces.detect.detection import Detection

MIRRORED = [1, 0, 2, 4, 3]

Relation = dict[str, list[float]]
Found = list[list[Detection]]


def relation_of(found: Found, target: Found, *, with_points: bool) -> Relation:
    """How MTCNN's box follows from another detector's: weights by least squares, the same for mirrored faces."""
    rows, values = [], []
    for own, theirs in zip(found, target, strict=True):
        if len(own) == len(theirs) == 1:
            for face, goal in ((own[0], theirs[0]), (mirrored(own[0]), mirrored(theirs[0]))):
                rows.append(features(face, with_points=with_points))
                values.append(offsets(face, goal.box_px))
    weights = np.linalg.lstsq(
        np.concatenate([rows, 0.03 * len(rows) ** 0.5 * np.eye(len(rows[0]))[1:]]),
        np.concatenate([values, np.zeros((len(rows[0]) - 1, 4))]),
        rcond=None,
    )[0]
    return {name: weights[:, place].round(4).tolist() for place, name in enumerate(("x", "y", "width", "height"))}


def mirrored(face: Detection) -> Detection:
    """The face in the mirrored image, x counted from 0 leftwards."""
    x0, y0, x1, y1 = face.box_px.tolist()
    return Detection(np.array([-x1, y0, -x0, y1], np.float32), face.landmarks5_px[MIRRORED] * [-1, 1], face.score)


def features(face: Detection, *, with_points: bool) -> np.ndarray:
    """1, and on request the points in sides of the box from its centre."""
    centre, side = place_of(face.box_px)
    points = ((face.landmarks5_px - centre) / side).ravel() if with_points else []
    return np.concatenate([[1.0], points])


def place_of(box_px: np.ndarray) -> tuple[np.ndarray, float]:
    """A box's centre, and the geometric mean of its sides."""
    return (box_px[:2] + box_px[2:]) / 2, float(np.sqrt(max(float(np.prod(box_px[2:] - box_px[:2])), 1e-6)))


def offsets(face: Detection, box_px: np.ndarray) -> np.ndarray:
    """Where another box lies seen from a face's: centre in sides, logarithms of the ratios of the sides."""
    centre, side = place_of(face.box_px)
    ratio = (box_px[2:] - box_px[:2]) / (face.box_px[2:] - face.box_px[:2])
    return np.concatenate([(place_of(box_px)[0] - centre) / side, np.log(ratio)])


def related(face: Detection, relation: Relation | None) -> np.ndarray:
    """The box that MTCNN would give."""
    if relation is None:
        return face.box_px
    known = features(face, with_points=len(relation["x"]) > 1)
    x, y, wide, high = (float(known @ np.array(relation[name])) for name in ("x", "y", "width", "height"))
    centre, side = place_of(face.box_px)
    middle, half = centre + np.array([x, y]) * side, (face.box_px[2:] - face.box_px[:2]) / 2 * np.exp([wide, high])
    return np.concatenate([middle - half, middle + half])
