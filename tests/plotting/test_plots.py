"""Plots on Matplotlib's axes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pyarrow as pa
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import fabnet
from fabnet.errors import InputError
from fabnet.plotting.canvas import GREY, breaks
from fabnet.video.decode import read_frames

plots: Any = fabnet
"""Matplotlib's axes are used freely here."""


@pytest.fixture(autouse=True)
def no_window() -> Iterator[None]:
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def table(smiling: Path) -> pa.Table:
    return fabnet.read(smiling, fps=10)


def changed(table: pa.Table, rows: range, **values: Any) -> pa.Table:
    """A table with other values in some rows."""
    listed = table.to_pylist()
    for row in rows:
        listed[row] |= values
    return pa.Table.from_pylist(listed, table.schema)


def no_face(table: pa.Table, rows: range) -> pa.Table:
    kept = ("source", "frame", "time_s")
    return changed(table, rows, **{name: None for name in table.schema.names if name not in kept})


def drawn(ax: Axes) -> None:
    """Draw it, which raises what is wrong in texts and layouts."""
    ax.figure.canvas.draw()


def test_a_course_is_the_column_over_its_times_with_its_band(table: pa.Table) -> None:
    _, ax = pyplot.subplots()
    assert plots.plot_course(table, "pose_yaw_deg", ax=ax) is ax
    below, line = ax.get_lines()
    np.testing.assert_allclose(line.get_xdata(), table["time_s"].to_numpy())
    np.testing.assert_allclose(line.get_ydata(), table["pose_yaw_deg"].to_numpy())
    assert below.get_color() == GREY
    (band,) = ax.collections
    top = band.get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx((table["pose_yaw_deg"].to_numpy() + table["pose_yaw_deg_pm"].to_numpy()).max())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time in the video, s", "yaw, degrees")
    drawn(ax)


def test_a_course_is_grey_where_no_face_is_in_range(table: pa.Table) -> None:
    ax = plots.plot_course(no_face(changed(table, range(10, 15), in_range=False), range(20, 22)), "smile")
    _, line = ax.get_lines()
    assert np.isnan(line.get_ydata()[10:15]).all()
    assert np.isfinite(line.get_ydata()[:10]).all()
    times = table["time_s"].to_numpy()
    spans = [(each.get_x(), each.get_x() + each.get_width()) for each in ax.patches]
    expected = [((times[a - 1] + times[a]) / 2, (times[b - 1] + times[b]) / 2) for a, b in ((10, 15), (20, 22))]
    np.testing.assert_allclose(spans, expected)
    assert ax.get_ylim() == (-0.02, 1.02)
    drawn(ax)


def test_a_course_is_broken_where_frames_are_missing(table: pa.Table) -> None:
    ax = plots.plot_course(table.filter(pa.array(np.abs(np.arange(len(table)) - 20) > 5)), "smile")
    assert np.isnan(ax.get_lines()[1].get_ydata()).sum() == 1
    np.testing.assert_array_equal(breaks(np.array([0, 1, 2, 9, 10])), [3])
    assert len(breaks(np.array([1.0]))) == 0


def test_people_are_drawn_together_or_chosen(table: pa.Table) -> None:
    second = changed(table, range(len(table)), track="1", person="a $b_{2}$ <c>")
    both = pa.concat_tables([table, second])
    ax = plots.plot_course(both, "smile")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["smiling.mp4/0", "a $b_{2}$ <c>"]
    assert not ax.patches
    drawn(ax)
    ax = plots.plot_course(both, "smile", person="a $b_{2}$ <c>")
    assert len(ax.get_lines()) == 2
    assert ax.get_legend() is None


def test_changes_from_a_baseline_are_named_so(table: pa.Table) -> None:
    made = fabnet.courses(table, baseline="0:1")
    assert plots.plot_course(made, "mouth_opening_change").get_ylabel().startswith("change of mouth opening,")
    assert plots.plot_course(made, "expression_happy").get_ylabel() == "happy, probability"


def test_what_cannot_be_plotted_is_one_line(table: pa.Table) -> None:
    for changes, message in (
        ({"quantity": "grin"}, "there is no quantity 'grin' to plot; there is pose_roll_deg"),
        ({"quantity": "pose_yaw_deg_pm"}, "there is no quantity 'pose_yaw_deg_pm'"),
        ({"person": "Ann"}, "the table has no face with a time of person 'Ann': nothing to plot"),
    ):
        with pytest.raises(InputError, match=message):
            plots.plot_course(table, **changes)
    many = pa.concat_tables([changed(table.slice(0, 2), range(2), track=str(number)) for number in range(11)])
    with pytest.raises(InputError, match="there are 11 tracks, and a plot shows 10: choose by source and person"):
        plots.plot_course(many)


