"""Colours to sRGB: transfer functions, primaries, and high dynamic range to the range of a screen.

HDR (PQ and HLG) is first converted to the light of a display of 1,000 cd/m2 (BT.2100; HLG with its system gamma of
1.2). BT.2390's tone curve, applied to the largest of red, green and blue, then maps it to a screen whose white is HDR's
reference white, 203 cd/m2 (BT.2408): light up to about 90 cd/m2 is unchanged, brighter light is compressed. Colours
outside sRGB are clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np

__all__ = ["Colours", "to_srgb"]

PEAK, WHITE = 1000.0, 203.0
"""Peak of the display that HDR is graded for, and HDR's reference white, in cd/m2."""
LINEAR, SRGB, PQ, HLG = 8, 13, 16, 18
"""Numbers of transfer functions in H.273; any other number is treated as sRGB."""
D65 = (0.3127, 0.3290)
CHROMATICITIES: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
"""Chromaticities of red, green, blue and white per H.273 primaries: BT.709, BT.2020, DCI-P3, Display P3."""
BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
SRGB_GAMMA, NEAR_GAMMA, NEAR = 2.2, 0.06, 0.005
"""Exponent of the power function nearest to sRGB's curve; tolerances of exponents and of chromaticities."""
STEPS = 1 << 14
"""Entries of a table over light, in equal steps of its square root: fine enough for 8-bit shadows."""
ROWS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Colours:
    """Colour encoding of a picture."""

    transfer: int | float
    """Transfer function: its number in H.273 (int), or the exponent of a power function (float)."""
    primaries: tuple[tuple[float, float], ...]
    """Chromaticities x, y of red, green, blue and white."""

    @staticmethod
    def by_number(transfer: int, primaries: int) -> Colours | None:
        """Return the encoding for H.273's numbers, as videos and PNGs give them; None: treat the picture as sRGB."""
        is_hdr = transfer in (PQ, HLG)
        known = CHROMATICITIES.get(primaries, CHROMATICITIES[9 if is_hdr else 1])
        if known == CHROMATICITIES[1] and not is_hdr and transfer != LINEAR:
            return None
        return Colours(transfer if is_hdr or transfer == LINEAR else SRGB, known)

    @staticmethod
    def by_gamma(exponent: float, primaries: tuple[tuple[float, float], ...] | None) -> Colours | None:
        """Return the encoding for a power function and chromaticities, as older PNGs give them.

        Args:
            exponent: exponent from number to light; sRGB's is near 2.2.
            primaries: x, y of red, green, blue and white; None: those of sRGB.

        Returns:
            The encoding; None if it is close to sRGB or the chromaticities are unusable.
        """
        usual = CHROMATICITIES[1]
        given = np.array(primaries if primaries is not None else usual)
        is_usual = bool(np.abs(given - np.array(usual)).max() < NEAR)
        is_gamma = abs(exponent - SRGB_GAMMA) < NEAR_GAMMA
        if (is_usual and is_gamma) or given[:, 1].min() < 0.01 or abs(np.linalg.det(_corners(given))) < 0.01:
            return None
        kept = usual if is_usual else tuple((float(x), float(y)) for x, y in given)
        return Colours(SRGB if is_gamma else float(exponent), kept)


def to_srgb(image: np.ndarray, colours: Colours) -> np.ndarray:
    """Convert a picture to sRGB.

    Args:
        image: (H, W, 3) uint8 or uint16 RGB, full range.
        colours: its colour encoding.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    light_of = _light_table(colours.transfer, 1 << 8 * image.dtype.itemsize)
    matrix = _to_bt709(colours.primaries)
    found = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), ROWS_AT_ONCE):  # in strips, because floats take four times the memory
        light = light_of[image[top : top + ROWS_AT_ONCE]]
        if colours.transfer == HLG:
            luma = light @ BT2020_LUMA
            light *= np.power(luma, 0.2, out=luma)[..., None]
        if colours.transfer in (PQ, HLG):
            light *= _compression()[_step(light.max(axis=2))][..., None]
        found[top : top + ROWS_AT_ONCE] = _screen_table()[_step(cv2.transform(light, matrix))]
    return found


def _step(light: np.ndarray) -> np.ndarray:
    """Table index for light, which is clipped to 0..1."""
    return np.asarray(np.rint(np.sqrt(np.clip(light, 0, 1)) * (STEPS - 1))).astype(np.int32)


def _table_light() -> np.ndarray:
    return np.asarray((np.arange(STEPS) / (STEPS - 1)) ** 2)


@lru_cache(maxsize=8)
def _light_table(transfer: int | float, count: int) -> np.ndarray:
    """Light of each number that a picture can hold; 1 is HDR's peak, or white."""
    value = np.arange(count) / (count - 1)
    if isinstance(transfer, float):
        light = value**transfer
    elif transfer == PQ:
        light = np.minimum(_pq_to_light(value) / PEAK, 1)
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    elif transfer == LINEAR:
        light = value
    else:
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@cache
def _screen_table() -> np.ndarray:
    """The sRGB number for each step of light."""
    light = _table_light()
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * value)).astype(np.uint8)


@cache
def _compression() -> np.ndarray:
    """Gain on HDR light for each step of the largest of red, green and blue.

    It is BT.2390's curve from `PEAK` to `WHITE`; the result is 1 at the screen's white.
    """
    light = _table_light()
    whole = float(_light_to_pq(np.array(PEAK)))
    most = float(_light_to_pq(np.array(WHITE))) / whole
    knee = 1.5 * most - 0.5
    value = _light_to_pq(light * PEAK) / whole
    part = np.clip((value - knee) / (1 - knee), 0, 1)
    curve = (
        (2 * part**3 - 3 * part**2 + 1) * knee
        + (part**3 - 2 * part**2 + part) * (1 - knee)
        + (-2 * part**3 + 3 * part**2) * most
    )
    shown = _pq_to_light(np.where(value < knee, value, curve) * whole) / WHITE
    gain = shown / np.maximum(light, 1e-12)
    gain[0] = PEAK / WHITE
    return np.asarray(gain.astype(np.float32))


M1, M2, C1, C2, C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""The constants of PQ (SMPTE ST 2084)."""


def _pq_to_light(value: np.ndarray) -> np.ndarray:
    """PQ numbers in 0..1 to cd/m2."""
    power = value ** (1 / M2)
    return np.asarray(10_000 * (np.maximum(power - C1, 0) / (C2 - C3 * power)) ** (1 / M1))


def _light_to_pq(light: np.ndarray) -> np.ndarray:
    power = (light / 10_000) ** M1
    return np.asarray(((C1 + C2 * power) / (1 + C3 * power)) ** M2)


@lru_cache(maxsize=8)
def _to_bt709(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """(3, 3) map from linear RGB of these primaries to sRGB's, white to white (Bradford)."""
    source, target = _to_xyz(primaries), _to_xyz(CHROMATICITIES[1])
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    white, screen_white = source.sum(axis=1), target.sum(axis=1)
    adapted = np.linalg.inv(cone) @ np.diag((cone @ screen_white) / (cone @ white)) @ cone
    return np.asarray(np.linalg.inv(target) @ adapted @ source, np.float32)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    corners = _corners(np.array(primaries))
    x, y = primaries[3]
    return np.asarray(corners * np.linalg.solve(corners, np.array([x / y, 1, (1 - x - y) / y])))


def _corners(primaries: np.ndarray) -> np.ndarray:
    """(3, 3) X, Y, Z of red, green and blue, one per column, at Y = 1."""
    x, y = primaries[:3].T
    return np.stack([x / y, np.ones(3), (1 - x - y) / y])
