"""Faces followed through composed videos whose people are known: no swaps, no faces that are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import fabnet.reading.read_video as read_video_module
from fabnet.encoders.face_reader import FaceReader
from fabnet.encoders.load_encoder import load_for_reading
from fabnet.faces.detect.detection import Detection
from fabnet.faces.detect.load import load_detector
from fabnet.reading.canonical import Eyes, Picture, Settled
from fabnet.reading.follow import AHEAD, FollowedFrame, PieceFrame, follow_piece
from fabnet.reading.read_video import DISSOLVES, ReadFrame, VideoFaces, read_video
from fabnet.video.link import ADJACENT_S, Linker
from fabnet.video.track_video import TrackedFace
from tests.video.composed import (
    Composed,
    Verdict,
    blended,
    hard_cut,
    judge,
    leaving,
    load_clip,
    passing,
    side_by_side,
    two_of,
)

People = dict[str, list[np.ndarray]]


@pytest.fixture(scope="module")
def two(smiling: Path) -> People:
    return two_of(load_clip(smiling))


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    encoder = load_for_reading("base")
    return Eyes(encoder, encoder.required_reader())


def frames_of(path: Path, eyes: Eyes, counts: VideoFaces | None = None) -> list[ReadFrame]:
    return list(
        read_video(
            path, eyes, partial(load_detector, "yunet"), fps=None, search_every_s=1.0,
            counts=counts or VideoFaces(), num_threads=2,
        )
    )  # fmt: skip


def judged(video: Composed, frames: list[ReadFrame], reader: FaceReader) -> Verdict:
    """The tracks, compared with the people; every frame is there once, in order, with one row per track."""
    assert [frame.number for frame in frames] == list(range(len(video.frames)))
    faces = []
    for frame in frames:
        assert len(set(frame.tracks)) == len(frame.tracks) == len(frame.scores) == len(frame.faces.outputs)
        assert bool(frame.reason) == (not frame.tracks)
        seen = frame.faces.seen
        points = reader.points5(reader.outputs(seen.embeddings), seen)
        for track, five in zip(frame.tracks, points, strict=True):
            box = np.concatenate([five.min(axis=0), five.max(axis=0)])
            no_crop = np.zeros((1, 1, 3), np.uint8)
            faces.append(TrackedFace(track, frame.number, frame.time_s, box, five, 1.0, box, no_crop))
        there = video.who[frame.number]
        assert there is None or len(frame.tracks) <= len(there), frame.number
    return judge(video, faces, every=1)


@dataclass(frozen=True)
class Case:
    """A composed video, and the tracks and shares that `track` gives of it when it keeps every frame.

    A face that is half covered may be split once more: its similarity from frame to frame is near the least that is
    needed, so that the last bit of a pixel decides, and OpenCV 4 rounds otherwise than 5.
    """

    video: Composed
    tracks: dict[str, int]
    share: dict[str, float]


def case(name: str, two: People) -> Case:
    first, second = two.items()
    both = {"he": 1, "other": 1}
    match name:
        case "side by side":
            return Case(side_by_side(two, 60), both, {"he": 1.0, "other": 1.0})
        case "cut":
            return Case(hard_cut(two, 40), both, {"he": 1.0, "other": 1.0})
        case "passing":
            return Case(passing(first, second, count=75), {"he": 4, "other": 1}, {"he": 0.65, "other": 1.0})
        case "covering":
            covering = passing(first, second, count=75, is_turning=True)
            return Case(covering, {"he": 4, "other": 1}, {"he": 0.3, "other": 1.0})
        case "dissolve":
            return Case(blended(first, second, each=40, count=25), both, {"he": 0.92, "other": 0.92})
        case "fade":
            return Case(blended(first, second, each=40, count=8, through=0), both, {"he": 0.92, "other": 0.92})
        case "leaving":
            return Case(leaving(first, seen=40, away=50), {"he": 2}, {"he": 0.97})
        case _:
            four = {"a": two["he"], "b": two["other"], "c": two["he"][60:], "d": two["other"][60:]}
            return Case(side_by_side(four, 50), dict.fromkeys(four, 1), dict.fromkeys(four, 1.0))


@pytest.mark.parametrize(
    "name", ["side by side", "cut", "passing", "covering", "dissolve", "fade", "leaving", "four at once"]
)
def test_people_are_never_mixed(two: People, eyes: Eyes, tmp_path: Path, name: str) -> None:
    made = case(name, two)
    found = judged(made.video, frames_of(made.video.write(tmp_path / "made.mp4"), eyes), eyes.reader)
    assert found.num_mixed == 0, found
    assert found.num_blended == 0, found
    assert found.tracks_of.keys() == made.tracks.keys()
    assert all(found.tracks_of[who] <= most for who, most in made.tracks.items()), found
    assert all(found.share[who] >= least for who, least in made.share.items()), found


@pytest.mark.parametrize("fps", [8.0, 10.0])
def test_a_followed_face_is_compared_before_it_would_begin_another_track(
    smiling: Path, eyes: Eyes, monkeypatch: pytest.MonkeyPatch, fps: float
) -> None:
    times_s = []
    push = Linker.push

    def noted(self: Any, time_s: float, *given: Any) -> Any:
        times_s.append(time_s)
        return push(self, time_s, *given)

    monkeypatch.setattr(Linker, "push", noted)
    detector = partial(load_detector, "yunet")
    options: dict[str, Any] = {"search_every_s": 1.0, "counts": VideoFaces(), "num_threads": 1}
    assert {frame.tracks for frame in read_video(smiling, eyes, detector, fps=fps, **options)} == {(0,)}
    assert np.diff(times_s).max() <= read_video_module.LINK_EVERY_S < ADJACENT_S


def test_a_frame_after_a_dissolve_is_read(two: People, eyes: Eyes, tmp_path: Path) -> None:
    video = blended(*two.items(), each=40, count=25)
    frames = frames_of(video.write(tmp_path / "made.mp4"), eyes)
    assert {frame.reason for frame in frames} == {"", DISSOLVES}
    between = [frame.number for frame in frames if frame.reason]
    assert between == list(range(between[0], between[-1] + 1))


def replaced(people: People, after: int) -> Composed:
    """One face at another's place, in a wide picture of which little changes, so that it is not a cut."""
    video = Composed()
    wide = cv2.resize(cv2.GaussianBlur(next(iter(people.values()))[0], (0, 0), 40), (640, 480))
    for number in range(60):
        name = list(people)[number >= after]
        frame = wide.copy()
        frame[200:328, 250:378] = cv2.resize(people[name][number], (128, 128), interpolation=cv2.INTER_AREA)
        video.add(frame, [(name, (0, 0, 640, 480))])
    return video


