"""A picture with what was read off its faces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fabnet.encoders.face_reader import LANDMARKS
from fabnet.errors import InputError
from fabnet.faces.find import read_photo
from fabnet.faces.pose import ANGLES, head_axes
from fabnet.plotting.canvas import GREY, axes_for, without_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_face"]

POINTS = f"{LANDMARKS}_px"
NEEDED = ("box_px", POINTS, *(f"pose_{name}_deg" for name in ANGLES), "out_of_range")
COLOURS = ("#e4572e", "#1b9e77", "#3d78d8")
"""Of the head's x, y and z axes, as in docs/figures/pose.png."""
POINT, SHADE = "#ffeb78", "#000000"


def plot_face(
    picture: np.ndarray | str | Path,
    rows: pa.Table | Mapping[str, Any] | Iterable[Mapping[str, Any]],
    *,
    frame: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a picture with the 68 points, the head's axes and the expression of its faces.

    The axes of a head are x (red) to the image's right, y (green) up and z (blue) out of the face; docs/conventions.md
    has them. A face that is out of range is grey, with the reason.

    Args:
        picture: (H, W, 3) uint8 RGB, a photo's path, or with `frame` a video's.
        rows: rows of a table of `read` for this picture: a table, a dict, or several dicts. Rows without a face are
            left out.
        frame: number of a frame, as in the column frame: this frame of the video, and only its rows.
        ax: the axes to draw on; None: those of a new figure.

    Returns:
        The axes; pixels to the right and down, as in docs/conventions.md.

    Raises:
        InputError: the picture cannot be read, the video has no such frame, or the rows lack columns of `read`.
        MissingDependencyError: Matplotlib is not installed.
    """
    listed = rows.to_pylist() if isinstance(rows, pa.Table) else [rows] if isinstance(rows, Mapping) else list(rows)
    missing = [name for name in NEEDED for row in listed[:1] if name not in row]
    if missing:
        raise InputError(f"the rows have no column {', '.join(missing)}; expected rows of what fabnet.read gives")
    if frame is not None:
        listed = [row for row in listed if row["frame"] == frame]
    image = _image(picture, frame)
    height, width = image.shape[:2]
    ax = axes_for(ax, size_in=(5, 5 * height / width))
    ax.imshow(image, extent=(0, width, height, 0))
    for row in listed:
        if row[POINTS] is not None:
            _draw(ax, row)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    without_ticks(ax)
    return ax


def _image(picture: np.ndarray | str | Path, frame: int | None) -> np.ndarray:
    if isinstance(picture, np.ndarray):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise InputError(f"expected a picture (H, W, 3) uint8 RGB; got {picture.shape} {picture.dtype}")
        return picture
    if frame is None:
        return read_photo(picture)
    from fabnet.video.decode import read_frames

    for each in read_frames(Path(picture)):
        if each.index == frame:
            return each.image
    raise InputError(f"{picture} has no frame {frame}")


def _draw(ax: Axes, row: Mapping[str, Any]) -> None:
    from matplotlib.patheffects import withStroke

    points = np.asarray(row[POINTS], np.float64).reshape(-1, 2)
    box = np.asarray(row["box_px"], np.float64)
    side, why_not = float(np.sqrt(np.prod(box[2:] - box[:2]))), row["out_of_range"]
    ax.scatter(
        points[:, 0], points[:, 1], s=6, color=GREY if why_not else POINT, edgecolor=SHADE, linewidth=0.3, zorder=2
    )
    ends = side / 2 * head_axes(np.radians([row[f"pose_{name}_deg"] for name in ANGLES]))
    origin = points.mean(axis=0)
    for axis in np.argsort(ends[:, 2]).tolist():  # axes that point away are drawn first
        ax.plot(
            *zip(origin, origin + ends[axis, :2], strict=True), color=GREY if why_not else COLOURS[axis], linewidth=2.5,
            solid_capstyle="round", path_effects=[withStroke(linewidth=4, foreground=SHADE)], zorder=3,
        )  # fmt: skip
    name = row.get("expression")
    share = "" if row.get(f"expression_{name}") is None else f" {row[f'expression_{name}']:.0%}"
    text = f"out of range: {why_not}" if why_not else f"{name or ''}{share}"
    ax.text(
        (box[0] + box[2]) / 2, max(box[1], 0), text, horizontalalignment="center", verticalalignment="bottom",
        color="#bbbbbb" if why_not else "#ffffff", parse_math=False, clip_on=True, fontsize="small",
        bbox={"facecolor": SHADE, "alpha": 0.6, "pad": 2, "linewidth": 0},
    )  # fmt: skip
