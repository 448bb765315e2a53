"""The page: whole, self-contained, and saying what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import fabnet
from fabnet.errors import ModelError
from fabnet.reporting.pictures import beside, flow_colours, flow_legend


def test_no_flow_is_white_and_direction_is_hue() -> None:
    flow = np.zeros((2, 1, 3))
    flow[:, 0, 1], flow[:, 0, 2] = (1, 0), (-1, 0)
    colours = flow_colours(flow, largest=1.0)
    assert colours[0, 0].tolist() == [255, 255, 255]
    assert (colours[0, 1] != colours[0, 2]).any()
    assert np.array_equal(flow_colours(10 * flow, largest=1.0), colours)
    assert flow_legend(9)[4, 4].tolist() == [255, 255, 255]


def test_pictures_stand_side_by_side() -> None:
    row = beside([np.zeros((8, 8, 3), np.uint8), np.full((64, 64, 3), 200, np.uint8)], side=16, gap=4)
    assert row.shape == (16, 36, 3)
    assert (row[:, :16] == 0).all()
    assert (row[:, 16:20] == 255).all()
    assert (row[:, 20:] == 200).all()


def test_the_page_needs_nothing_else(tiny_run: Path, carphone: Path, tmp_path: Path) -> None:
    page = fabnet.report(tiny_run, out=tmp_path, video=carphone).page.read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "http" not in re.sub(r"xmlns(:\w+)?=\"[^\"]*\"|<!DOCTYPE[^>]*>|<rdf:RDF.*?</rdf:RDF>", "", page, flags=re.S)
    assert page.count("<figcaption>") >= 9 + 6 + 1
    assert {"best: L1", "median: L1", "worst: L1"} <= set(re.findall(r"(?:best|median|worst): L1", page))
    assert "person5 / " in page
    assert "carphone_pristine.mp4 over time" in page
    assert "other moments" not in page


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no run"):
        fabnet.report(tmp_path)
