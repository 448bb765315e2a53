"""Tracks of videos whose people are known: no track may contain two of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fabnet.faces.detect.load import load_detector
from fabnet.video.decode import read_frames
from fabnet.video.track_video import VideoStats, track_video

from .composed import (
    FPS,
    Composed,
    Verdict,
    alone,
    blended,
    hard_cut,
    judge,
    leaving,
    load_clip,
    passing,
    side_by_side,
    two_of,
    write_video,
)

People = dict[str, list[np.ndarray]]
CLIPS = ("d0", "d3", "d6", "d9", "d10", "d12", "d13", "d14", "d18", "d19", "d20")


@pytest.fixture(scope="module")
def two(smiling: Path) -> People:
    return two_of(load_clip(smiling))


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> People:
    return {name: load_clip(shared_data / "talking_clips" / f"{name}.mp4", count=120) for name in CLIPS}


def verdict(video: Composed, folder: Path, fps: float = 5.0) -> Verdict:
    path = video.write(folder / "composed.mp4")
    return judge(video, list(track_video(path, load_detector(), fps=fps)))


def scenes(people: People) -> dict[str, Callable[[], Composed]]:
    """What makes everything that can happen to two people in a video."""
    first, second = people.items()
    made: dict[str, Callable[[], Composed]] = {
        "side by side": partial(side_by_side, people, 60),
        "cut": partial(hard_cut, people, 40),
        "passing": partial(passing, first, second, count=75),
        "passing fast": partial(passing, first, second, count=35),
        "covering": partial(passing, first, second, count=75, is_turning=True),
    }
    for count in (8, 25, 50):
        made[f"dissolve of {count} frames"] = partial(blended, first, second, each=40, count=count)
        made[f"fade to black of {count} frames"] = partial(blended, first, second, each=40, count=count, through=0)
    return made


class Scene(NamedTuple):
    """A composed video of two people, written to a file."""

    name: str
    video: Composed
    path: Path


@pytest.fixture(scope="module", params=list(scenes({"a": [], "b": []})))
def scene(request: pytest.FixtureRequest, two: People, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    video = scenes(two)[request.param]()
    return Scene(request.param, video, video.write(tmp_path_factory.mktemp("scene") / "composed.mp4"))


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
def test_two_people_of_one_clip(scene: Scene, detector: str) -> None:
    found = judge(scene.video, list(track_video(scene.path, load_detector(detector), fps=5.0)))
    assert found.num_mixed == 0, found
    assert set(found.tracks_of) == {"he", "other"}
    if "pass" not in scene.name and "cover" not in scene.name:
        assert min(found.share.values()) >= (0.5 if "fade" in scene.name else 0.8), found


def test_two_people_where_faces_are_followed_between_kept_frames(scene: Scene) -> None:
    found = judge(scene.video, list(track_video(scene.path, load_detector(), fps=1.0)), every=FPS)
    assert found.num_mixed == 0, found
    if scene.name in ("side by side", "cut"):
        assert found.tracks_of == {"he": 1, "other": 1}
        assert found.share == {"he": 1.0, "other": 1.0}


@pytest.mark.parametrize("pair", [("d10", "d18"), ("d3", "d9")])
def test_two_people(clips: People, tmp_path: Path, pair: tuple[str, str]) -> None:
    for name in ("side by side", "cut", "passing", "dissolve of 25 frames"):
        found = verdict(scenes({each: clips[each] for each in pair})[name](), tmp_path)
        assert found.num_mixed == 0, (name, found)
        if name != "passing":
            assert max(found.tracks_of.values()) == 1, (name, found)
            assert min(found.share.values()) >= 0.8, (name, found)


@pytest.mark.slow
def test_every_two_people(clips: People, tmp_path: Path) -> None:
    mixed = {}
    for first, second in itertools.combinations(CLIPS, 2):
        for name, made in scenes({first: clips[first], second: clips[second]}).items():
            found = verdict(made(), tmp_path)
            if found.num_mixed:
                mixed[first, second, name] = found
    assert not mixed


def test_a_person_who_returns_after_long_gets_a_new_track(two: People, tmp_path: Path) -> None:
    found = verdict(leaving(("he", two["he"]), seen=40, away=50), tmp_path)
    assert found.tracks_of == {"he": 2}
    assert found.share["he"] >= 0.95


def test_many_cuts(two: People, tmp_path: Path) -> None:
    video = Composed()
    for turn in range(5):
        name = ("he", "other")[turn % 2]
        for frame in two[name][20 * turn : 20 * turn + 20]:
            video.add(frame, [(name, (0, 0, 256, 256))])
    found = verdict(video, tmp_path)
    assert found.num_mixed == 0
    assert found.tracks_of == {"he": 3, "other": 2}


def test_four_faces_at_once(two: People, tmp_path: Path) -> None:
    four = {"a": two["he"], "b": two["other"], "c": two["he"][60:], "d": two["other"][60:]}
    found = verdict(side_by_side(four, 50), tmp_path)
    assert found.num_mixed == 0
    assert min(found.share.values()) >= 0.95
    assert max(found.tracks_of.values()) <= 2


def test_variable_frame_rate(two: People, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times_s = np.cumsum(rng.choice([0.01, 0.03, 0.05, 0.12], size=80))
    video = hard_cut(two, 40)
    path = write_video(tmp_path / "vfr.mp4", video.frames, times_s=list(times_s - times_s[0]))
    faces = list(track_video(path, load_detector(), fps=2.0))
    assert judge(video, faces).num_mixed == 0
    for face in faces:
        assert face.time_s == pytest.approx(times_s[face.frame] - times_s[0], abs=1e-3)
    assert len(faces) == len(list(read_frames(path, fps=2.0)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_every_clip_is_one_track(shared_data: Path, name: str) -> None:
    path = shared_data / "talking_clips" / f"{name}.mp4"
    stats = VideoStats()
    faces = list(track_video(path, load_detector(), fps=2.0, stats=stats))
    assert {face.track for face in faces} == {0}
    assert stats.frames_with_face == stats.frames_kept
    assert stats.warning is None


def test_a_person_alone(two: People, tmp_path: Path) -> None:
    found = verdict(alone("other", two["other"]), tmp_path)
    assert found.tracks_of == {"other": 1}
    assert found.share["other"] == 1.0
