"""What is written, read back."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, MissingDependencyError
from fabnet.over_time.tiers import events
from fabnet.over_time.write import write_courses

from .made import made

TIMES = np.arange(300) / 30


@pytest.fixture
def talk() -> pa.Table:
    smile = np.where((TIMES >= 2) & (TIMES < 4), 0.9, 0.1)
    unit = np.where((TIMES >= 6) & (TIMES < 7), 0.9, 0.1)
    parts = [
        made(TIMES, smile=smile, AU12=unit, smile_pm=0.1, person="=<b>&\x1b\n-->"),
        made(TIMES, smile=0.1, AU12=0.1, smile_pm=0.1, person="bob", track="1"),
    ]
    return pa.concat_tables(parts)


@pytest.fixture
def file(talk: pa.Table, tmp_path: Path) -> Path:
    parquet.write_table(talk, tmp_path / "talk.parquet")
    return tmp_path / "talk.parquet"


def test_csv_has_a_row_per_number(talk: pa.Table, tmp_path: Path) -> None:
    courses = fabnet.courses(talk)
    write_courses(courses, tmp_path / "long.csv", max_gap=0.25)
    read = pyarrow.csv.read_csv(tmp_path / "long.csv", parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
    assert read.schema.names == [
        "source", "person", "track", "frame", "time_s", "quantity", "value", "half_width",
    ]  # fmt: skip
    assert len(read) == 600 * 2
    rows = read.to_pylist()
    assert rows[0]["person"].startswith("'=")  # no formula
    assert rows[0]["quantity"] == "smile"
    assert rows[0]["half_width"] == pytest.approx(0.1)
    assert rows[1]["half_width"] is None
    smile = [row["value"] for row in rows if row["quantity"] == "smile"]
    assert smile == pytest.approx(courses.column("smile").to_pylist())


def test_elan_tiers_hold_the_events(talk: pa.Table, tmp_path: Path) -> None:
    pytest.importorskip("pympi")
    write_courses(fabnet.courses(talk), tmp_path / "talk.eaf", max_gap=0.25)
    root = ElementTree.parse(tmp_path / "talk.eaf").getroot()
    slots = {each.attrib["TIME_SLOT_ID"]: int(each.attrib["TIME_VALUE"]) for each in root.iter("TIME_SLOT")}
    found = {
        tier.attrib["TIER_ID"]: [
            (slots[each.attrib["TIME_SLOT_REF1"]], slots[each.attrib["TIME_SLOT_REF2"]])
            for each in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        for tier in root.iter("TIER")
    }
    assert found == {
        "=<b>&\\x1b\\n--> AU12": [(6000, 7000)],
        "=<b>&\\x1b\\n--> readable": [(0, 10000)],
        "=<b>&\\x1b\\n--> smile": [(2000, 4000)],
        "bob readable": [(0, 10000)],
    }
    media = root.find(".//MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.attrib["RELATIVE_MEDIA_URL"] == "./talk.mp4"


def test_webvtt_has_cues_with_escaped_text(talk: pa.Table, tmp_path: Path) -> None:
    write_courses(fabnet.courses(talk), tmp_path / "talk.vtt", max_gap=0.25)
    assert (tmp_path / "talk.vtt").read_text() == (
        "WEBVTT\n\n"
        "00:00:02.000 --> 00:00:04.000\n=&lt;b&gt;&amp;\\x1b\\n--&gt;: smile\n\n"
        "00:00:06.000 --> 00:00:07.000\n=&lt;b&gt;&amp;\\x1b\\n--&gt;: AU12\n"
    )


def test_events_of_two_tracks_of_a_person_do_not_overlap() -> None:
    two = [made(TIMES[:60], smile=0.9), made(TIMES[30:120], smile=0.9, track="1")]
    found = [each for each in events(fabnet.courses(pa.concat_tables(two)), max_gap=0.25) if each.tier == "smile"]
    assert [(each.start, each.end) for each in found] == [pytest.approx((0, 2)), pytest.approx((2, 4))]


def test_subtitles_of_several_videos_and_of_photos_are_refused(talk: pa.Table, tmp_path: Path) -> None:
    two = pa.concat_tables([talk, made(TIMES, source="other.mp4", smile=0.1, AU12=0.1, smile_pm=0.1)])
    with pytest.raises(InputError, match=r"holds 2 \(talk.mp4, other.mp4 ...\): choose one with --source"):
        write_courses(fabnet.courses(two), tmp_path / "two.vtt", max_gap=0.25)
    with pytest.raises(InputError, match="has no faces with times"):
        write_courses(fabnet.courses(made(np.array([np.nan]), smile=0.5)), tmp_path / "photo.vtt", max_gap=0.25)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_one_line(talk: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pympi.Elan", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fabnet\[elan\]'"):
        write_courses(fabnet.courses(talk), tmp_path / "talk.eaf", max_gap=0.25)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["parquet", "csv", "eaf", "vtt"])
def test_the_command_writes_each_kind(file: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    if ending == "eaf":
        pytest.importorskip("pympi")
    out = file.with_name(f"courses.{ending}")
    assert main(["courses", str(file), "--baseline", "person", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"notes": [], "rows": 600, "out": str(out)}
    assert out.stat().st_size > 100


def test_the_command_prints_a_summary_and_synchrony(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["courses", str(file), "--summary", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["table"]
    assert [(row["person"], row["smiles"]) for row in found] == [("=<b>&\x1b\n-->", 1), ("bob", 0)]
    assert main(["courses", str(file), "--summary"]) == 0
    assert "\\x1b" in capsys.readouterr().out
    assert main(["courses", str(file), "--synchrony", "bob", "bob", "--span", "2", "--max-lag", "0.5"]) == 2
    assert "share no window" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--out", "talk.txt"], "ends in '.txt'; expected .parquet, .csv, .eaf, .vtt"),
        (["--out", "talk.vtt", "--summary"], "ends in '.vtt'; expected .parquet, .csv"),
        (["--out", "talk.parquet"], "is the input, which courses would replace"),
        (["--source", "gone.mp4"], "has no source 'gone.mp4'; it has talk.mp4"),
    ],
)
def test_an_impossible_command_is_one_line(
    file: Path, args: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    before = file.read_bytes()
    assert main(["courses", str(file), *args]) == 2
    assert message in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_link_to_the_input_is_the_input(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, link = file.read_bytes(), file.with_name("link.parquet")
    link.symlink_to(file)
    assert main(["courses", str(file), "--summary", "--out", str(link)]) == 2
    assert "is the input, which courses would replace" in capsys.readouterr().err
    assert file.read_bytes() == before