def is_replaced(people: People, after: int, eyes: Eyes, folder: Path) -> None:
    video = replaced(people, after)
    frames = frames_of(video.write(folder / "made.mp4"), eyes)
    assert judged(video, frames, eyes.reader).num_mixed == 0
    assert [frame.tracks for frame in frames[:after]] == [(0,)] * after
    assert all(len(frame.tracks) == 1 and frame.tracks != (0,) for frame in frames[after:])


@pytest.mark.parametrize("after", [25, 33])
def test_a_face_replaced_at_its_place_is_another_track_at_once(
    two: People, eyes: Eyes, tmp_path: Path, after: int
) -> None:
    """Where a piece begins, and inside one."""
    is_replaced(two, after, eyes, tmp_path)


@pytest.mark.parametrize("pair", [("d10", "d18"), ("d3", "d9"), ("d14", "d13")])
def test_another_person_at_a_persons_place_is_another_track(
    shared_data: Path, eyes: Eyes, tmp_path: Path, pair: tuple[str, str]
) -> None:
    clips = {name: load_clip(shared_data / "talking_clips" / f"{name}.mp4", count=60) for name in pair}
    is_replaced(clips, 33, eyes, tmp_path)


def test_no_faces_where_there_are_none(two: People, eyes: Eyes, tmp_path: Path) -> None:
    video = leaving(("he", two["he"]), seen=20, away=60)
    counts = VideoFaces()
    frames = frames_of(video.write(tmp_path / "made.mp4"), eyes, counts)
    assert [frame.number for frame in frames if frame.tracks] == [*range(20), *range(80, 100)]
    assert {frame.reason for frame in frames[20:80]} == {"no face found"}
    assert counts.frames_decoded == 100
    assert counts.frames_searched < 50
    assert counts.looks < 70


def pieces(frames: list[np.ndarray]) -> list[PieceFrame]:
    return [PieceFrame(number, number / 25, frame, np.zeros(1536, np.float32)) for number, frame in enumerate(frames)]


