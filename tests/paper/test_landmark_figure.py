"""The landmark figure: the drawn points are the labels and the probe's predictions."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import fabnet
from fabnet.cli import main
from fabnet.paper.figures.landmarks import landmarks_figure

SVG = "{http://www.w3.org/2000/svg}"


def marks(root: ElementTree.Element, name: str) -> np.ndarray:
    """(P, 2) positions of a drawing's marks, in points from its upper left corner."""
    (group,) = [each for each in root.iter(f"{SVG}g") if each.get("id") == name]
    return np.array([[float(use.attrib["x"]), float(use.attrib["y"])] for use in group.iter(f"{SVG}use")])


def test_drawn_points_are_the_labels_and_the_predictions(labelled_photos: Path, tmp_path: Path) -> None:
    table, cache = labelled_photos / "labels.csv", tmp_path / "cache"
    result = landmarks_figure(
        "small", labelled_photos, protocol=str(table), probe="ridge", out=tmp_path, cache=cache, num_workers=0
    )
    report = fabnet.probe("small", str(table), labelled_photos, probe="ridge", cache=cache, num_workers=0)
    scored = next(each for each in report.scored if each.task == "landmarks")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    labels = {row["path"]: np.array([[float(row[f"{a}{i}"]) for a in "xy"] for i in range(5)]) for row in rows}
    predicted = dict(zip([rows[i]["path"] for i in scored.places], scored.predicted.reshape(-1, 5, 2), strict=True))
    assert {row["path"] for row in rows if row["split"] == "val"} == set(predicted)

    root = ElementTree.parse(result.files[0]).getroot()
    assert [shown["face"] for shown in result.shown][-1] == "worst"
    errors = {}
    for name, points in labels.items():
        if name in predicted:
            box = np.sqrt(np.ptp(points, axis=0).prod())
            errors[name] = 100 * np.linalg.norm(predicted[name] - points, axis=1).mean() / box
    assert max(errors, key=lambda name: errors[name]) == result.shown[-1]["name"]
    for column, shown in enumerate(result.shown):
        name = shown["name"]
        np.testing.assert_allclose(shown["error_%"], errors[name], rtol=1e-6)
        drawn = np.concatenate([marks(root, f"label-{column}"), marks(root, f"prediction-{column}")])
        true = np.concatenate([labels[name], predicted[name]])
        # One scale for x and y, plus a shift, maps the photo's pixels to the drawing.
        scale = np.ptp(drawn, axis=0) / np.ptp(true, axis=0)
        np.testing.assert_allclose(scale[0], scale[1], rtol=1e-3)
        np.testing.assert_allclose(drawn - scale * true, np.tile((drawn - scale * true)[0], (10, 1)), atol=0.02)


def test_a_protocol_without_points_is_one_line(
    labelled_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "sides.csv"
    rows = list(csv.DictReader((labelled_photos / "labels.csv").read_text().splitlines()))
    table.write_text("path,split,side\n" + "".join(f"{row['path']},{row['split']},{row['side']}\n" for row in rows))
    command = ["report", "small", "--figure", "landmarks", "--protocol", str(table), "--data", str(labelled_photos)]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert (
        capsys.readouterr().err == "fabnet report: sides.csv labels no points, only side: choose another --protocol\n"
    )
