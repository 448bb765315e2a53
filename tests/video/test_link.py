"""Linking, with synthetic boxes and descriptions."""

from __future__ import annotations

import numpy as np

from fabnet.faces.detect.detection import Detection
from fabnet.video.appearance import describe, similarity
from fabnet.video.link import MAX_GAP_S, Linker

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
Face = tuple[float, float, float, np.ndarray]


def looks(person: int, *, like: float = 1.0, moment: int = 0) -> np.ndarray:
    """A unit vector; two moments of a person have the similarity `like` ** 2, two people none."""
    own = np.zeros(64, np.float32)
    own[person] = np.sqrt(like)
    other = np.zeros(64, np.float32)
    other[10 + (7 * person + moment) % 54] = np.sqrt(1 - like)
    return own + other


def detection(x: float, y: float, side: float, score: float = 0.99) -> Detection:
    box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)
    return Detection(box, POINTS * side + box[:2], score)


def run(frames: list[list[Face]], *, shots: list[int | None] | None = None, fps: float = 5.0) -> list[list[int | None]]:
    linker = Linker()
    numbers = []
    for number, faces in enumerate(frames):
        found = [detection(x, y, side) for x, y, side, _ in faces]
        shot = 0 if shots is None else shots[number]
        numbers.append(linker.push(number / fps, shot, found, [face[3] for face in faces]))
    return numbers


def test_one_face_is_one_track() -> None:
    assert run([[(100 + 5 * n, 100, 80, looks(0, like=0.9, moment=n))] for n in range(20)]) == [[0]] * 20


def test_two_faces_are_two_whatever_their_order() -> None:
    a, b = (100.0, 100.0, 80.0, looks(0)), (300.0, 100.0, 80.0, looks(1))
    assert run([[a, b], [b, a], [a, b]]) == [[0, 1], [1, 0], [0, 1]]


def test_two_people_who_look_alike_are_told_apart_by_position() -> None:
    a, b = (100.0, 100.0, 80.0, looks(0)), (300.0, 100.0, 80.0, looks(0))
    assert run([[a, b], [b, a], [a, b]]) == [[0, 1], [1, 0], [0, 1]]


def test_a_cut_ends_every_track() -> None:
    face = (100.0, 100.0, 80.0, looks(0))
    assert run([[face]] * 4, shots=[0, 0, 1, 1]) == [[0], [0], [1], [1]]


def test_a_frame_within_a_dissolve_belongs_to_no_track() -> None:
    face = (100.0, 100.0, 80.0, looks(0))
    assert run([[face]] * 4, shots=[0, None, 1, 1]) == [[0], [None], [1], [1]]


def test_another_face_at_the_same_position_is_another_track() -> None:
    frames = [[(100.0, 100.0, 80.0, looks(0))]] * 3 + [[(100.0, 100.0, 80.0, looks(1))]] * 3
    assert run(frames) == [[0]] * 3 + [[1]] * 3


def test_a_short_gap_is_bridged_where_the_face_was() -> None:
    face = (100.0, 100.0, 80.0, looks(0))
    assert run([[face]] * 3 + [[]] * 4 + [[face]] * 2) == [[0]] * 3 + [[]] * 4 + [[0]] * 2


def test_long_distant_or_different_gaps_are_not_bridged() -> None:
    face = (100.0, 100.0, 80.0, looks(0))
    frames = round(MAX_GAP_S * 5) + 1
    assert run([[face], *[[]] * frames, [face]])[-1] == [1]
    assert run([[face], *[[]] * 3, [(190.0, 100.0, 80.0, looks(0))]])[-1] == [1]
    assert run([[face], *[[]] * 3, [(100.0, 100.0, 80.0, looks(0, like=0.3, moment=3))]])[-1] == [1]


def test_a_jump_across_the_picture_is_another_track() -> None:
    assert run([[(100.0, 100.0, 80.0, looks(0))], [(300.0, 100.0, 80.0, looks(0))]]) == [[0], [1]]
    assert run([[(100.0, 100.0, 80.0, looks(0))], [(100.0, 100.0, 160.0, looks(0))]]) == [[0], [1]]


def test_two_people_who_cross_keep_their_tracks_by_appearance() -> None:
    frames: list[list[Face]] = [
        [(100 + 20 * n, 100, 80, looks(0, like=0.95, moment=n)), (300 - 20 * n, 110, 80, looks(1, like=0.95, moment=n))]
        for n in range(11)
    ]
    assert run(frames) == [[0, 1]] * 11


def test_twins_who_cross_end_their_tracks() -> None:
    frames = [[(100 + 20.0 * n, 100.0, 80.0, looks(0)), (300 - 20.0 * n, 101.0, 80.0, looks(0))] for n in range(11)]
    numbers = run(frames)
    assert numbers[:2] == [[0, 1]] * 2
    assert not {0, 1} & set(numbers[-1])
    # Whatever happened in the middle, no number went from one to the other.
    lefts, rights = ({row[place] for row in numbers} for place in (0, 1))
    assert not lefts & rights


def test_a_face_in_front_does_not_take_the_hidden_faces_track() -> None:
    a = [(100 + 25.0 * n, 100.0, 80.0, looks(0)) for n in range(9)]
    b = (200.0, 100.0, 80.0, looks(1))
    frames = [[face] if abs(face[0] - 200) < 60 else [face, b] for face in a]
    numbers = run(frames)
    assert [row[0] for row in numbers] == [0] * 9
    assert 0 not in [row[1] for row in numbers if len(row) == 2]


def test_a_doubtful_detection_starts_no_track() -> None:
    linker = Linker()
    assert linker.push(0.0, 0, [detection(100, 100, 80, score=0.75)], [looks(0)]) == [None]
    assert linker.push(0.2, 0, [detection(100, 100, 80, score=0.9)], [looks(0)]) == [0]
    assert linker.push(0.4, 0, [detection(100, 100, 80, score=0.75)], [looks(0)]) == [0]


def test_descriptions_ignore_brightness_position_and_size() -> None:
    rng = np.random.default_rng(0)
    import cv2

    image = cv2.GaussianBlur(rng.integers(0, 256, (240, 240, 3), dtype=np.uint8), (0, 0), 5)
    image = cv2.normalize(image, None, 30, 200, cv2.NORM_MINMAX)
    points = POINTS * 100 + 70
    first = describe(image, points)
    assert float(np.linalg.norm(first)) == np.float32(1.0) or abs(float(np.linalg.norm(first)) - 1) < 1e-4
    bright = np.clip(image.astype(np.float32) * 1.2 + 5, 0, 255).astype(np.uint8)
    moved = np.roll(image, (13, -9), (0, 1))
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR)
    assert similarity(first, describe(bright, points)) > 0.97
    assert similarity(first, describe(moved, points + [-9, 13])) > 0.99
    assert similarity(first, describe(large, points * 3)) > 0.97
    assert similarity(first, describe(np.ascontiguousarray(image[:, ::-1]), points)) < 0.5
