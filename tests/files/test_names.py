"""Names in the tables of users find their files however Windows, macOS and spreadsheet programs spell them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from fabnet.files.media import VideoFile
from fabnet.ingest.identities import identities_of
from fabnet.probes.protocols.table import read_table
from fabnet.reading.inputs import Input
from fabnet.reading.people import people_of
from fabnet.store.split import absent_notes, splits_for

COMPOSED, SPLIT = (unicodedata.normalize(form, "Zoë/Übung é.mp4") for form in ("NFC", "NFD"))
WINDOWS = COMPOSED.replace("/", "\\")


@pytest.mark.parametrize("on_disk", [COMPOSED, SPLIT])
@pytest.mark.parametrize("in_table", [COMPOSED, SPLIT, WINDOWS, COMPOSED.partition("/")[2]])
def test_videos_are_known_by_every_spelling(on_disk: str, in_table: str, tmp_path: Path) -> None:
    assert COMPOSED != SPLIT
    (tmp_path / "people.csv").write_text(f"video ; person\n{in_table};Zoë\n;\n", "utf-8")
    video = VideoFile(tmp_path / on_disk, on_disk, "Zoë", 0, 0.0, (0, 0))
    assert identities_of([video], tmp_path / "people.csv") == ({on_disk: "Zoë"}, [])
    person = people_of(tmp_path / "people.csv", [Input(tmp_path / on_disk, on_disk, "video")])
    assert person({"source": on_disk, "track": "0", "person": None}) == "Zoë"


def test_people_are_known_by_every_spelling(tmp_path: Path) -> None:
    composed, split = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    for one, other in ((composed, split), (split, composed)):
        (tmp_path / "splits.csv").write_text(f"person;split\n{one};val\n;\n", "utf-8")
        found = splits_for([other], tmp_path / "splits.csv")
        assert found == {other: "val"}
        assert absent_notes(tmp_path / "splits.csv", found) == []


@pytest.mark.parametrize("on_disk", [COMPOSED, SPLIT])
@pytest.mark.parametrize("in_table", [COMPOSED, SPLIT, WINDOWS])
def test_labelled_faces_are_found_by_every_spelling(on_disk: str, in_table: str, tmp_path: Path) -> None:
    file = tmp_path / on_disk
    file.parent.mkdir()
    file.touch()
    (tmp_path / "labels.csv").write_text(f"path;yaw\n{in_table};1,5\n;\n", "utf-8")
    (image,) = read_table(tmp_path / "labels.csv", tmp_path).images
    assert isinstance(image, Path)
    assert image.samefile(file)
