"""Smoothing and baselines, against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from scipy.signal import savgol_filter

import fabnet
from fabnet.errors import InputError
from fabnet.over_time.courses import notes_of
from fabnet.over_time.smooth import centred_mean, local_quadratic, runs

from .made import made

TIMES = np.arange(120) / 30


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table.column(name).to_numpy(), np.float64)


def test_with_even_times_it_is_savitzky_golays_filter() -> None:
    noise = np.random.default_rng(0).normal(size=(120, 2))
    found = local_quadratic(TIMES, noise, window=0.21)  # three rows to each side
    assert found[3:-3] == pytest.approx(savgol_filter(noise, 7, 2, axis=0)[3:-3])


def test_a_parabola_stays_with_uneven_times_too() -> None:
    times = np.sort(np.random.default_rng(1).uniform(0, 4, 150))
    parabola = (3 - 2 * times + 0.5 * times**2)[:, None]
    assert local_quadratic(times, parabola, window=0.3) == pytest.approx(parabola)


def test_nothing_is_delayed() -> None:
    step = (TIMES >= 2).astype(float)[:, None]
    for smooth in (local_quadratic, centred_mean):
        found = smooth(TIMES, step, 0.25)[:, 0]
        assert found[57:60] + found[60:63][::-1] == pytest.approx(1)
    line = TIMES[:, None]
    assert centred_mean(TIMES, line, 0.25) == pytest.approx(line)  # at both ends too


def test_means_of_probabilities_keep_their_sum() -> None:
    shares = np.random.default_rng(2).dirichlet(np.ones(4), 120)
    found = centred_mean(TIMES, shares, 0.25)
    assert found.sum(axis=1) == pytest.approx(1)
    assert found.min() >= 0


def test_runs_end_at_gaps() -> None:
    times = np.array([0, 0.1, 0.2, 0.6, 0.7, 0.8])
    found = runs(times, np.array([True, True, True, True, False, True]), max_gap=0.25)
    assert [each.tolist() for each in found] == [[0, 1, 2], [3, 5]]
    assert runs(times, np.zeros(6, bool), max_gap=0.25) == []


def test_a_gap_and_another_track_have_no_influence() -> None:
    high = np.where(TIMES < 2, 0.0, 100.0)
    late = np.where(TIMES < 2, TIMES, TIMES + 1)
    found = column(fabnet.courses(made(late, pose_yaw_deg=high)), "pose_yaw_deg")
    assert found == pytest.approx(high, abs=1e-4)
    two = pa.concat_tables([made(TIMES, pose_yaw_deg=0.0), made(TIMES, track="1", pose_yaw_deg=100.0)])
    order = np.argsort(np.concatenate([TIMES, TIMES]), kind="stable")  # two faces per frame
    found = column(fabnet.courses(two.take(order)), "pose_yaw_deg")
    assert found == pytest.approx(np.tile([0.0, 100.0], 120), abs=1e-4)


def test_unreadable_rows_are_null_and_without_influence() -> None:
    in_range = np.ones(120, bool)
    in_range[[50, 51]] = False
    yaw = np.where(in_range, 5.0, 80.0)
    smile = np.full(120, 0.5)
    smile[70] = np.nan
    found = fabnet.courses(made(TIMES, pose_yaw_deg=yaw, smile=smile, in_range=in_range))
    for name, value in (("pose_yaw_deg", 5.0), ("smile", 0.5)):
        rows = np.flatnonzero(np.isnan(column(found, name)))
        assert rows.tolist() == [50, 51, 70]
        assert np.nanmin(column(found, name)) == pytest.approx(value)
        assert np.nanmax(column(found, name)) == pytest.approx(value)


def test_blinks_are_kept() -> None:
    eyes = np.full(120, 0.05)
    eyes[40] = 0.02
    assert column(fabnet.courses(made(TIMES, eyes_opening=eyes)), "eyes_opening") == pytest.approx(eyes)


def test_the_expression_follows_its_probabilities() -> None:
    happy = np.where(np.arange(120) == 60, 0.9, 0.1)
    table = made(TIMES, expression_happy=happy, expression_sad=1 - happy)
    labels = ["expression_happy" if each > 0.5 else "expression_sad" for each in happy]
    found = fabnet.courses(table.append_column("expression", pa.array(labels)))
    assert set(found.column("expression").to_pylist()) == {"expression_sad"}


@pytest.mark.parametrize(("baseline", "usual"), [("person", 10.0), ("0:1", 2.0)])
def test_the_baseline_is_the_persons_own_median(baseline: str, usual: float) -> None:
    yaw = np.where(TIMES < 1, 2.0, 10.0)
    other = made(TIMES, person="bob", source="other.mp4", pose_yaw_deg=-40.0)
    found = fabnet.courses(pa.concat_tables([made(TIMES, pose_yaw_deg=yaw), other]), smooth=False, baseline=baseline)
    assert column(found, "pose_yaw_deg_change") == pytest.approx(np.concatenate([yaw - usual, np.zeros(120)]))
    assert column(found, "pose_yaw_deg")[:120] == pytest.approx(yaw)


def test_a_person_without_a_baseline_is_named() -> None:
    found = fabnet.courses(made(TIMES, smile=0.5), baseline="10:20")
    assert column(found, "smile_change").tolist() == pytest.approx([np.nan] * 120, nan_ok=True)
    assert notes_of(found) == ["ann has no baseline: no readable frame in 10:20 s"]


def test_rows_too_far_apart_to_smooth_are_said_to_be() -> None:
    found = fabnet.courses(made(np.arange(10.0), smile=np.linspace(0, 1, 10)))
    assert column(found, "smile") == pytest.approx(np.linspace(0, 1, 10))
    assert notes_of(found) == ["nothing was smoothed: no two readable frames of a track are within 0.125 s"]


def test_courses_are_taken_as_they_are(tmp_path: Path) -> None:
    once = fabnet.courses(made(TIMES, smile=np.random.default_rng(3).uniform(size=120)))
    parquet.write_table(once, tmp_path / "once.parquet")
    assert fabnet.courses(tmp_path / "once.parquet").equals(once)
    with pytest.raises(InputError, match="start from what read wrote"):
        fabnet.courses(once, baseline="person")


def test_the_metadata_name_filter_and_baseline() -> None:
    about = fabnet.courses(made(TIMES, smile=0.5), baseline="person").schema.metadata
    assert b"Savitzky-Golay, order 2, 0.25 s" in about[b"fabnet.courses.filters"]
    assert about[b"fabnet.courses.baseline"] == b"person"


@pytest.mark.parametrize("baseline", ["neutral", "5", "5:2", "-1:2", "a:b", "0:inf"])
def test_an_impossible_baseline_is_refused(baseline: str) -> None:
    with pytest.raises(InputError, match="baseline must be person or START:END"):
        fabnet.courses(made(TIMES, smile=0.5), baseline=baseline)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.parquet", None, "gone.parquet"),
        ("text.txt", b"", "expected a .parquet or .csv file"),
        ("broken.parquet", b"PAR1 and nothing", "cannot be read as a table"),
        ("other.csv", b"a,b\n1,2\n", "has no column source, person"),
        ("empty.csv", b"", "cannot be read as a table"),
        ("none.csv", b"source,person,track,frame,time_s,in_range,smile\n", "has no rows"),
        ("bare.csv", b"source,person,track,frame,time_s,in_range\nv,p,0,0,0,true\n", "no columns of numbers"),
        ("words.csv", b"source,person,track,frame,time_s,in_range,smile\nv,p,0,0,soon,true,1\n", "time_s holds 'soon'"),
    ],
)
def test_a_file_without_readings_is_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        fabnet.courses(tmp_path / name)


def test_a_csv_file_gives_what_the_table_gives(tmp_path: Path) -> None:
    lines = ["source,person,track,frame,time_s,in_range,out_of_range,smile,smile_pm,pose_yaw_deg"]
    lines += [f"v.mp4,7,0,{row},{row / 30},true,,1,0,{row % 5}" for row in range(60)]
    lines += ["v.mp4,,,60,2.0,,,,,"]
    (tmp_path / "readings.csv").write_text("\n".join(lines) + "\n")
    yaw = np.append(np.arange(60) % 5, np.nan)
    smile = np.where(np.isnan(yaw), np.nan, 1.0)
    table = made(np.arange(61) / 30, source="v.mp4", person="7", smile=smile, pose_yaw_deg=yaw)
    found, expected = fabnet.courses(tmp_path / "readings.csv"), fabnet.courses(table)
    for name in ("person", "track", "smile", "pose_yaw_deg"):
        assert found.column(name).to_pylist() == expected.column(name).to_pylist()
