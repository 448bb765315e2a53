"""Tracks of one person are linked by a face-recognition model that the user names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import fabnet
from fabnet.cli import main
from fabnet.errors import FabnetError
from fabnet.reading.linked_people import groups
from fabnet.reading.read import read_all
from tests.video.composed import Composed, hard_cut, load_clip, side_by_side, two_of, whole

People = dict[str, list[np.ndarray]]


@pytest.fixture(scope="module")
def two(smiling: Path) -> People:
    """One man as two people; the second is mirrored, larger and in colder light."""
    return two_of(load_clip(smiling, count=60))


def network(file: Path, side: int = 112, batch: Any = "n") -> Path:
    """A network that tells people by the colour of their faces: their difference from the mean colour."""
    nodes = [
        helper.make_node("ReduceMean", ["face"], ["colour"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["colour"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["colour", "grey"], ["out"]),
    ]
    faces = helper.make_tensor_value_info("face", TensorProto.FLOAT, [batch, 3, side, side])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 3])
    graph = helper.make_graph(nodes, "colour", [faces], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(file))
    return file


def three_shots(two: People) -> Composed:
    """He, the other, and he again, from another part of his clip."""
    video = hard_cut(two, 15)
    for frame in two["he"][40:55]:
        video.add(frame, [("he", whole(frame))])
    return video


def test_tracks_of_one_person_are_linked_across_cuts(
    two: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, model = three_shots(two).write(tmp_path / "clip.mp4"), network(tmp_path / "colour.onnx", batch=1)
    table, result = read_all(clip, people=model, people_distance=0.2)
    person = dict(zip(table["track"].to_pylist(), table["person"].to_pylist(), strict=True))
    assert person == {"0": "clip.mp4/0", "1": "clip.mp4/1", "2": "clip.mp4/0"}
    summed = fabnet.summary(table).to_pylist()
    assert [(row["person"], row["readable_frames"]) for row in summed] == [("clip.mp4/0", 30), ("clip.mp4/1", 15)]
    said = json.loads(table.schema.metadata[b"fabnet.people"])
    assert result.people is not None
    assert said | {"digest": ""} == {
        "model": str(model), "digest": "", "distance": 0.2, "tracks": 3, "people": 2, "alone": {},
    }  # fmt: skip

    flags = ("--people", str(model), "--people-distance", "0.2", "--out", str(tmp_path / "out.csv"))
    assert main(["read", str(clip), *flags]) == 0
    assert "3 tracks became 2 people" in re.sub(r"\s+", " ", capsys.readouterr().out)
    again = fabnet.summary(tmp_path / "out.csv").to_pylist()
    assert [row["person"] for row in again] == [row["person"] for row in summed]


def test_people_who_are_seen_together_are_never_one(two: People, tmp_path: Path) -> None:
    clip, model = side_by_side(two, 20).write(tmp_path / "clip.mp4"), network(tmp_path / "colour.onnx")
    table, result = read_all(clip, faces="all", people=model, people_distance=2.0)
    assert set(table["person"].to_pylist()) == {"clip.mp4/0", "clip.mp4/1"}
    assert result.people is not None
    assert result.people.people == 2


def test_a_short_track_stays_alone_with_a_reason(two: People, tmp_path: Path) -> None:
    clip, model = hard_cut(two, 20).write(tmp_path / "clip.mp4"), network(tmp_path / "colour.onnx")
    _, result = read_all(clip, fps=2.0, people=model, people_distance=2.0)
    assert result.people is not None
    assert result.people.people == result.people.tracks == 2
    assert set(result.people.alone.values()) == {"in range in fewer than 3 frames"}
    assert result.people.line().endswith("not compared: 2 in range in fewer than 3 frames")


def test_photos_and_stores_are_linked(two: People, tmp_path: Path) -> None:
    import cv2

    model = network(tmp_path / "colour.onnx")
    (tmp_path / "photos").mkdir()
    for name, face in {"a": two["he"][0], "b": two["other"][0], "c": two["he"][50]}.items():
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    table = fabnet.read(tmp_path / "photos", people=model, people_distance=0.2)
    assert table["person"].to_pylist() == ["a.png/0", "b.png/0", "a.png/0"]

    clip = three_shots(two).write(tmp_path / "clip.mp4")
    fabnet.track(clip, tmp_path / "store.lance", fps="all")
    table = fabnet.read(tmp_path / "store.lance", people=model, people_distance=0.2)
    person = dict(zip(table["track"].to_pylist(), table["person"].to_pylist(), strict=True))
    assert person == {"0": "clip.mp4/0", "1": "clip.mp4/1", "2": "clip.mp4/0"}


def test_groups_keep_apart_what_may_not_be_joined() -> None:
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3, 8), 4, axis=0) + rng.normal(size=(12, 8)) * 0.01
    never = np.zeros((12, 12), bool)
    labels, who = groups(vectors, never, 0.1), np.repeat(range(3), 4)
    assert np.array_equal(labels[:, None] == labels, who[:, None] == who)
    never[0, 1:4] = never[1:4, 0] = True
    labels = groups(vectors, never, 2.0)
    assert labels[0] not in labels[1:4]
    assert len(set(groups(vectors, ~np.eye(12, dtype=bool), 2.0))) == 12
    assert groups(vectors[:1], never[:1, :1], 0.1).tolist() == [0]


def test_a_model_that_cannot_link_is_refused(smiling: Path, tmp_path: Path) -> None:
    good, wrong = network(tmp_path / "colour.onnx"), network(tmp_path / "wrong.onnx", side=64)
    (tmp_path / "text.onnx").write_text("no network")
    for people, distance, message in [
        (good, None, "has no default distance"),
        (wrong, 0.5, "expected [N, 3, 112, 112]"),
        (tmp_path / "text.onnx", 0.5, "text.onnx"),
        (tmp_path / "none.onnx", 0.5, "there is no file"),
        ("vgg-face:none.mat", 0.5, "none.mat"),
        ("track", 0.5, "needs a face-recognition model"),
        (good, 3.0, "at most 2"),
    ]:
        with pytest.raises(FabnetError, match=re.escape(message)):
            fabnet.read(smiling, people=people, people_distance=distance)


def test_dlib_links_a_man_across_a_cut(two: People, tmp_path: Path) -> None:
    pytest.importorskip("dlib")
    clip = Composed()
    for frame in [*two["he"][:10], *(frame[:, ::-1] for frame in two["he"][40:50])]:
        clip.add(np.ascontiguousarray(frame), [("he", whole(frame))])
    table, result = read_all(clip.write(tmp_path / "clip.mp4"), people="dlib-identity")
    assert set(table["track"].to_pylist()) == {"0", "1"}
    assert set(table["person"].to_pylist()) == {"clip.mp4/0"}
    assert result.people is not None
    assert "2 tracks became 1 person (dlib-identity" in result.people.line()
