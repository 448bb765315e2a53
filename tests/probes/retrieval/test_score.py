"""The whole protocol: on labels with known answers, on real photos and by the verb."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError
from fabnet.faces.pose import ANGLES
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.metrics import Figure
from fabnet.probes.retrieval.figures import table_rows
from fabnet.probes.retrieval.score import ranked_protocol, score_retrieval
from fabnet.probes.retrieval.variants import VARIANTS, Variant, applied, whitened
from fabnet.probes.tasks.labels import Classes
from fabnet.probes.tasks.quantities import Angles

NUM = 150


@pytest.fixture
def turned() -> Benchmark:
    """150 faces of ten people in three clips each, six of whom are scored; random yaw and mouth."""
    generator = np.random.default_rng(0)
    people = np.array([f"p{place % 10}" for place in range(NUM)])
    pose = np.zeros((NUM, 3))
    pose[:, 2] = generator.uniform(-60, 60, NUM)
    return Benchmark(
        name="turned",
        images=[np.zeros((8, 8, 3), np.uint8)] * NUM,
        names=[f"{place}" for place in range(NUM)],
        split=np.where(np.isin(people, ["p0", "p1", "p2", "p3"]), "train", "val"),
        people=people,
        clips=np.array([f"{person}/{place // 10 % 3}" for place, person in enumerate(people)]),
        tasks=(
            Angles(name="pose", targets=pose, columns=ANGLES),
            Classes(name="mood", targets=generator.integers(0, 2, (NUM, 1)).astype(float),
                 columns=("sad", "happy")),
        ),
    )  # fmt: skip


def figures(scored: list[Any], task: str) -> dict[str, float]:
    (found,) = [each for each in scored if each.task == task]
    ones = np.ones((1, len(found.places)), np.float32)
    return {figure.metric: float(figure.of(ones)[0]) for figure in found.figures if isinstance(figure, Figure)}


def test_an_embedding_of_the_pose_ranks_perfectly_and_does_not_leak_identity(turned: Benchmark) -> None:
    yaw = np.radians(turned.tasks[0].targets[:, 2])
    features = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    scored = score_retrieval(features, turned, split="val")
    pose = figures(scored, "pose")
    # 90 faces are scored; each gallery holds 75 faces of other people, too few for a top 10.
    assert {name.rsplit(" ", 1)[1] for name in pose if ", top " in name} == {"1", "5"}
    assert pose["degrees, % of the way from chance to best, top 5"] == pytest.approx(100)
    assert pose["degrees, top 1"] == pytest.approx(pose["degrees, best possible top 1"])
    faces = np.flatnonzero(turned.split == "val")
    yaw_deg, people = turned.tasks[0].targets[faces, 2], turned.people
    assert people is not None
    apart = np.abs(yaw_deg[:, None] - yaw_deg)
    others = people[faces][:, None] != people[faces]
    assert pose["degrees, chance"] == pytest.approx(apart[others].mean())
    identity = figures(scored, "identity")
    assert abs(identity["verification AUC, %"] - 50) < 8
    assert identity["linear probe, accuracy, %"] < 40


def test_an_embedding_of_the_person_leaks_identity_and_is_at_chance_for_pose(turned: Benchmark) -> None:
    people = turned.people
    assert people is not None
    features = np.eye(10)[[int(person[1:]) for person in people]]
    scored = score_retrieval(features, turned, split="val")
    identity = figures(scored, "identity")
    assert identity["verification AUC, %"] == 100
    assert identity["linear probe, accuracy, %"] == 100
    assert identity["same person, another clip, %, top 5"] == 100
    # 90 faces, 5 per clip: 10 of the 85 others show the same person.
    assert identity["same person, another clip, %, chance"] == pytest.approx(100 * 10 / 85)
    assert abs(figures(scored, "pose")["degrees, % of the way from chance to best, top 5"]) < 15


def test_precision_is_the_mean_over_classes(turned: Benchmark) -> None:
    labels = turned.tasks[1].targets[:, 0].astype(int)
    mood = figures(score_retrieval(np.eye(2)[labels], turned, split="val"), "mood")
    assert mood["precision, %, top 5"] == mood["precision, %, best possible top 5"] == 100
    one, other = (mood[f"precision, %, {name}, chance"] for name in ("sad", "happy"))
    assert mood["precision, %, chance"] == pytest.approx((one + other) / 2)


def test_with_unnamed_people_there_is_no_identity_task_and_only_the_query_is_left_out(turned: Benchmark) -> None:
    unnamed = replace(turned, people=None)
    scored = score_retrieval(np.random.default_rng(0).normal(size=(NUM, 3)), unnamed, split="val")
    assert {each.task for each in scored} == {"pose", "mood"}
    for each in scored:
        assert (each.predicted != each.places[:, None]).all()


def test_a_label_may_be_called_identity(turned: Benchmark) -> None:
    own = replace(turned, people=None, tasks=(replace(turned.tasks[1], name="identity"),))
    (scored,) = score_retrieval(np.random.default_rng(0).normal(size=(NUM, 3)), own, split="val")
    assert "precision, %, chance" in figures([scored], "identity")


def test_a_whitening_sees_the_training_people_only(turned: Benchmark) -> None:
    generator = np.random.default_rng(2)
    features = generator.normal(size=(NUM, 6)) @ generator.normal(size=(6, 6)) + 5
    training = np.flatnonzero(turned.split == "train")
    made = whitened(features, training)
    np.testing.assert_allclose(made[training].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(made[training].T), np.eye(6), atol=1e-4)
    other = features.copy()
    other[turned.split == "val"] += 100
    np.testing.assert_array_equal(whitened(other, training)[training], made[training])


def test_variants() -> None:
    features = np.array([[1.0, -2, 0], [-1, 2, 0], [3, 1, 0]])
    everyone = np.arange(3)
    np.testing.assert_array_equal(applied("raw", features, everyone), features)
    np.testing.assert_array_equal(applied("relu", features, everyone), [[1, 0, 0], [0, 2, 0], [3, 1, 0]])
    # A constant number is dropped.
    assert applied("relu-whitened", features, everyone).shape == (3, 2)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_constant_embedding_is_at_chance_in_every_variant(turned: Benchmark, variant: Variant) -> None:
    scored = score_retrieval(np.zeros((NUM, 1)), turned, split="val", variants=(variant,))
    assert abs(figures(scored, "pose")["degrees, % of the way from chance to best, top 5"]) < 8
    assert figures(scored, "identity")["verification AUC, %"] == 50


@pytest.mark.parametrize("variant", ["whitened", "relu-whitened"])
def test_with_folds_no_people_are_left_for_a_whitening(turned: Benchmark, variant: Variant) -> None:
    folded = replace(turned, folds=3)
    with pytest.raises(InputError, match="to fit a whitening on"):
        score_retrieval(np.ones((NUM, 2)), folded, split="test", variants=(variant,))


def test_names_of_protocols() -> None:
    assert ranked_protocol("retrieval") == "youtube-faces"
    assert ranked_protocol("retrieval:ferplus") == "ferplus"
    assert ranked_protocol("ferplus") is None


def test_the_verb_on_real_photos(
    labelled_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    args = ["probe", "--model", "pixels", "--protocol", f"retrieval:{labelled_photos / 'labels.csv'}", "--data"]
    args += [str(labelled_photos), "--cache", str(tmp_path), "--num-workers", "0", "--variant", "raw", "whitened"]
    assert main([*args, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["protocol"], found["seeds"]) == ("retrieval:labels.csv", 1)
    rows = {(row["task"], row["probe"], row["metric"]): row for row in found["results"]}
    got, chance, best = (
        rows["landmarks", "cosine, raw", f"shape distance, %, {what}"]["value"]
        for what in ("top 1", "chance", "best possible top 1")
    )
    assert best <= got < chance
    table = table_rows(found["results"])
    (line,) = [line for line in table if (line.task, line.variant) == ("landmarks", "cosine, raw")]
    assert line.value is not None
    assert line.way is not None
    assert (line.top, line.value["value"], line.way["headline"]) == (1, got, True)
    assert main(args) == 0
    assert "shape distance" in capsys.readouterr().out


def test_models_without_an_embedding_and_saving_are_refused(labelled_photos: Path, tmp_path: Path) -> None:
    protocol = f"retrieval:{labelled_photos / 'labels.csv'}"
    with pytest.raises(InputError, match="landmarks:dlib has no embedding to rank faces by"):
        fabnet.probe("landmarks:dlib", protocol, labelled_photos, cache=tmp_path)
    with pytest.raises(InputError, match="fits no probe to save"):
        fabnet.probe("pixels", protocol, labelled_photos, cache=tmp_path, save=tmp_path / "x")


def test_the_protocol_on_shared_faces(shared_data: Path, tmp_path: Path) -> None:
    """Run on a hundred faces of the real set, in a folder with the labels of some people."""
    source = shared_data / "youtube_faces"
    people = [line.split(",") for line in (source / "people.csv").read_text().splitlines()]
    chosen = {name for name, split in people[1:] if split == "train"}
    kept = sorted(chosen)[:9]
    lines = (source / "landmarks68.csv").read_text().splitlines()
    mine = [line for line in lines[1:] if line.split("/")[0] in kept]
    (tmp_path / "landmarks68.csv").write_text("\n".join([lines[0], *mine]) + "\n")
    splits = [f"{name},{'train' if place < 6 else 'val'}" for place, name in enumerate(kept)]
    (tmp_path / "people.csv").write_text("\n".join(["person,split", *splits]) + "\n")
    for name in kept:
        shutil.copytree(source / "frames" / name, tmp_path / "frames" / name)
    report = fabnet.probe("small", "retrieval", tmp_path, cache=tmp_path / "cache", num_workers=0)
    tasks = {each.task for each in report.scored}
    assert tasks == {"landmarks68", "pose", "mouth", "eyes", "identity"}
    values = {(row["task"], row["metric"]): row["value"] for row in report.rows}
    top, chance, best = (values["pose", f"degrees, {what}"] for what in ("top 1", "chance", "best possible top 1"))
    assert best < top < chance
