"""A decimal comma is read rightly or refused; it is never taken for anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols.table import read_table


def read(folder: Path, text: str, encoding: str = "utf-8") -> Benchmark:
    (folder / "own.csv").write_text(text, encoding=encoding)
    return read_table(folder / "own.csv", folder)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read(tmp_path: Path, separator: str) -> None:
    lines = ["path|x0|y0|yaw|valence|side|smile", "a.jpg|1,234|20|-0,5|,25|1,5 left|1", "b.jpg|3|4,5|||right|0"]
    benchmark = read(tmp_path, "\n".join(lines).replace("|", separator) + "\n", "utf-16")
    assert list(benchmark.names) == ["a.jpg", "b.jpg"]
    assert [(task.name, task.kind) for task in benchmark.tasks] == [
        ("landmarks", "points"), ("pose", "angles"), ("valence", "values"), ("side", "classes"), ("smile", "units"),
    ]  # fmt: skip
    targets = [task.targets for task in benchmark.tasks]
    np.testing.assert_array_equal(targets[0], [[1.234, 20], [3, 4.5]])
    np.testing.assert_array_equal(targets[1], [[-0.5], [np.nan]])
    np.testing.assert_array_equal(targets[2], [[0.25], [np.nan]])
    assert benchmark.tasks[3].columns == ("1,5 left", "right")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('path,age\na,"0,5"\nb,"0,7"\n', r"line 2: '0,5' in a file separated by commas: write a decimal point"),
        ('path,x0,y0\na,1,"0,5"\n', r"line 2: '0,5' in a file separated by commas"),
        ("path,yaw\na,0,5\n", "line 2: expected 2 cells, as in the header; found 3"),
        ("path;age\na;1,234\nb;999\n", r"line 2: '1,234' may be 1\.234 or 1234"),
        ("path;age;yaw\na;0,5;1\nb;0,7;2.5\n", r"decimal commas and points \('0,5' in line 2, '2\.5' in line 3\)"),
        ("path;age\na;1.234,5\nb;2.345,5\n", r"line 2: '1\.234,5' separates thousands"),
        ("path;age\na;1,234,567\nb;0,5\n", r"line 2: '1,234,567' separates thousands"),
        ("path;age\na;0,5\nb;1 234,5\n", r"line 3: '1 234,5' separates thousands"),
        ("path;age\na;0,5\nb;NA\nc;0,7\n", "column age holds numbers and 'NA'"),
        ("path;yaw\na;0,5\nb;left\n", "line 3: expected a number or an empty cell, found 'left'"),
    ],
)
def test_unclear_numbers_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, text)


def test_words_with_commas_stay_words(tmp_path: Path) -> None:
    (task,) = read(tmp_path, 'path,seen\na,"left, 3"\nb,"1,2,4"\nc,"12.5.2020"\n').tasks
    assert task.columns == ("1,2,4", "12.5.2020", "left, 3")
