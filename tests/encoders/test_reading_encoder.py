"""The encoder in int8 that reads faces: when it is used, and how near its readings are to those of float32."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest

import fabnet
from fabnet.encoders.load_encoder import load_for_reading
from fabnet.faces.detect.load import load_detector
from fabnet.models.model_folder import INT8_FILE
from fabnet.reading.canonical import Eyes
from fabnet.video.decode import read_frames
from fabnet.weights import shipped_models


@pytest.mark.parametrize("model", ["base", "small"])
def test_readings_in_int8_are_those_of_float32(smiling: Path, model: str) -> None:
    images = [frame.image for frame in read_frames(smiling, fps=8.0)]
    detect = load_detector("yunet")
    made = []
    for encoder in (fabnet.load(model), load_for_reading(model)):
        eyes = Eyes(encoder, encoder.required_reader())
        boxes = np.concatenate([eyes.first_windows(detect(image)[:1]) for image in images])
        made.append(eyes.reader.columns(eyes.settle(images, boxes).seen))
    exact, rounded = made
    assert [len(each["in_range"]) for each in made] == [len(images)] * 2
    for name in ("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg"):
        assert np.abs(exact[name] - rounded[name]).mean() < 1.0
    flips = [
        (exact[name] > 0.5) != (rounded[name] > 0.5) for name in exact if name.startswith("AU") and "_" not in name
    ]
    assert np.mean(flips) < 0.03
    side = 100.0  # about that of the windows in pixels
    assert np.abs(exact["landmarks68_px"] - rounded["landmarks68_px"]).mean() < 0.01 * side


def test_batches_change_no_bit() -> None:
    encoder = load_for_reading("base")
    views = np.random.default_rng(0).integers(0, 255, (9, encoder.card.size, encoder.card.size, 3)).astype(np.uint8)
    one_by_one = [encoder.embed_views(view[None])[0] for view in views]
    np.testing.assert_array_equal(encoder.embed_views(views), one_by_one)
    where = encoder.required_reader().where
    np.testing.assert_array_equal(where(np.array(one_by_one)), [where(each[None])[0] for each in one_by_one])


def test_it_is_used_where_the_models_folder_has_it(tmp_path: Path) -> None:
    assert load_for_reading("base").precision == "int8"
    assert fabnet.load("base").precision == "float32"
    folder = tmp_path / "copy"
    shutil.copytree(shipped_models()["base"], folder)
    copied = load_for_reading(folder)
    assert copied.precision == "int8"
    assert copied.required_reader().model == load_for_reading("base").required_reader().model
    again = copy.deepcopy(copied)  # as pickling does
    assert again.precision == "int8"
    (folder / INT8_FILE).unlink()
    assert load_for_reading(folder).precision == "float32"