def followed(frames: list[np.ndarray], eyes: Eyes, found: list[Detection]) -> list[FollowedFrame]:
    """Frames followed with a detector that always finds the same."""
    return list(follow_piece(pieces(frames), eyes, lambda image: found))


def test_what_is_not_a_face_is_not_followed(two: People, eyes: Eyes) -> None:
    wrong = Detection(np.array([0, 0, 40, 40], np.float32), np.zeros((5, 2), np.float32), 0.99)
    for frame in followed(two["he"][:4], eyes, [wrong]):
        assert frame.numbers == ()
        assert len(frame.faces.outputs) == 0


def test_a_face_that_is_detected_twice_is_one(two: People, eyes: Eyes) -> None:
    face = load_detector("yunet")(two["he"][0])[0]
    shifts = [np.zeros(4), np.full(4, 25.0), np.array([-20, 20, -20, 20.0])]
    several = [Detection(face.box_px + shift, face.landmarks5_px, 0.9) for shift in shifts]
    for frame in followed(two["he"][:6], eyes, several):
        assert frame.numbers == (0,)


def test_a_lost_face_is_found_again(two: People, eyes: Eyes) -> None:
    empty = cv2.GaussianBlur(two["he"][0], (0, 0), 40)
    frames = [*two["he"][:3], *[empty] * 8, *two["he"][11:20]]
    found = load_detector("yunet")(two["he"][0])[:1]
    seen = [len(frame.numbers) for frame in followed(frames, eyes, found)]
    assert seen[:3] == [1, 1, 1]
    assert seen[3:11] == [0] * 8
    assert seen[13:] == [1] * 7  # every third frame is searched


def test_a_piece_without_frames_or_faces(two: People, eyes: Eyes) -> None:
    assert followed([], eyes, []) == []
    grey = [np.full((90, 120, 3), 128, np.uint8)] * 4
    for frame in followed(grey, eyes, []):
        assert frame.faces.outputs.shape == (0, 6)
        assert frame.scores == ()


def test_a_lone_face_is_looked_at_on_several_frames_at_once(two: People, eyes: Eyes, tmp_path: Path) -> None:
    calls: list[int] = []

    class Counting(Eyes):
        def look(self, images: Sequence[Picture], boxes_px: np.ndarray, turns_deg: np.ndarray) -> Settled:
            calls.append(len(images))
            return super().look(images, boxes_px, turns_deg)

    path = Composed([two["he"][0]] * 24).write(tmp_path / "still.mp4")
    frames = frames_of(path, Counting(eyes.encoder, eyes.reader))
    assert [frame.tracks for frame in frames] == [(0,)] * 24
    assert calls.count(AHEAD) >= 7
    assert sum(calls) < 24 + 6


def test_a_face_that_turns_back_is_not_lost(two: People, eyes: Eyes, tmp_path: Path) -> None:
    picture, frames, shifts = two["he"][0], [], []
    for number in range(36):  # a quarter of the face's width per frame, back and forth
        shifts.append(14 * (number % 4 if number // 4 % 2 == 0 else 4 - number % 4) - 28)
        frames.append(np.roll(picture, shifts[-1], axis=1))
    found = frames_of(Composed(frames).write(tmp_path / "moving.mp4"), eyes)
    assert [frame.tracks for frame in found] == [(0,)] * 36
    middles = np.array([frame.faces.next_px[0, [0, 2]].mean() for frame in found]) - shifts
    assert np.abs(middles - np.median(middles)).max() < 4


def test_no_more_pictures_wait_than_there_is_room_for(
    smiling: Path, eyes: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = frames_of(smiling, eyes)
    reading: list[int] = [0, 0]
    read_piece = read_video_module._read_piece

    def counted(*args: Any) -> Any:
        reading[0] += 1
        reading[1] = max(reading)
        try:
            return read_piece(*args)
        finally:
            reading[0] -= 1

    monkeypatch.setattr(read_video_module, "_read_piece", counted)
    monkeypatch.setattr(read_video_module, "MAX_WAITING_BYTES", 1)
    found = frames_of(smiling, eyes)
    assert reading == [0, 1]
    assert [frame.number for frame in found] == [frame.number for frame in plain]
    assert all(
        np.array_equal(a.faces.seen.embeddings, b.faces.seen.embeddings) for a, b in zip(found, plain, strict=True)
    )
