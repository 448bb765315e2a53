"""The options of `search`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fabnet.encoders.embedder import Embedder
from fabnet.errors import InputError
from fabnet.options import Options

__all__ = ["SearchOptions"]


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Options):
    """The options of `search`."""

    k: int = 10
    """Number of neighbours."""
    other_identities: bool = False
    """Leave out the people that the rows searched for show. Who is on a photo is not known."""
    where: str | None = None
    """A condition on the dataset's columns, in SQL; pose and the like are columns after embed --attributes."""
    video: str | None = None
    """Only rows of this video."""
    time: str | tuple[float | None, float | None] | None = None
    """Only rows between two times of their video, A:B in seconds; either may be left out. In Python also a pair."""
    index: bool = False
    """Use the index whatever the size, and build it if there is none."""
    exact: bool = False
    """Compare with all rows whatever the size."""
    sheet: Path | None = None
    """PNG file to write a contact sheet to: what was searched for, and the neighbours."""
    model: str | Path | Embedder | None = None
    """The model that made the embeddings, for photos; by default the one that the dataset names."""
    crop: Literal["detect", "none"] = "detect"
    """detect: take the largest face of a photo; none: take the photo as a face crop."""
    min_face: float | None = None
    """Side of the smallest face to find in a photo, in pixels; by default 1/64 of its longer side, at least 20.
    Smaller takes longer."""
    device: str = "auto"
    """For models that run on torch: auto, cpu, cuda or cuda:N."""

    def check(self) -> None:
        """Check the number of neighbours, the times, the index and the sheet."""
        if self.k < 1:
            raise InputError(f"k must be 1 or more; got {self.k}")
        if self.index and self.exact:
            raise InputError("--index and --exact exclude each other; give one of them")
        if any(bound is not None and not math.isfinite(bound) for bound in self.times):
            raise InputError(f"times must be finite numbers of seconds, or left out; got {self.time}")
        if self.sheet is not None and self.sheet.suffix.lower() != ".png":
            raise InputError(f"a contact sheet needs a file name that ends in .png; got {self.sheet}")

    @property
    def times(self) -> tuple[float | None, float | None]:
        """From when to when, in seconds; None: from the start, to the end."""
        if not isinstance(self.time, str):
            return self.time or (None, None)
        first, colon, last = self.time.partition(":")
        try:
            begin, end = (float(part) if part.strip() else None for part in (first, last))
        except ValueError:
            colon = ""
        if not colon:
            raise InputError(f"--time takes two numbers of seconds, as 60:90, 60: or :90; got {self.time!r}")
        return begin, end
