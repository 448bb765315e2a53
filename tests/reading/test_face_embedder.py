"""`fabnet.FaceEmbedder`: photos to embeddings in scikit-learn."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fabnet
from fabnet.errors import InputError, ModelError, NoFaceError
from fabnet.faces.picture import decode_picture

NOT_PHOTOS = "it gives fit_transform or transform rows of random numbers, which are not photos"
EXPECTED_FAILED_CHECKS = {
    "check_dict_unchanged": NOT_PHOTOS,
    "check_dont_overwrite_parameters": NOT_PHOTOS,
    "check_estimator_sparse_array": NOT_PHOTOS,
    "check_estimator_sparse_matrix": NOT_PHOTOS,
    "check_estimator_sparse_tag": "it wants fit to refuse a sparse matrix, but only transform looks at photos",
    "check_estimators_dtypes": NOT_PHOTOS,
    "check_estimators_pickle": NOT_PHOTOS,
    "check_f_contiguous_array_estimator": NOT_PHOTOS,
    "check_fit2d_1feature": NOT_PHOTOS,
    "check_fit2d_1sample": NOT_PHOTOS,
    "check_fit_idempotent": NOT_PHOTOS,
    "check_fit_score_takes_y": NOT_PHOTOS,
    "check_methods_sample_order_invariance": NOT_PHOTOS,
    "check_methods_subset_invariance": NOT_PHOTOS,
    "check_pipeline_consistency": NOT_PHOTOS,
    "check_transformer_general": NOT_PHOTOS,
    "check_transformers_unfitted_stateless": NOT_PHOTOS,
}
"""Checks of scikit-learn that do not apply. What they are about is tested below on photos."""


class TestedOnNumbers(fabnet.FaceEmbedder):
    """Says that it takes rows of numbers, because scikit-learn would otherwise skip nearly all of its checks."""

    __test__ = False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


@pytest.fixture(scope="module")
def paths(labelled_photos: Path) -> list[Path]:
    return [labelled_photos / f"{number}.png" for number in range(0, 48, 4)]


@pytest.fixture(scope="module")
def embeddings(paths: list[Path]) -> np.ndarray:
    return np.asarray(fabnet.FaceEmbedder().fit_transform(paths))


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo without a face."""
    file = tmp_path_factory.mktemp("blank") / "blank.png"
    cv2.imwrite(str(file), np.full((120, 160, 3), 128, np.uint8))
    return file


def read(file: Path) -> np.ndarray:
    return decode_picture(file.read_bytes())


def test_scikit_learns_own_checks() -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    found = checks.check_estimator(
        TestedOnNumbers(), expected_failed_checks=EXPECTED_FAILED_CHECKS, on_fail=None, on_skip=None
    )
    assert [(each["check_name"], each["exception"]) for each in found if each["status"] == "failed"] == []
    passed = {each["check_name"] for each in found if each["status"] == "passed"}
    assert {"check_estimator_cloneable", "check_set_params", "check_no_attributes_set_in_init"} <= passed
    assert len(passed) >= 15


def test_the_embeddings_are_those_of_embed(paths: list[Path], embeddings: np.ndarray, tmp_path: Path) -> None:
    assert embeddings.shape == (12, 256)
    assert embeddings.dtype == np.float32
    fabnet.embed(paths, tmp_path / "faces.parquet")
    table = parquet.read_table(tmp_path / "faces.parquet")
    np.testing.assert_allclose(embeddings, np.stack(table["embedding"].to_pylist()), atol=1e-4)


@pytest.mark.parametrize(
    "form",
    [
        lambda paths: [str(path) for path in paths],
        lambda paths: [read(path) for path in paths],
        lambda paths: np.stack([read(path) for path in paths]),
        lambda paths: np.array([str(path) for path in paths]),
        lambda paths: np.array([[path] for path in paths], dtype=object),
        lambda paths: pa.table({"path": [str(path) for path in paths]})["path"],
        lambda paths: [paths[0], read(paths[1]), str(paths[2])],
    ],
    ids=["texts", "arrays", "one array", "array of texts", "column of paths", "arrow", "mixture"],
)
def test_photos_are_taken_in_every_form(form: Any, paths: list[Path], embeddings: np.ndarray) -> None:
    np.testing.assert_allclose(fabnet.FaceEmbedder().transform(form(paths[:3])), embeddings[:3], atol=1e-4)


def test_one_photo_is_one_row(paths: list[Path], embeddings: np.ndarray) -> None:
    for photo in (paths[0], str(paths[0]), read(paths[0])):
        np.testing.assert_allclose(fabnet.FaceEmbedder().transform(photo), embeddings[:1], atol=1e-4)
    assert fabnet.FaceEmbedder().transform([]).shape == (0, 256)


def test_ready_crops_are_embedded_as_they_are(paths: list[Path]) -> None:
    crops = [fabnet.crop_faces(path)[0].image for path in paths[:3]]
    made = fabnet.FaceEmbedder(crop="none").transform(crops)
    np.testing.assert_allclose(made, fabnet.load("small").embed(crops), atol=1e-5)


