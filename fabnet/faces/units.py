"""Action units of the face, by their numbers in the Facial Action Coding System."""

from __future__ import annotations

__all__ = ["UNITS", "UNIT_COLUMNS"]

UNITS = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26)
"""The units of EmotioNet and of the paper's Table 3, which `base` reads, too."""
UNIT_COLUMNS = tuple(f"AU{unit:02d}" for unit in UNITS)
"""Names of their columns in tables of readings: AU01 ..."""
