"""Notices that the frames of a video change size, as those of a recorded call do when the network gets worse."""

from __future__ import annotations

__all__ = ["Sizes"]

NAMED = 3
"""Maximum number of changes that a note lists."""


class Sizes:
    """The sizes of a video's frames, as displayed."""

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None
        self._last: tuple[int, int] | None = None
        self._num_changes = 0
        self._named: list[str] = []

    def add(self, index: int, size: tuple[int, int]) -> None:
        """Take in the next frame.

        Args:
            index: its index in the video.
            size: its width and height in pixels.
        """
        if self._first is None:
            self._first = size
        elif size != self._last:
            self._num_changes += 1
            if len(self._named) < NAMED:
                self._named.append(f"{_shown(size)} from frame {index}")
        self._last = size

    def notes(self) -> list[str]:
        """A note for the user; empty if all frames have one size."""
        if self._first is None or not self._num_changes:
            return []
        more = " ..." if self._num_changes > len(self._named) else ""
        return [
            f"its frames change size ({self._num_changes} x: {_shown(self._first)}, {', '.join(self._named)}{more}); "
            "boxes and points are in pixels of their own frame, and tracks end at each change"
        ]


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} px"
