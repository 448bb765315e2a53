"""The number of frames per second that are taken from a video."""

from __future__ import annotations

import math
from typing import Literal

from fabnet.errors import InputError

__all__ = ["check_fps"]


def check_fps(fps: float | Literal["all"] | None, name: str = "fps") -> float | None:
    """Check a number of frames per second.

    Returns:
        The number; None for all frames.

    Raises:
        InputError: it is not a positive number.
    """
    if fps is None or fps == "all":
        return None
    if not 0 < fps < math.inf:
        raise InputError(f"{name} is {fps}: give a positive number of frames per second")
    return fps
