"""Tables of users are read whatever the spreadsheet program: its separators and its Unicode encodings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabnet.errors import InputError
from fabnet.files.csv_file import csv_rows, read_csv
from fabnet.files.people import read_people
from fabnet.ingest.voxceleb_folders import read_speakers
from fabnet.probes.protocols.label_files import lines_of, rows_of
from fabnet.store.split import read_splits

ENCODINGS = {"utf-8": b"", "utf-8-sig": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_reader_takes_every_separator_and_encoding(encoding: str, separator: str, tmp_path: Path) -> None:
    def written(text: str) -> Path:
        file = tmp_path / "table.csv"
        lines = text.replace("|", separator).replace("\n", "\r\n")
        file.write_bytes(ENCODINGS[encoding] + lines.encode(encoding))
        return file

    file = written("video|person\nzoë, 1;\t.mp4|Zoë\n".replace("zoë, 1;\t.mp4", '"zoë, 1;\t.mp4"'))
    assert read_people(file, flag="--people", words="video") == {("zoë, 1;\t.mp4", None): "Zoë"}
    assert read_splits(written("person|split\nZoë|val\n")) == {"Zoë": "val"}
    assert rows_of(written("\npath|täg\nä.jpg|1\n"), ["path"]) == {3: {"path": "ä.jpg", "täg": "1"}}
    assert read_csv(written("a|b\n1|2\n"), "a,b") == [(2, {"a": "1", "b": "2"})]
    assert rows_of(written("sep=|\npath|täg\nä.jpg|1\n"), ["path"]) == {3: {"path": "ä.jpg", "täg": "1"}}
    assert read_speakers(written("sep=|\nVoxCeleb1 ID|VGGFace1 ID\nid10001|Zoë.\n")) == {"Zoë": "id10001"}
    assert read_speakers(written("VoxCeleb1 ID|VGGFace1 ID\nid10001|Zoë.\n")) == {"Zoë": "id10001"}
    assert list(lines_of(written("ä.jpg 1\n\n 2\n"))) == [(1, "ä.jpg 1"), (3, "2")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a\n1;2\n", [["a"], ["1;2"]]),
        ("a,b\n1;2,3\n", [["a", "b"], ["1;2", "3"]]),
        ('"a;b",c\n1,2\n', [["a;b", "c"], ["1", "2"]]),
        ('c,"a""; b;\nc"\n1,2\n', [["c", 'a"; b;\nc'], ["1", "2"]]),
        ('"a,b"\n1\n', [["a,b"], ["1"]]),
        ("sep=;\na,b;c\n1;2\n", [["a,b", "c"], ["1", "2"]]),
        ('"sep=,"\r\n\r\na;b,c\r\n', [["a;b", "c"]]),
        ("sep=\t\ra;b\tc\r", [["a;b", "c"]]),
        ("sep=;\n", []),
        ("a;b\n1;2\n;\n ; \n\n3;4\n;;;\n", [["a", "b"], ["1", "2"], [], [], [], ["3", "4"], []]),
        ("", []),
    ],
)
def test_the_first_lines_alone_say_the_separator(text: str, rows: list[list[str]], tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(text)
    assert [row for _, row in csv_rows(file)] == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path;yaw, degrees\nx;1\n", "the header line has commas and semicolons"),
        (b"path\tyaw, degrees; up\nx\t1\n", "the header line has commas and semicolons and tabs"),
        ("path;a\nx;1\n".encode("utf-16-le"), "save it as UTF-8"),
        ("path;a\nx;1\n".encode("utf-32"), "save it as UTF-8"),
        (b"sep=|\npath|a\n", r"begins with sep=\|; expected sep= and a comma, a semicolon or a tab"),
        (b"sep=\npath,a\n", "begins with sep=; expected"),
        ("path;a\nä;1\n".encode("cp1252"), "byte 8 is neither UTF-8, .*; save it as UTF-8"),
        ("path;a\nx;1\n".encode("utf-16")[:-1], "byte .* is neither UTF-8, .*; save it as UTF-8"),
    ],
)
def test_what_is_unclear_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        rows_of(file)
    with pytest.raises(InputError, match=said):
        read_splits(file)
