"""Images of a page: known flows have known colours and arrows."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from fabnet.reporting.pictures import data_uri, flow_arrows, flow_colours, flow_legend, share_map, side_by_side, square


def uniform(x: float, y: float, side: int = 16) -> np.ndarray:
    return np.stack([np.full((side, side), x), np.full((side, side), y)])


def test_zero_flow_is_white() -> None:
    assert (flow_colours(uniform(0, 0), largest=1.0) == 255).all()


def test_opposite_flows_have_opposite_hues_and_length_is_saturation() -> None:
    left, right = (flow_colours(uniform(x, 0.001), largest=0.5)[0, 0] for x in (-0.5, 0.5))
    half = flow_colours(uniform(0.25, 0), largest=0.5)[0, 0]
    hues = [int(cv2.cvtColor(c[None, None], cv2.COLOR_RGB2HSV)[0, 0, 0]) for c in (left, right)]
    assert abs(abs(hues[0] - hues[1]) - 90) <= 2
    assert right.min() == 0
    assert 120 <= half.min() <= 135


def test_a_pixel_of_the_wheel_has_the_colour_of_its_flow() -> None:
    wheel = flow_legend(101)
    right, down = (flow_colours(uniform(*offset), largest=1.0)[0, 0] for offset in ((0.5, 0), (0, 0.5)))
    np.testing.assert_allclose(wheel[50, 75].astype(int), right, atol=4)
    np.testing.assert_allclose(wheel[75, 50].astype(int), down, atol=4)
    assert (wheel[0, 0] == 255).all()


def test_arrows_run_from_source_to_target() -> None:
    """A flow of +0.5 half-widths samples to the right: one arrow, from right of the middle to the middle."""
    picture = flow_arrows(np.zeros((65, 65, 3), np.uint8), uniform(0.5, 0, 65), side=65, num_arrows=1)
    rows, columns = np.nonzero(picture[..., 0] > 128)
    assert abs(columns.min() - 32) <= 2
    assert abs(columns.max() - 48) <= 2
    tip = columns < 40
    assert np.ptp(rows[tip]) > np.ptp(rows[~tip])


def test_a_data_uri_decodes_to_the_image() -> None:
    image = square(np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8), 64)
    kind, data = data_uri(image, quality=95).split(",")
    assert kind == "data:image/jpeg;base64"
    back = np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR))[:, :, ::-1]
    assert np.abs(back.astype(int) - image).mean() < 12


def test_a_share_is_brightness() -> None:
    made = share_map(np.array([[0.0, 0.5, 1.0]]))
    assert made[0, :, 0].tolist() == [0, 128, 255]
    assert made.shape == (1, 3, 3)


def test_images_are_placed_side_by_side() -> None:
    black = np.zeros((4, 6, 3), np.uint8)
    made = side_by_side([black, black], gap=2)
    assert made.shape == (4, 14, 3)
    assert (made[:, 6:8] == 255).all()
    assert made[:, :6].max() == made[:, 8:].max() == 0
