"""Decodes pictures with OpenCV, which does not know the largest number of a PPM or PGM, nor a TIFF in CIELAB."""

from __future__ import annotations

import re

import cv2
import numpy as np

from fabnet.errors import InputError
from fabnet.faces.tiff import tiff_numbers

__all__ = ["decoded", "netpbm_header"]

GAP = rb"(?:\s|#[^\n]*\n)+"
NETPBM = re.compile(rb"P[56]" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,5})\s")
HEAD_BYTES = 1024
PHOTOMETRIC, LAB = 262, (8, 9, 10)
"""Tag of a TIFF for what its numbers mean, and its values for CIELAB."""


def netpbm_header(data: bytes) -> tuple[int, int, int] | None:
    """Width, height and largest number of a PPM or PGM; None: it is neither."""
    found = NETPBM.match(data[:HEAD_BYTES])
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def decoded(data: bytes, flag: int) -> np.ndarray | None:
    """Decode a picture with OpenCV, and bring its numbers to 0..255, where 255 is white.

    Args:
        data: the file.
        flag: OpenCV's `imread` flag.

    Returns:
        (H, W, 3) uint8 BGR; None if OpenCV cannot decode it.

    Raises:
        InputError: the colours are CIELAB, of which OpenCV swaps red and blue.
    """
    header = netpbm_header(data)
    largest = 255 if header is None or not 0 < header[2] < 65_535 else header[2]
    if tiff_numbers(data, (PHOTOMETRIC,)).get(PHOTOMETRIC) in LAB:
        raise InputError("the colours of the TIFF are CIELAB: save it as RGB")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag | (cv2.IMREAD_ANYDEPTH if largest > 255 else 0))
    except cv2.error:
        return None
    if image is not None and largest != 255:  # a camera of 10 or 12 bits, say
        levels = np.rint(np.minimum(np.arange(65_536) / largest, 1) * 255).astype(np.uint8)
        image = levels[image]
    return None if image is None else np.asarray(image)
