"""Tables that fabnet wrote come back from a spreadsheet program as they went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fabnet
from fabnet.errors import InputError

HEADER = ["source", "person", "track", "frame", "time_s", "in_range", "smile", "pose_yaw_deg"]
ROWS: list[list[Any]] = [
    ["zoë, 1;\t.mp4", "Zoë", "0", row, row / 32, True, row / 64, row % 5 - 1.5] for row in range(40)
]


def written(
    file: Path, separator: str = ",", point: str = ".", encoding: str = "utf-8", words: str = "true", before: str = "",
    end: str = "\r\n",
) -> Path:  # fmt: skip
    """ROWS as a spreadsheet program writes them; R and some programs quote every text."""

    def cell(value: Any) -> str:
        if isinstance(value, str):
            return f'"{value}"'
        return words if value is True else str(value).replace(".", point)

    lines = [separator.join(HEADER), *(separator.join(map(cell, row)) for row in ROWS)]
    file.write_bytes((before + end.join([*lines, ""])).encode(encoding))
    return file


FORMS: dict[str, dict[str, str]] = {
    "English": {},
    "German": {"separator": ";", "point": ",", "encoding": "utf-8-sig", "words": "WAHR"},
    "French, tabs, UTF-16": {"separator": "\t", "point": ",", "encoding": "utf-16", "words": "VRAI"},
    "sep=": {"separator": ";", "point": ",", "before": "sep=;\r\n", "words": "TRUE"},
    "UTF-16, sep=": {"separator": ";", "encoding": "utf-16", "before": '"sep=;"\r\n\r\n'},
    "sep= of commas": {"before": "SEP=,\n", "end": "\n"},
    "old Mac": {"separator": ";", "point": ",", "before": "sep=;\r", "end": "\r"},
}


@pytest.mark.parametrize("form", FORMS)
def test_courses_and_info_take_what_spreadsheet_programs_write(form: str, tmp_path: Path) -> None:
    expected = fabnet.courses(written(tmp_path / "plain.csv"))
    file = written(tmp_path / "talk.csv", **FORMS[form])
    assert fabnet.courses(file).equals(expected)
    found = fabnet.info(file)
    assert (found["rows"], found["people"], found["tracks"]) == (40, 1, 1)
    assert found["columns"] == {
        "source": "string", "person": "string", "track": "int64", "frame": "int64", "time_s": "double",
        "in_range": "bool", "smile": "double", "pose_yaw_deg": "double",
    }  # fmt: skip


HEAD = "source;person;track;frame;time_s;in_range;smile\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD + "v;p;0;0;0,5;true;1.5\n", r"decimal commas and points \('0,5' in line 2, '1\.5' in line 2\)"),
        (HEAD + "v;p;0;0;0;true;1,234\n", r"line 2: '1,234' may be 1\.234 or 1234"),
        ("sep=;\n" + HEAD + "v;p;0;0;0;true;1.234,5\n", r"line 3: '1\.234,5' separates thousands"),
        (HEAD + "v;p;0;0;0;true;1\u202f234,5\n", r"line 2: .* separates thousands"),
        (HEAD.replace(";", ",") + 'v,p,0,0,0,true,"0,5"\n', "line 2: '0,5' in a file separated by commas"),
        (HEAD.replace(";", ",") + "v,p,0,0,0,5,true,1\n", "cannot be read as a table"),
        ("sep=|\n" + HEAD.replace(";", "|"), r"begins with sep=\|; expected sep= and a comma, a semicolon or a tab"),
        (HEAD.replace("smile", "smile, %"), "the header line has commas and semicolons"),
        (HEAD.replace("person", "source") + "v;p;0;0;0;true;1\n", "has no column person"),
        (HEAD.replace("smile", "smile;smile") + "v;p;0;0;0;true;1;2\n", "several columns named smile"),
        (HEAD + "v;p;0;0;0;soon;1\n", "the column in_range holds 'soon'; expected true or false"),
        (HEAD + "v;p;0;0;soon;true;1\n", "the column time_s holds 'soon'; expected numbers"),
        (HEAD + "v;p;0;0;0;true;0,5\nv;p;0;1;1;true;01. Mai\nv;p;0;2;2;true;0,7\n", "the column smile holds '01. Mai'"),
        (
            HEAD.replace("smile", "smile;smile_pm") + "v;p;0;0;0;true;01. Mai;1\n",
            "smile holds '01. Mai'; .* date",
        ),
    ],
)
def test_what_is_unclear_is_refused(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "talk.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        fabnet.courses(file)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    for encoding in ("cp1252", "utf-16-le"):
        file = written(tmp_path / "talk.csv", encoding=encoding)
        for verb in (fabnet.courses, fabnet.info):
            with pytest.raises(InputError, match="save it as UTF-8"):
                verb(file)


def test_columns_without_a_name_and_empty_rows_do_not_count(tmp_path: Path) -> None:
    """pandas and R number the rows in a column without a name; spreadsheet programs leave empty rows and columns."""
    plain = written(tmp_path / "plain.csv")
    header, *rows = plain.read_text("utf-8").splitlines()
    indexed = tmp_path / "indexed.csv"
    lines = [f",{header},,", *(f"{index},{row},,4" for index, row in enumerate(rows)), "," * 10, "," * 10]
    indexed.write_text("\n".join(lines), "utf-8")
    assert fabnet.courses(indexed).equals(fabnet.courses(plain))