def test_a_photo_without_a_face_is_named_or_nan(paths: list[Path], embeddings: np.ndarray, blank: Path) -> None:
    with pytest.raises(NoFaceError, match=r"blank\.png has no face; no_face='nan'"):
        fabnet.FaceEmbedder().transform([paths[0], blank])
    with pytest.raises(NoFaceError, match="number 1 of the photos has no face"):
        fabnet.FaceEmbedder().transform([paths[0], read(blank)])
    made = fabnet.FaceEmbedder(no_face="nan").transform([blank, paths[0], blank, paths[1]])
    assert np.isnan(made[[0, 2]]).all()
    np.testing.assert_allclose(made[[1, 3]], embeddings[:2], atol=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.5], "number 0 of the photos is of the type float; expected a path"),
        ([None], "number 0 of the photos is None"),
        (np.zeros((4, 5)), "number 0 of the photos is .5,. float64; expected .H, W, 3. uint8"),
        ({"a": 1}, "expected photos, as a list of paths or .* got dict"),
        (["nowhere.jpg"], "nowhere.jpg"),
    ],
)
def test_what_is_no_photo_is_said_in_a_line(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fabnet.FaceEmbedder().transform(given)


@pytest.mark.parametrize("step", ["fit", "transform"])
def test_impossible_options_are_refused(step: str, paths: list[Path]) -> None:
    for wrong in ({"crop": "yes"}, {"no_face": "skip"}, {"detector": "eyes"}, {"min_face": 1}):
        with pytest.raises(InputError, match="|".join([*wrong, "min_face_px"])):
            getattr(fabnet.FaceEmbedder(**wrong), step)(paths)
    with pytest.raises(ModelError, match="nothing"):
        getattr(fabnet.FaceEmbedder("nothing"), step)(paths)


def test_a_clone_and_a_pickle_embed_alike_and_hold_no_weights(paths: list[Path], embeddings: np.ndarray) -> None:
    fitted = fabnet.FaceEmbedder(min_face=40).fit(paths)
    before, expected = dict(vars(fitted)), fitted.transform(paths[:2])
    data = pickle.dumps(fitted)
    assert len(data) < 5000
    for copy in (pickle.loads(data), clone(fitted)):  # noqa: S301  # made two lines above
        assert copy.get_params() == fitted.get_params()
        np.testing.assert_array_equal(copy.transform(paths[:2]), expected)
    assert vars(fitted) == before
    given = clone(fabnet.FaceEmbedder(fabnet.load("small")))
    np.testing.assert_allclose(given.transform(paths[:2]), embeddings[:2], atol=1e-4)


def test_neither_the_order_nor_the_number_of_photos_matters(paths: list[Path], embeddings: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(12)
    made = fabnet.FaceEmbedder().fit(paths).transform([paths[place] for place in order])
    np.testing.assert_allclose(made, embeddings[order], atol=1e-4)


def test_a_pipeline_and_a_grid_search(labelled_photos: Path, paths: list[Path]) -> None:
    lines = (labelled_photos / "labels.csv").read_text().splitlines()[1:]
    rows = {line.split(",")[0]: line.split(",") for line in lines}
    sides = [rows[path.name][-3] for path in paths]
    chain = make_pipeline(fabnet.FaceEmbedder(), StandardScaler(), LogisticRegression())
    assert chain.fit(paths, sides).score(paths, sides) > 0.9
    grid = {"faceembedder__model": ["small", "pixels"], "ridge__alpha": [10.0]}
    widths = [float(rows[path.name][-1]) for path in paths]
    found = GridSearchCV(make_pipeline(fabnet.FaceEmbedder(), Ridge()), grid, cv=2, error_score="raise")
    found.fit(paths, widths)
    assert found.best_params_["faceembedder__model"] in ("small", "pixels")
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert found.predict(paths).shape == (12,)


def test_columns_have_the_names_of_embeds_csv(paths: list[Path]) -> None:
    names = fabnet.FaceEmbedder().get_feature_names_out()
    assert (names[0], names[-1], len(names)) == ("e0", "e255", 256)
    pixels = fabnet.FaceEmbedder("pixels").fit(paths)
    assert len(pixels.get_feature_names_out()) == pixels.transform(paths[:1]).shape[1]


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_it_takes_and_gives_data_frames(package: str, paths: list[Path], embeddings: np.ndarray) -> None:
    frames = pytest.importorskip(package)
    frame = frames.DataFrame({"path": [str(path) for path in paths[:3]], "age": [30, 40, 50]})
    chain = ColumnTransformer([("face", fabnet.FaceEmbedder(), "path")], remainder="passthrough")
    made = chain.set_output(transform=package).fit_transform(frame)
    assert list(made.columns) == [f"face__e{place}" for place in range(256)] + ["remainder__age"]
    np.testing.assert_allclose(made.to_numpy()[:, :256].astype(float), embeddings[:3], atol=1e-4)
    whole = fabnet.FaceEmbedder().set_output(transform=package).fit_transform(frame[["path"]])
    assert list(whole.columns) == [f"e{place}" for place in range(256)]


def test_without_scikit_learn_it_is_one_line() -> None:
    code = """import sys, json; sys.modules["sklearn"] = None
import fabnet
try:
    fabnet.FaceEmbedder
except fabnet.errors.MissingDependencyError as error:
    print(json.dumps(str(error)))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == "FaceEmbedder needs scikit-learn: pip install 'fabnet[train]'"
