"""Encoders and results can be pickled and copied, as worker processes of other libraries do."""

from __future__ import annotations

import copy
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import fabnet
from fabnet.encoders.embedder import Embedder
from fabnet.errors import ModelError
from fabnet.faces.detect.load import load_detector
from fabnet.faces.detect.photos import load_photo_detector
from fabnet.video.decode import read_frames

CROPS = [np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)]


def embedded(encoder: Embedder) -> np.ndarray:
    return encoder.embed(CROPS)


@pytest.mark.parametrize("way", ["small", "run", "checkpoint", "onnx", "pixels", "random:3"])
def test_an_encoder_is_pickled_and_copied(way: str, tiny_run: Path, exported_small: Path) -> None:
    model: str | Path = way
    if way == "run":
        model = tiny_run
    elif way == "checkpoint":
        model = next((tiny_run / "checkpoints").iterdir())
    elif way == "onnx":
        model = exported_small / "encoder.onnx"
    encoder = fabnet.load(model)
    for other in (pickle.loads(pickle.dumps(encoder)), copy.deepcopy(encoder), copy.copy(encoder)):  # noqa: S301
        assert np.array_equal(embedded(other), embedded(encoder))
        assert (other.backend, other.precision, other.card) == (encoder.backend, encoder.precision, encoder.card)


def test_an_encoder_can_be_sent_to_concurrent_futures() -> None:
    encoder = fabnet.load("small")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert np.array_equal(pool.submit(embedded, encoder).result(), embedded(encoder))


def test_an_encoder_can_be_sent_to_joblib() -> None:
    joblib = pytest.importorskip("joblib")
    encoder = fabnet.load("small")
    (found,) = joblib.Parallel(n_jobs=2)([joblib.delayed(encoder.embed)(CROPS)])
    assert np.array_equal(found, embedded(encoder))


def test_a_pickle_of_a_replaced_model_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    kept = pickle.dumps(fabnet.load(tmp_path / "run"))
    config = next((tmp_path / "run" / "checkpoints").iterdir()) / "config.json"
    config.write_text(config.read_text().replace('"steps": 10', '"steps": 11'))
    with pytest.raises(ModelError, match="has been replaced since this encoder was loaded"):
        pickle.loads(kept)  # noqa: S301
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(ModelError):
        pickle.loads(kept)  # noqa: S301


def test_an_encoder_not_made_by_load_cannot_be_pickled() -> None:
    own = Embedder(fabnet.load("pixels").card, lambda images: images.reshape(len(images), -1), "own")
    with pytest.raises(TypeError, match=r"was not made by fabnet\.load"):
        pickle.dumps(own)


@pytest.mark.parametrize("min_face", [None, 30.0])
def test_detectors_are_pickled_and_copied(min_face: float | None, smiling: Path) -> None:
    image = next(iter(read_frames(smiling))).image
    for detector in (
        load_detector(min_face_px=min_face), load_photo_detector(min_face_px=min_face, only_largest=True),
    ):  # fmt: skip
        for other in (pickle.loads(pickle.dumps(detector)), copy.deepcopy(detector)):  # noqa: S301
            assert other.smallest_px(2000, 4000) == detector.smallest_px(2000, 4000)
            assert np.array_equal(other(image)[0].box_px, detector(image)[0].box_px)


def test_results_are_pickled_and_copied(store: Path, smiling: Path, tmp_path: Path) -> None:
    from fabnet.video.decode import read_frames

    faces = fabnet.crop_faces(next(iter(read_frames(smiling))).image)
    data = tmp_path / "faces.lance"
    results = [
        faces, fabnet.embed([store], data, model="pixels", crop="none"), fabnet.info(store), fabnet.open_store(store),
        fabnet.search(data, "person0/0/0/0", k=2),
    ]  # fmt: skip
    assert faces
    for result in results:
        for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):  # noqa: S301
            assert type(other) is type(result)
    assert np.array_equal(copy.deepcopy(faces)[0].image, faces[0].image)
