"""Probes are fitted, chosen and scored on disjoint sets of people."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.metrics import bootstrap_weights
from fabnet.probes.parts import parts_of, training_parts
from fabnet.probes.tasks.quantities import Values


def benchmark(split: list[str], people: list[str] | None, folds: int = 0) -> Benchmark:
    count = len(split)
    return Benchmark(
        name="some",
        images=[Path(f"{i}.jpg") for i in range(count)],
        names=[f"{i}" for i in range(count)],
        split=np.array(split),
        people=None if people is None else np.array(people),
        folds=folds,
        tasks=(Values(name="t", targets=np.zeros((count, 1)), columns=("t",)),),
    )


def test_faces_of_one_photo_are_drawn_together_in_intervals() -> None:
    photos = np.repeat(["a", "b", "c"], 2)
    made = dataclasses.replace(benchmark(["val"] * 6, None), photos=photos)
    assert made.owners.tolist() == photos.tolist()
    draws = bootstrap_weights(made.owners)
    np.testing.assert_array_equal(draws[:, ::2], draws[:, 1::2])
    assert dataclasses.replace(made, people=np.array(list("pqrstu"))).owners.tolist() == list("pqrstu")
    assert dataclasses.replace(made, photos=None).owners.tolist() == made.names


@pytest.mark.parametrize("scored", ["val", "test"])
def test_no_person_is_in_two_parts(scored: str) -> None:
    people = [f"p{i // 4}" for i in range(400)]
    split = ["test" if i // 4 % 5 == 0 else "train" for i in range(400)]
    (parts,) = parts_of(benchmark(split, people), scored)  # type: ignore[arg-type]
    sets = [{people[place] for place in part} for part in parts]
    assert all(sets)
    assert not (sets[0] & sets[1])
    assert not (sets[0] & sets[2])
    assert not (sets[1] & sets[2])
    assert all((split[place] == "test") == (scored == "test") for place in parts.score)
    assert not any(split[place] == "test" for part in parts[:2] for place in part)


def test_a_named_validation_part_is_kept() -> None:
    made = benchmark(["train"] * 30 + ["val"] * 5 + ["test"] * 5, None)
    (to_choose,) = parts_of(made, "val")
    assert to_choose.score.tolist() == list(range(30, 35))
    (to_report,) = parts_of(made, "test")
    assert to_report.select.tolist() == list(range(30, 35))
    assert to_report.fit.tolist() == list(range(30))


def test_a_probe_for_other_faces_is_fitted_on_all_but_the_test_people() -> None:
    fit, select = training_parts(benchmark(["train"] * 30 + ["val"] * 5 + ["test"] * 5, None))
    assert (fit.tolist(), select.tolist()) == (list(range(30)), list(range(30, 35)))
    people = [f"p{i // 3}" for i in range(90)]
    fit, select = training_parts(benchmark(["train"] * 90, people, folds=10))
    assert sorted([*fit, *select]) == list(range(90))
    assert not {people[place] for place in fit} & {people[place] for place in select}


def test_folds_score_everyone_once() -> None:
    people = [f"p{i // 3}" for i in range(90)]
    parts = parts_of(benchmark(["train"] * 90, people, folds=10), "test")
    assert len(parts) == 10
    assert sorted(np.concatenate([part.score for part in parts]).tolist()) == list(range(90))
    for part in parts:
        held = {people[place] for place in part.score}
        assert not held & {people[place] for place in [*part.fit, *part.select]}


def test_splits_that_cannot_be_scored_are_reported() -> None:
    with pytest.raises(InputError, match="cross-validated by person over all its faces"):
        parts_of(benchmark(["train"] * 90, [f"{i}" for i in range(90)], folds=10), "val")
    with pytest.raises(InputError, match=r"10 folds by person need 12 people or more; found 2"):
        parts_of(benchmark(["train"] * 4, ["a", "a", "b", "b"], folds=10), "test")
    with pytest.raises(InputError, match="to score for split test; its splits hold"):
        parts_of(benchmark(["train"] * 50, None), "test")
    with pytest.raises(InputError, match=r"1 people \(p, ...\) are both trained and scored on"):
        parts_of(benchmark(["train"] * 50 + ["val", "test"], ["p"] * 51 + ["p"]), "test")


def test_faces_made_from_one_photo_stay_together() -> None:
    made = benchmark(["train"] * 300 + ["test"], None)
    photos = np.array([f"photo{i // 10}" for i in range(300)] + ["other"])
    (parts,) = parts_of(dataclasses.replace(made, photos=photos), "test")
    assert not set(photos[parts.fit]) & set(photos[parts.select])
    assert len(parts.select)


def test_people_to_choose_on_are_not_fitted_on() -> None:
    people = ["both"] * 25 + [f"p{i}" for i in range(25)] + ["both", "tested"]
    with pytest.raises(InputError, match=r"1 people \(both, ...\) are both fitted and chosen on"):
        parts_of(benchmark(["train"] * 50 + ["val", "test"], people), "test")
