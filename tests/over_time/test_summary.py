"""Summaries of tables with known events."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import fabnet
from fabnet.over_time.episodes import blinks, episodes, smiles

from .made import made

RATE = 30
TIMES = np.arange(60 * RATE) / RATE


def with_blinks(starts: list[float], length_s: float = 0.2, drop: float = 0.5) -> np.ndarray:
    eyes = np.full(len(TIMES), 0.05) + 0.001 * np.sin(TIMES)
    for start in starts:
        eyes[(start <= TIMES) & (start + length_s > TIMES)] *= 1 - drop
    return eyes


def test_blinks_are_counted() -> None:
    found = blinks(TIMES, with_blinks([1.0, 1.5, 30.0]), 0.05)
    assert found is not None
    assert [each.start for each in found] == pytest.approx([1.0, 1.5, 30.0], abs=0.04)
    assert [each.end - each.start for each in found] == pytest.approx([0.2] * 3, abs=0.04)


def test_long_closures_shallow_dips_and_cut_ones_are_not_blinks() -> None:
    assert blinks(TIMES, with_blinks([5.0], length_s=2.0), 0.05) == []
    assert blinks(TIMES, with_blinks([5.0], drop=0.15), 0.05) == []
    assert blinks(TIMES, with_blinks([0.0, 59.9]), 0.05) == []
    assert blinks(np.arange(60.0), np.full(60, 0.05), 0.05) is None  # a frame per second


def test_episodes_end_at_gaps_and_have_a_least_length() -> None:
    times = np.array([0, 0.1, 0.2, 1.0, 1.1, 1.2, 1.3])
    holds = np.array([True, True, False, True, True, True, True])
    assert episodes(times, holds, max_gap=0.25) == [pytest.approx((0, 0.2)), pytest.approx((1.0, 1.4))]
    assert episodes(times, np.ones(7, bool), max_gap=0.25, shortest=0.35) == [pytest.approx((1.0, 1.4))]


def test_brief_breaks_in_a_smile_are_bridged_and_gaps_are_not() -> None:
    smile = np.where((TIMES >= 1) & (TIMES < 3), 0.9, 0.1)
    smile[(TIMES >= 2) & (TIMES < 2.3)] = 0.4
    assert smiles(TIMES, smile, 0.25) == [pytest.approx((1, 3))]
    smile[(TIMES >= 2) & (TIMES < 2.6)] = 0.4
    assert len(smiles(TIMES, smile, 0.25)) == 2
    late = np.where(TIMES >= 2, TIMES + 0.4, TIMES)
    assert smiles(late[30:90], np.full(60, 0.9), 0.25) == [pytest.approx((1, 2)), pytest.approx((2.4, 3.4))]


def test_noise_of_the_eyes_is_said_to_be_noise() -> None:
    noise = 0.05 + 0.008 * np.random.default_rng(0).normal(size=len(TIMES))
    (row,) = fabnet.summary(made(TIMES, eyes_opening=noise)).to_pylist()
    assert row["blinks"] > 50
    assert row["blinks_by_noise"] == pytest.approx(row["blinks"], rel=0.3)


def test_a_person_in_a_video_is_a_row() -> None:
    smile = np.where((TIMES >= 10) & (TIMES < 16), 0.9, 0.1) + np.where((TIMES >= 40) & (TIMES < 49), 0.8, 0)
    yaw = np.where(TIMES >= 45, 40.0, 0.0)
    eyes = with_blinks([3.0, 21.0, 33.0])
    table = made(TIMES, smile=smile, pose_yaw_deg=yaw, pose_pitch_deg=0.0, eyes_opening=eyes)
    (row,) = fabnet.summary(table).to_pylist()
    assert (row["source"], row["person"], row["frames"], row["unreadable_share"]) == ("talk.mp4", "ann", 1800, 0)
    assert row["readable_s"] == pytest.approx(60)
    assert (row["blinks"], row["smiles"]) == (3, 2)
    assert row["blinks_per_min"] == pytest.approx(3)
    assert row["blinks_by_noise"] == 0
    assert row["smiles_per_min"] == pytest.approx(2)
    assert row["smiling_share"] == pytest.approx(0.25, abs=0.01)
    assert row["turned_away_share"] == pytest.approx(0.25, abs=0.01)
    assert row["pose_yaw_deg_mean"] == pytest.approx(10, abs=0.05)
    assert row["pose_yaw_deg_sd"] == pytest.approx(np.sqrt(0.25 * 0.75) * 40, abs=0.2)


def test_unreadable_frames_are_counted() -> None:
    smile = np.full(100, 0.2)
    smile[:20] = np.nan
    in_range = np.arange(100) < 70
    turned = made(TIMES[:100], smile=smile, pose_yaw_deg=0.0, pose_pitch_deg=0.0, in_range=in_range)
    (row,) = fabnet.summary(turned).to_pylist()
    assert (row["frames"], row["readable_frames"]) == (100, 50)
    assert row["unreadable_share"] == pytest.approx(0.5)
    assert row["turned_away_share"] == pytest.approx(30 / 80)
    assert row["smile_mean"] == pytest.approx(0.2)


def test_a_person_named_for_a_whole_file_is_summed_up_alike() -> None:
    smile = np.where(TIMES < 20, 0.9, np.nan)  # nobody is there after 20 s
    yaw = np.where(TIMES < 10, 40.0, 0.0)
    table = made(TIMES, smile=smile, pose_yaw_deg=yaw, pose_pitch_deg=0.0, eyes_opening=with_blinks([3.0]))
    (expected,) = fabnet.summary(table).to_pylist()
    assert (expected["turned_away_share"], expected["blinks"]) == (pytest.approx(0.5, abs=0.01), 1)
    named = table.set_column(1, "person", pa.array(["ann"] * len(table)))
    assert fabnet.summary(named).to_pylist() == [expected]
    failed = named.slice(len(table) - 1)  # the row that says that the rest of the file is damaged
    for name in ("frame", "time_s"):
        nothing = pa.nulls(1, failed.schema.field(name).type)
        failed = failed.set_column(failed.schema.get_field_index(name), name, nothing)
    assert fabnet.summary(pa.concat_tables([named, failed])).to_pylist() == [expected]


def test_people_and_sources_are_apart_and_none_is_left_out() -> None:
    faceless = made(TIMES[:10], source="wall.mp4", smile=np.full(10, np.nan))
    parts = [
        made(TIMES[:90], smile=0.9),
        made(TIMES[:90], smile=0.9, person="bob", track="1"),
        made(TIMES[:30], smile=0.1, source="two.mp4"),
        faceless,
    ]
    rows = fabnet.summary(pa.concat_tables(parts)).to_pylist()
    assert [(row["source"], row["person"], row["smiles"]) for row in rows] == [
        ("talk.mp4", "ann", 1), ("talk.mp4", "bob", 1), ("two.mp4", "ann", 0), ("wall.mp4", None, None),
    ]  # fmt: skip
    assert rows[-1]["unreadable_share"] == 1


def test_times_stand_for_their_length() -> None:
    times = np.concatenate([np.arange(0, 5, 0.1), np.arange(5, 10, 0.05)])  # another rate in the second half
    yaw = np.where(times >= 5, 40.0, 0.0)
    (row,) = fabnet.summary(made(times, pose_yaw_deg=yaw, pose_pitch_deg=0.0), smooth=False).to_pylist()
    assert row["turned_away_share"] == pytest.approx(0.5, abs=0.15)


def test_photos_have_means_and_no_rates() -> None:
    (row,) = fabnet.summary(made(np.array([np.nan]), smile=0.7).slice(0, 1)).to_pylist()
    assert (row["smile_mean"], row["smile_sd"], row["smiles_per_min"]) == (pytest.approx(0.7), None, None)
