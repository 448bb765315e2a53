"""The paper's tables next to results of runs."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fabnet.errors import InputError
from fabnet.paper.paper_table import MARKS, PaperTable, paper_table
from fabnet.paper.published import DASH, PUBLISHED
from fabnet.paper.results import RunResult, Score, read_result
from fabnet.paper.table import table
from fabnet.paper.table_formats import to_csv, to_html, to_json, to_latex, to_terminal

EYES = "error, % of outer-eye distance"


def score(metric: str, value: float | None, *, task: str = "landmarks68", **changed: Any) -> Score:
    known: dict[str, Any] = {"low": None, "high": None, "n": 689, "people": 120, "probe": "ridge", "headline": True}
    return Score(task=task, metric=metric, value=value, **(known | changed))


def run(protocol: str, *scores: Score, **changed: Any) -> RunResult:
    known: dict[str, Any] = {
        "split": "test",
        "model": "small",
        "embedding_dim": 256,
        "objective": "fabnet",
        "data": "faces",
        "date": "2020-02-02",
        "commit": "abc1234",
        "fabnet": "0.1.0",
        "seeds": 3,
    }
    return RunResult(protocol=protocol, scores=scores, **(known | changed))


def aucs(mean: float, *columns: str, **changed: Any) -> list[Score]:
    task = changed.pop("task", "expressions")
    named = [score(f"AUC, {column}", mean, task=task, headline=False, **changed) for column in columns]
    return [*named, score("AUC, mean", mean, task=task, **changed)]


def texts(made: PaperTable, panel: int, row: str) -> list[str]:
    return next([cell.text for cell in each.cells] for each in made.panels[panel].rows if each.label == row)


def terminal(made: PaperTable, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(to_terminal(made, width=width))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(("number", "rows", "columns"), [(1, 15, 2), (2, 5, 4), (3, 8, 12), (4, 8, 9)])
def test_every_published_row_is_complete(number: int, rows: int, columns: int) -> None:
    panel = paper_table(number).panels[0]
    assert panel.origin == "published"
    assert len(panel.rows) == rows
    assert len(panel.columns) == columns
    assert all(len(row.cells) == columns for row in panel.rows)


@pytest.mark.parametrize(
    ("number", "method", "column", "text"),
    [
        (1, "FAb-Net", "300-W", "6.31"),
        (1, "FAb-Net w/ curric.", "MAFL", "3.49"),
        (1, "Jakab et al. [21] (2018)", "300-W", DASH),
        (1, "Jakab et al. [21] (2018)", "MAFL", "3.08"),
        (1, "Thewlis et al. [52] (2017)", "300-W", "7.97"),
        (1, "MTCNN [65] (2014)", "MAFL", "5.39"),
        (1, "RAR [57] (2016)", "300-W", "4.94"),
        (1, "RAR [57] (2016)", "MAFL", DASH),
        (1, "VGG-Face descriptor [41]", "300-W", "11.16"),
        (2, "FAb-Net w/ curric.", "Pitch", "7.21°"),
        (2, "FAb-Net w/ curric., 3 source frames", "Yaw", "10.70°"),
        (2, "KEPLER [26] (2017)", "MAE", "7.02°"),
        (3, "FAb-Net", "12", "89.5"),
        (3, "Gidaris et al. [19]", "20", "72.6"),
        (3, "VGG-11 (from scratch)", "25", "96.4"),
        (3, "Autoencoder", "avg.", "69.3"),
        (4, "SplitBrain [63]", "Disgust", "58.6"),
        (4, "AlexNet [35]", "Contempt", DASH),
        (4, "AlexNet [35]", "avg.", "82"),
        (4, "VGG-Face descriptor [41]", "Happy", "92.2"),
    ],
)
def test_published_cells_match_the_paper(number: int, method: str, column: str, text: str) -> None:
    made = paper_table(number)
    assert texts(made, 0, method)[made.panels[0].columns.index(column)] == text


@pytest.mark.parametrize("number", [2, 3, 4])
def test_published_averages_agree_with_their_rows(number: int) -> None:
    for row in paper_table(number).panels[0].rows:
        numbers = [cell.text.removesuffix("°") for cell in row.cells]
        if DASH in numbers:
            continue
        *parts, mean = map(float, numbers)
        step = 10.0 ** -PUBLISHED[number].decimals
        assert sum(parts) / len(parts) == pytest.approx(mean, abs=1.01 * step), row.label


def test_headings_match_the_paper() -> None:
    found = [group.headings for group in paper_table(1).panels[0].groups]
    assert found == [
        ("Self-supervised", "Trained on VoxCeleb+"),
        ("Self-supervised", "Trained on CelebA"),
        ("Supervised", "Trained on CelebA"),
    ]
    assert [group.headings for group in paper_table(4).panels[0].groups] == [("Self-supervised",), ("Supervised",)]


@pytest.mark.parametrize(
    ("number", "ratios"),
    [(1, ["0.51", "0.58"]), (2, ["0.66"]), (3, ["0.79", "0.70", "0.61"]), (4, ["0.86", "0.74", "0.68"])],
)
def test_published_relations(number: int, ratios: list[str]) -> None:
    (relations,) = paper_table(number).relations
    assert [cell.text for row in relations.rows for cell in row.cells] == ratios


def test_runs_have_columns_of_their_own_named_by_their_data_set() -> None:
    made = paper_table(
        1,
        [
            run(
                "youtube-faces", score(EYES, 9.126, low=8.5, high=9.754), score("error, % of box", 3.0, headline=False)
            ),
            run("300w", score(EYES, 8.0), model="mine"),
            run("youtube-faces", score(EYES, 9.5), split="val"),
            run("mtfl", score("error, % of eye-centre distance", 6.0, task="landmarks5")),
        ],
    )
    here = made.panels[1:]
    assert all(panel.origin == "here" for panel in here)
    assert [panel.columns for panel in here] == [("300-W",), ("YouTube Faces",), ("YouTube Faces",), ("MTFL",)]
    assert "instead of 300-W" in here[1].title
    names = [name for panel in made.panels for name in panel.column_names()]
    assert len(set(names)) == len(names)
    (cell,) = here[1].rows[0].cells
    assert (cell.text, cell.low, cell.high) == ("9.13", "8.50", "9.75")
    known = dict(zip(here[1].facts, here[1].rows[0].facts, strict=True))
    assert (known["D"], known["probe"], known["date"], known["commit"]) == ("256", "ridge", "2020-02-02", "abc1234")
    rows = list(csv.DictReader(io.StringIO(to_csv(made))))
    for row in rows:
        filled = {name for name in names if row.get(name)}
        is_published = row["mark"] == MARKS["published"]
        assert all(name.startswith("published") == is_published for name in filled)


def test_angles_units_and_classes_are_in_their_columns() -> None:
    angles = [score(f"error in degrees, {name}", 7.0, task="pose") for name in ("yaw", "pitch", "roll", "mean")]
    assert paper_table(2, [run("biwi", *angles)]).panels[1].columns == ("Roll", "Pitch", "Yaw", "MAE")
    units = aucs(70.0, "AU12", "AU01", "AU7", task="units")
    made = paper_table(3, [run("ckplus", *units, *aucs(80.0, "happy"))])
    assert [panel.columns for panel in made.panels] == [PUBLISHED[3].columns, ("1", "7", "12", "avg.")]
    made = paper_table(4, [run("ferplus", *aucs(70.0, "sadness", "happiness", "neutral"))])
    assert made.panels[1].columns == ("Neutral", "Happiness", "Sadness", "avg.")


def test_a_missing_number_is_a_dash() -> None:
    made = paper_table(4, [run("rafdb", score("AUC, fear", None, task="expressions"), *aucs(70.0, "sad"))])
    assert texts(made, 1, "small") == ["70.0", DASH, "70.0"]


def test_relations_of_runs_use_one_data_set_and_one_probe() -> None:
    runs = [
        run("ferplus", *aucs(76.4, "sad")),
        run("ferplus", *aucs(72.7, "sad"), model="rot", objective="rotnet", embedding_dim=128),
        run("ferplus", *aucs(68.0, "sad", probe="paper"), model="auto", objective="autoencoder"),
        run("rafdb", *aucs(65.3, "sad"), model="split", objective="splitbrain"),
        run("ferplus", *aucs(60.0, "sad"), model="pixels", objective=None),
    ]
    published, here = paper_table(4, runs).relations
    assert published.origin == "published"
    (row,) = here.rows
    assert row.label == "small over rot"
    assert (row.cells[0].text, row.cells[0].note) == ("0.86", "23.6 / 27.3")
    assert dict(zip(here.facts, row.facts, strict=True))["D"] == "256 / 128"
    assert here.columns == ("avg.",)
    assert here.title.startswith("FER+, test")


def test_the_identity_descriptor_of_runs_is_known_by_its_name() -> None:
    runs = [run("300w", score(EYES, 6.0)), run("300w", score(EYES, 8.0), model="dlib-identity", objective=None)]
    assert paper_table(1, runs).relations[1].rows[0].cells[0].text == "0.75"


def test_results_of_other_tables_are_named() -> None:
    made = paper_table(2, [run("300w", score(EYES, 6.0)), run("youtube-faces", score(EYES, 6.0))])
    assert made.left_out == ("small on 300w", "small on youtube-faces")
    assert len(made.panels) == 1
    assert "Not of table 2: small on 300w, small on youtube-faces" in terminal(made)


AWKWARD = r"<b>50% & $x_1^2$ #[red]\~{x}</b>"


def test_html_escapes_and_marks() -> None:
    page = to_html(paper_table(1, [run("300w", score(EYES, 6.0), model=AWKWARD)]))
    assert "<b>50%" not in page
    assert "&lt;b&gt;50% &amp; $x_1^2$" in page
    assert page.count("<h1>") == 1
    assert "Landmark prediction error on 300-W and MAFL datasets. Lower is better." in page
    assert page.count(f'<span class="mark">{MARKS["here"]}</span>') == 1
    published = page.count(">the paper&#39;s number on its data</span>")
    assert published == 2  # the rows and the relation
    assert not re.search(r"(src|href)=", page)
    assert page.count("Trained on CelebA") == 2
    assert page.count('level0"><th colspan="3">Self-supervised') == 1


def test_latex_escapes_and_has_as_many_cells_as_columns() -> None:
    made = paper_table(1, [run("300w", score(EYES, 6.0, low=5.0, high=7.0), model=AWKWARD)])
    text = to_latex(made)
    assert r"\textless{}b\textgreater{}50\% \& \$x\_1\textasciicircum{}2\$ \#[red]\textbackslash{}" in text
    for tabular in re.findall(r"\\begin\{tabular\}(.+?)\\end\{tabular\}", text, re.DOTALL):
        columns = len(re.match(r"\{(\w+)\}", tabular)[1])  # type: ignore[index]
        rows = [line for line in tabular.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
        assert rows
        assert all(len(re.findall(r"(?<!\\)&", row)) == columns - 1 for row in rows)
    assert r"5.54$^\circ$" in to_latex(paper_table(2))
    assert "Jakab et al. [21] (2018) & -- & 3.08" in text


def test_csv_keeps_awkward_names_and_dashes() -> None:
    name = 'a "quoted", name\nof two lines'
    rows = list(csv.DictReader(io.StringIO(to_csv(paper_table(1, [run("300w", score(EYES, 6.0), model=name)])))))
    assert len(rows) == 15 + 1 + 1
    assert rows[3]["published: 300-W"] == DASH
    assert rows[-2]["row"] == name
    assert rows[-2][f"here, 300-W, test, landmarks68, {EYES}: 300-W"] == "6.00"


def test_the_terminal_shows_all_at_100_columns() -> None:
    units = [f"AU{number}" for number in range(1, 28)]
    shown = terminal(
        paper_table(3, [run("ckplus", *aucs(71.5, *units, task="units", low=70.0, high=73.0), model="[b]")])
    )
    assert max(map(len, shown.splitlines())) <= 100
    assert "…" not in shown
    assert shown.count("71.5") == 28
    assert shown.count("2020-02-02") == 3
    assert "[b]" in shown
    line = next(line for line in shown.splitlines() if line.startswith("FAb-Net w/ curriculum, 3 source frames"))
    assert line.rstrip().endswith(" 74.1 72.3 75.8 68.8 90.7 81.8 92.5 73.7 77.2 83.6 73.6 78.6")


def test_json_marks_every_panel() -> None:
    found = json.loads(json.dumps(to_json(paper_table(1, [run("300w", score(EYES, 6.0))]))))
    assert [panel["mark"] for panel in found["panels"]] == [MARKS["published"], MARKS["here"]]
    assert found["panels"][0]["groups"][0]["rows"][2]["cells"][1]["text"] == "3.44"


def written(folder: Path, **changed: Any) -> Path:
    result = {
        "task": "landmarks68",
        "metric": EYES,
        "value": 7.5,
        "low": 7.0,
        "high": 8.0,
        "n": 10,
        "people": None,
        "probe": "ridge",
        "headline": True,
    } | changed.pop("result", {})
    whole = {
        "protocol": "300w",
        "split": "test",
        "model": "small",
        "embedding_dim": 256,
        "objective": None,
        "data": "faces",
        "date": "2020-02-02",
        "commit": None,
        "fabnet": "0.1.0",
        "results": [result],
        "seeds": 3,
    } | changed
    file = folder / "result.json"
    file.write_text(json.dumps({name: value for name, value in whole.items() if value != "gone"}))
    return file


def test_files_are_read_and_tables_written(tmp_path: Path) -> None:
    made = table(1, out=tmp_path / "tables", results=[written(tmp_path)])
    assert [file.name for file in made.files] == ["table1.html", "table1.tex", "table1.csv"]
    assert sorted(file.name for file in (tmp_path / "tables").iterdir()) == ["table1.csv", "table1.html", "table1.tex"]
    assert texts(made.table, 1, "small") == ["7.50"]
    assert made.to_json()["files"] == [str(file) for file in made.files]


def test_nan_is_a_missing_number(tmp_path: Path) -> None:
    assert read_result(written(tmp_path, result={"value": float("nan")})).scores[0].value is None


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_result(file).model == "small"


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(InputError, match="no table 5; expected 1"):
        table(5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"commit": "gone"}, "lacks 'commit'"),
        ({"date": 3}, "'date' is 3; expected str"),
        ({"seeds": True}, "'seeds' is true; expected int or null"),
        ({"results": ["none"]}, "result 1 is not a JSON object"),
        ({"result": {"value": "7"}}, "result 1: 'value' is \"7\"; expected int or float or null"),
        ({"result": {"metric": "AUC, mean", "value": 0.75}}, "AUC 0.75; expected per cent"),
        ({"result": {"value": 10**400}}, "result 1: 'value' is 10000000000000000000...; expected numbers up to 2^53"),
        ({"embedding_dim": -(10**400)}, "'embedding_dim' is -1000000000000000000...; expected numbers up to 2^53"),
    ],
)
def test_a_file_that_the_probe_did_not_write_is_an_error(tmp_path: Path, changed: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read_result(written(tmp_path, **changed))


def test_results_may_be_in_the_encodings_of_windows(tmp_path: Path) -> None:
    """`fabnet probe --json > FILE` in PowerShell 5 writes UTF-16."""
    file = written(tmp_path)
    text, found = file.read_text("utf-8"), read_result(file)
    for encoding in ("utf-8-sig", "utf-16"):
        file.write_text(text, encoding)
        assert read_result(file) == found


def test_a_missing_file_and_one_that_is_not_json_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the results file .*none\.json: No such file"):
        read_result(tmp_path / "none.json")
    file = tmp_path / "text.json"
    file.write_text("no json")
    with pytest.raises(InputError, match=r"text\.json is not JSON"):
        read_result(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not JSON"):
        read_result(file)
    file.write_text("[]")
    with pytest.raises(InputError, match="is not a JSON object"):
        read_result(file)
