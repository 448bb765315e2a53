"""Draws a contact sheet: the queries on the left, their neighbours in rows beside them, each with a label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fabnet.errors import InputError
from fabnet.faces.picture import decode_picture, png_bytes
from fabnet.files.output import written_whole
from fabnet.retrieval.gallery import Neighbour

__all__ = ["COLUMNS", "decode_stored", "draw_sheet", "labels", "sheet_png", "write_sheet"]

TILE_PX = 144
LABEL_PX = 40
GAP_PX = 10
MAX_LETTERS = 200
"""Length to which a label is cut before it is fitted, because fitting takes time per letter."""
COLUMNS = 5
INK, FAINT, PAPER, ACCENT = (30, 30, 30), (120, 120, 120), (255, 255, 255), (46, 110, 190)
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4


def _fitted(text: str, width_px: int) -> str:
    """Shorten a text in its middle to a maximum width; letters that the font lacks become "?"."""
    text = text[:MAX_LETTERS].encode("ascii", "replace").decode()
    shown, keep = text, len(text)
    while cv2.getTextSize(shown, FONT, FONT_SCALE, 1)[0][0] > width_px and keep > 4:
        keep -= 1
        shown = text[: (keep + 1) // 2] + ".." + text[len(text) - keep // 2 :]
    return shown


def _tile(picture: np.ndarray | None, lines: Sequence[tuple[str, tuple[int, int, int]]], is_query: bool) -> np.ndarray:
    tile = np.full((TILE_PX + LABEL_PX, TILE_PX, 3), PAPER, dtype=np.uint8)
    if picture is None:
        tile[:TILE_PX] = 235
    else:
        shrinks = max(picture.shape[:2]) > TILE_PX
        tile[:TILE_PX] = cv2.resize(
            picture, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )
    if is_query:
        cv2.rectangle(tile, (1, 1), (TILE_PX - 2, TILE_PX - 2), ACCENT, 3)
    for number, (text, colour) in enumerate(lines[:2]):
        place = (2, TILE_PX + 15 + 17 * number)
        cv2.putText(tile, _fitted(text, TILE_PX - 4), place, FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)
    return tile


def labels(row: Neighbour) -> list[tuple[str, tuple[int, int, int]]]:
    """The lines under a neighbour: rank, cosine and time, then who it is, each with its colour."""
    when = "" if row["frame"] is None else f"frame {row['frame']}"
    if row["time_s"] is not None and math.isfinite(row["time_s"]):
        when = f"{row['time_s']:.1f} s"
    return [(f"{row['rank']}  {row['similarity']:.3f}  {when}", INK), (str(row["identity"] or ""), FAINT)]


def draw_sheet(
    queries: Sequence[tuple[np.ndarray | None, str]], neighbours: Sequence[tuple[np.ndarray | None, Neighbour]]
) -> np.ndarray:
    """Draw a contact sheet.

    Args:
        queries: each query's face, (H, W, 3) uint8 RGB or None, which is drawn grey, and its name.
        neighbours: each neighbour's face, (H, W, 3) uint8 RGB or None, and its row.

    Returns:
        (H, W, 3) uint8 RGB: the queries framed in a column on the left, the neighbours in rows of five, by rank.
    """
    left = [
        _tile(picture, [(f"query {number}" if len(queries) > 1 else "query", ACCENT), (name, FAINT)], True)
        for number, (picture, name) in enumerate(queries, 1)
    ]
    right = [_tile(picture, labels(row), False) for picture, row in neighbours]
    num_rows = max(len(left), -(-len(right) // COLUMNS), 1)
    step_y, step_x = TILE_PX + LABEL_PX + GAP_PX, TILE_PX + GAP_PX
    columns = 1 + min(len(right), COLUMNS)
    sheet = np.full((num_rows * step_y + GAP_PX, columns * step_x + 2 * GAP_PX, 3), PAPER, dtype=np.uint8)
    places = [(number, 0) for number in range(len(left))]
    places += [(number // COLUMNS, 1 + number % COLUMNS) for number in range(len(right))]
    for tile, (row, column) in zip([*left, *right], places, strict=True):
        y, x = GAP_PX + row * step_y, GAP_PX + column * step_x + (GAP_PX if column else 0)
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def decode_stored(data: bytes | None) -> np.ndarray | None:
    """Decode a dataset's thumbnail to (H, W, 3) uint8 RGB; None if it is missing or cannot be decoded."""
    try:
        return None if data is None else decode_picture(data)
    except InputError:
        return None


def sheet_png(
    queries: Sequence[tuple[np.ndarray | None, str]], neighbours: Sequence[tuple[np.ndarray | None, Neighbour]]
) -> bytes:
    """The contact sheet of `draw_sheet` as the bytes of a PNG."""
    return png_bytes(draw_sheet(queries, neighbours))


def write_sheet(
    file: Path, queries: Sequence[tuple[np.ndarray | None, str]], neighbours: Sequence[tuple[bytes | None, Neighbour]]
) -> None:
    """Write the contact sheet of a search as a PNG.

    Args:
        file: the file to write.
        queries: see `draw_sheet`.
        neighbours: JPEG bytes of each face, and its row, which has `rank` and `similarity`; a face without bytes, or
            whose bytes cannot be decoded, is drawn grey.

    Raises:
        OutputError: the file cannot be written.
    """
    faces = [(decode_stored(data), row) for data, row in neighbours]
    with written_whole(file) as partial:
        partial.write_bytes(sheet_png(queries, faces))