def test_a_face_has_its_points_and_axes_where_they_were_read(smiling: Path, table: pa.Table) -> None:
    row = table.to_pylist()[5]
    ax = plots.plot_face(smiling, table, frame=row["frame"])
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(points, np.reshape(row["landmarks68_px"], (68, 2)), rtol=1e-6)
    lines = {to_hex(line.get_color()): np.asarray(line.get_xydata()) for line in ax.get_lines()}
    assert lines.keys() == {"#e4572e", "#1b9e77", "#3d78d8"}
    for line in lines.values():
        np.testing.assert_allclose(line[0], points.mean(axis=0), rtol=1e-5)
    right, up = lines["#e4572e"][1] - lines["#e4572e"][0], lines["#1b9e77"][1] - lines["#1b9e77"][0]
    assert right[0] > abs(right[1])
    assert -up[1] > abs(up[0])
    assert ax.texts[0].get_text().startswith(row["expression"])
    assert ax.images[0].get_extent() == [0, 192, 192, 0]
    drawn(ax)


def test_a_face_out_of_range_is_grey_and_one_that_is_missing_is_not_drawn(smiling: Path, table: pa.Table) -> None:
    image = next(iter(read_frames(smiling))).image
    ax = plots.plot_face(image, table.to_pylist()[0] | {"out_of_range": "turned, small"})
    assert {to_hex(line.get_color()) for line in ax.get_lines()} == {GREY}
    assert ax.texts[0].get_text() == "out of range: turned, small"
    assert not plots.plot_face(image, no_face(table.slice(0, 1), range(1))).get_lines()


def test_pictures_and_rows_are_checked(smiling: Path, table: pa.Table) -> None:
    with pytest.raises(InputError, match=r"expected a picture \(H, W, 3\) uint8 RGB; got \(4, 5\) float64"):
        plots.plot_face(np.zeros((4, 5)), table)
    with pytest.raises(InputError, match="the rows have no column landmarks68_px, "):
        plots.plot_face(smiling, [{"box_px": None}], frame=0)
    with pytest.raises(InputError, match=r"smiling\.mp4 has no frame 5000"):
        plots.plot_face(smiling, table, frame=5000)


def test_a_confusion_matrix_counts_pairs() -> None:
    labels = ["a", "a", "a", "b", None, "b"]
    made = pa.chunked_array([["a", "b", "a", "b", "b", None]])
    ax = plots.plot_confusion(labels, made)
    np.testing.assert_allclose(ax.images[0].get_array(), np.array([[2 / 3, 1 / 3], [0, 1]]))
    assert [text.get_text() for text in ax.texts] == ["67%\n2", "33%\n1", "", "100%\n1"]
    assert ax.get_title() == "75% of 4 right; 2 left out"
    assert [each.get_text() for each in ax.get_xticklabels()] == ["a", "b"]
    drawn(ax)
    ax = plots.plot_confusion(np.array([0, 1, 1]), np.array([0.0, np.nan, 1.0]), classes=[1, 0, 2])
    assert [each.get_text() for each in ax.get_yticklabels()] == ["1", "0", "2"]
    assert ax.get_title() == "100% of 2 right; 1 left out"


def test_wrong_classes_are_one_line() -> None:
    for given, message in (
        ((["a"], []), "there are 1 labels and 0 predictions; expected as many"),
        (([None], ["a"]), "there is no pair of a label and a prediction to plot"),
        ((list(range(41)), list(range(41))), "there are 41 classes, and a plot shows 40"),
    ):
        with pytest.raises(InputError, match=message):
            plots.plot_confusion(*given)
    with pytest.raises(InputError, match="'c' is none of the classes a, b"):
        plots.plot_confusion(["a"], ["c"], classes=["a", "b"])


@pytest.fixture(scope="module")
def faces(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("faces") / "faces.lance"
    fabnet.embed(store, out)
    return out


def test_neighbours_are_a_sheet(faces: Path) -> None:
    result = fabnet.search(faces, ["person0/0/0/0", "person1/0/0/0"], k=7)
    ax = plots.plot_neighbours(result)
    assert len(ax.images) == 9
    assert all(each.get_array().std() > 10 for each in ax.images)
    texts = [text.get_text() for text in ax.texts]
    assert texts[:3] == ["query 1", "person0/0/0/0", "query 2"]
    assert texts[4].startswith(f"1  {result.neighbours[0]['similarity']:.3f}")
    drawn(ax)


def test_neighbours_without_thumbnails_are_grey(store: Path, tmp_path: Path) -> None:
    fabnet.embed(store, tmp_path / "bare.lance", thumbnails=False)
    ax = plots.plot_neighbours(fabnet.search(tmp_path / "bare.lance", "person0/0/0/0", k=2))
    assert [each.get_array().shape for each in ax.images] == [(1, 1, 3)] * 3


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_every_plot_can_be_drawn_in_a_light_and_a_dark_style(
    style: str, smiling: Path, table: pa.Table, faces: Path, tmp_path: Path
) -> None:
    with pyplot.style.context(style):
        for number, ax in enumerate(
            (
                plots.plot_course(table),
                plots.plot_face(smiling, table, frame=0),
                plots.plot_confusion(["a", "b"], ["a", "a"]),
                plots.plot_neighbours(fabnet.search(faces, "person0/0/0/0", k=3)),
            )
        ):
            ax.figure.savefig(tmp_path / f"{number}.pdf")


def test_without_matplotlib_it_is_one_line() -> None:
    code = """import sys; sys.modules["matplotlib"] = None
import fabnet
try:
    fabnet.plot_confusion(["a"], ["a"])
except fabnet.errors.MissingDependencyError as error:
    print(error)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "plots need Matplotlib: pip install 'fabnet[train]'\n"
