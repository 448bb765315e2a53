"""The landmark probe against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference

from fabnet.errors import InputError
from fabnet.probes.landmarks import landmark_errors, probe_landmarks, read_landmarks
from fabnet.probes.ridge import Ridge


def test_ridge_equals_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    features, targets = generator.normal(2, 3, (50, 8)), generator.normal(size=(50, 4))
    standardised = (features - features.mean(0)) / features.std(0)
    reference = Reference(alpha=0.05 * 50).fit(standardised, targets).predict(standardised)
    np.testing.assert_allclose(Ridge(0.05).fit(features, targets).predict(features), reference, atol=1e-8)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    features = np.stack([np.ones(9), np.arange(9.0)], axis=1)
    np.testing.assert_allclose(Ridge(1e-9).fit(features, features).predict(features), features, atol=1e-6)


def test_errors_equal_hand_arithmetic() -> None:
    true = np.zeros((1, 68, 2))
    true[0, 45] = [4, 0]
    true[0, 0] = [0, 9]
    predicted = true + [3, 4]
    by_eyes, by_box = landmark_errors(predicted, true)
    assert by_eyes == pytest.approx([5 / 4])
    assert by_box == pytest.approx([5 / 6])


def test_a_linear_code_is_read_exactly_and_noise_not_at_all() -> None:
    generator = np.random.default_rng(0)
    face = generator.normal(size=(68, 2))
    code = generator.normal(size=(400, 6))
    points = face + 0.1 * (code @ generator.normal(size=(6, 136))).reshape(400, 68, 2)
    people = np.repeat([f"person{i}" for i in range(40)], 10)
    is_fit = np.arange(400) < 300
    score = probe_landmarks(code, points, people, is_fit)
    assert score.outer_eye_percent < 0.5
    assert score.outer_eye_low <= score.outer_eye_percent <= score.outer_eye_high
    assert (score.faces, score.people, score.fit_faces) == (100, 10, 300)
    noise = probe_landmarks(generator.normal(size=(400, 6)), points, people, is_fit)
    assert noise.outer_eye_percent > 0.95 * noise.mean_face_percent > 20 * score.outer_eye_percent
    with pytest.raises(InputError, match="shares a person"):
        probe_landmarks(code, points, np.full(400, "one"), is_fit)


def test_a_wrong_landmark_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such landmark file"):
        read_landmarks(tmp_path / "none.csv")
    (tmp_path / "short.csv").write_text("frame,x0\na.jpg,1\n")
    with pytest.raises(InputError, match="line 2: expected a frame and 136 numbers"):
        read_landmarks(tmp_path / "short.csv")
