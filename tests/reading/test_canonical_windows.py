"""Windows around faces: how they are cut."""

from __future__ import annotations

import numpy as np
import pytest

import fabnet
from fabnet.faces.crop import cut
from fabnet.reading.canonical import Eyes


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    encoder = fabnet.load("base")
    return Eyes(encoder, encoder.required_reader())


def smooth(height: int, width: int) -> np.ndarray:
    """A picture with structure of some ten pixels."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / 9 + shift) * np.cos(y / 13 - shift) for shift in range(3)]
    return np.stack(waves, 2).astype(np.uint8)


@pytest.mark.parametrize(
    ("x0", "y0", "side"),
    [(30.3, 20.7, 50), (30.3, 20.7, 140.4), (12.2, 9.8, 211), (-40.6, 30.1, 200.3), (150.2, 90.4, 300.7), (5, 5, 530.9),
     (-400.2, 20, 150), (700, 900, 333.3)],
)  # fmt: skip
def test_a_window_is_embedded_as_it_is_cut(eyes: Eyes, x0: float, y0: float, side: float) -> None:
    image = smooth(300, 400)
    seen = eyes.look([image], np.array([[x0, y0, x0 + side, y0 + side]]), np.zeros(1)).seen
    box = seen.boxes_px[0]
    assert np.abs(box - [x0, y0, x0 + side, y0 + side]).max() < 0.01 * side  # the window that it says it saw
    assert box[2] - box[0] == pytest.approx(box[3] - box[1], abs=1e-3)
    exactly = eyes.encoder.embed_views(cut(image, box, eyes.encoder.card.size)[None])
    np.testing.assert_allclose(seen.embeddings, exactly, atol=0.03 * float(np.abs(exactly).max()))
