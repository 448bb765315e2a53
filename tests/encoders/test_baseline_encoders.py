"""Baselines: inputs and outputs, compared with a second computation; wrong names and files are refused."""

from __future__ import annotations

import ast
import csv
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io
import torch
from torch.nn import functional as F

import fabnet
from fabnet.encoders.baselines.card import SMALL_SIZE, SMALL_WINDOW
from fabnet.encoders.baselines.registry import load_baseline
from fabnet.encoders.baselines.untrained import EMBEDDING_DIM, WIDTH
from fabnet.encoders.baselines.vgg_face import LAYERS
from fabnet.errors import MissingDependencyError, ModelError
from fabnet.faces.window import Window
from fabnet.models.encoder import Encoder
from fabnet.training.config import preset
from fabnet.video.decode import read_frames


def crops(count: int = 3, size: int = 256) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def test_the_window_is_that_of_the_preset_small() -> None:
    small = preset("small")
    assert (small.size, (0.5, 0.5, small.window_side)) == (SMALL_SIZE, SMALL_WINDOW)
    assert (small.width, small.embedding_dim) == (WIDTH, EMBEDDING_DIM)
    assert fabnet.load("small").card.window == SMALL_WINDOW


def test_pixels_are_the_means_of_the_windows_tiles() -> None:
    encoder = fabnet.load("pixels")
    assert (encoder.embedding_dim, encoder.pca) == (3072, 256)
    assert fabnet.load("small").pca is None
    cells = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    crop = np.zeros((372, 372, 3), dtype=np.uint8)  # its window is 255.75 px wide: a cell is 8 px
    crop[58:314, 58:314] = cells.repeat(8, axis=0).repeat(8, axis=1)
    difference = encoder.embed([crop])[0].reshape(32, 32, 3) * 255 - cells
    assert np.abs(difference[4:-4, 4:-4]).mean() < 4


def test_the_untrained_encoder_depends_only_on_its_seed() -> None:
    state = torch.get_rng_state()
    images = crops()
    first, again, other = (fabnet.load(name).embed(images) for name in ("random", "random:0", "random:7"))
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        encoder = Encoder(64, 32, 256)
    x = torch.from_numpy(fabnet.load("random:7").prepare(images))
    with torch.no_grad():
        for layer in encoder.layers:  # batch-norm of mean 0 and variance 1 only divides by sqrt(1 + eps)
            x = x / np.sqrt(1 + 1e-5) if isinstance(layer, torch.nn.BatchNorm2d) else layer(x)
    np.testing.assert_allclose(other, x.flatten(1).numpy(), atol=1e-6)
    np.testing.assert_allclose(fabnet.load("random:7").embed(images[1:2])[0], other[1], atol=1e-6)


def narrow_weights(seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """VGG-Face's layers, 2 to 10 channels wide instead of 64 to 4,096."""
    random = np.random.default_rng(seed)
    widths = dict(zip(LAYERS, (2, 3, 4, 5, 4, 5, 6, 5, 6, 7, 6, 7, 8, 9, 10), strict=True))
    weights, channels = {}, 3
    for name, width in widths.items():
        side = {"fc6": 7, "fc7": 1}.get(name, 3)
        scale = np.sqrt(2 / (channels * side**2))
        filters = random.normal(0, scale, (width, channels, side, side)).astype(np.float32)
        weights[name] = (filters, random.normal(0, 0.1, width).astype(np.float32))
        channels = width
    return weights


def write_mat(weights: dict[str, tuple[np.ndarray, np.ndarray]], file: Path, *, older: bool) -> None:
    layers: list[dict[str, Any]] = []
    for name, (filters, biases) in weights.items():
        theirs = filters.transpose(2, 3, 1, 0)
        pair = np.empty((1, 2), dtype=object)
        pair[0] = [theirs, biases[None]]
        parts = {"filters": theirs, "biases": biases[None]} if older else {"weights": pair}
        layers += [{"type": "conv", "name": name, "pad": 1, "stride": 1} | parts]
        layers += [{"type": "relu", "name": name.replace("conv", "relu").replace("fc", "relu")}]
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            layers += [{"type": "pool", "name": f"pool{name[4]}", "method": "max", "pool": [2, 2], "stride": 2}]
    cells = np.empty((1, len(layers)), dtype=object)
    cells[0] = layers
    scipy.io.savemat(file, {"layers": cells, "meta": {"normalization": {"imageSize": [224, 224, 3]}}})


def write_pth(weights: dict[str, tuple[np.ndarray, np.ndarray]], file: Path) -> None:
    state = {}
    for name, (filters, biases) in weights.items():
        value = torch.from_numpy(filters)
        state[f"{name}.weight"] = value.flatten(1) if name.startswith("fc") else value
        state[f"{name}.bias"] = torch.from_numpy(biases)
    state |= {"fc8.weight": torch.zeros(4, 10), "fc8.bias": torch.zeros(4)}
    torch.save(state, file)


@pytest.mark.parametrize("layout", ["mat", "older mat", "pth"])
def test_the_vgg_face_descriptor_is_the_rectified_fc7(tmp_path: Path, layout: str) -> None:
    weights = narrow_weights()
    file = tmp_path / ("vgg_face_dag.pth" if layout == "pth" else "vgg-face.mat")
    if layout == "pth":
        write_pth(weights, file)
    else:
        write_mat(weights, file, older=layout == "older mat")
    encoder = fabnet.load(f"vgg-face:{file}", device="cpu")
    images = crops()
    embeddings = encoder.embed(images)
    assert embeddings.shape == (3, 10)
    x = torch.from_numpy(encoder.prepare(images)) * 255
    x = torch.stack([x[:, 0] - 129.1863, x[:, 1] - 104.7624, x[:, 2] - 93.5940], dim=1)
    assert x.shape == (3, 3, 224, 224)
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(count):
            filters, biases = map(torch.from_numpy, weights[f"conv{block}_{number + 1}"])
            x = F.relu(F.conv2d(x, filters, biases, padding=1))
        x = F.max_pool2d(x, 2, 2)
    for name in ("fc6", "fc7"):
        filters, biases = map(torch.from_numpy, weights[name])
        x = F.relu(torch.einsum("bchw,ochw->bo", x.reshape(3, *filters.shape[1:]), filters) + biases)
    assert 0.1 < float((x > 0).float().mean()) < 0.9
    np.testing.assert_allclose(embeddings, x.numpy(), rtol=1e-4, atol=1e-3)


def test_wrong_vgg_face_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such weights file: .*none\.mat; expected vgg-face\.mat"):
        fabnet.load(f"vgg-face:{tmp_path / 'none.mat'}")
    for name in ("a.mat", "a.pth"):
        (tmp_path / name).write_bytes(b"not weights at all" * 20)
        with pytest.raises(ModelError, match="nothing in it was run"):
            fabnet.load(f"vgg-face:{tmp_path / name}")
    (tmp_path / "passwd.pth").write_bytes(b"root:x:0:0:root:/root:/bin/bash\n")  # another error of torch's
    with pytest.raises(ModelError, match="nothing in it was run"):
        fabnet.load(f"vgg-face:{tmp_path / 'passwd.pth'}")
    scipy.io.savemat(tmp_path / "b.mat", {"x": 1})
    with pytest.raises(ModelError, match="cannot be read as weights"):
        fabnet.load(f"vgg-face:{tmp_path / 'b.mat'}")
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "b.pth")
    with pytest.raises(ModelError, match="it has no layer conv1_1"):
        fabnet.load(f"vgg-face:{tmp_path / 'b.pth'}")
    weights = narrow_weights()
    weights["conv2_1"] = (np.zeros((4, 2, 3, 3), np.float32), np.zeros(4, np.float32))
    write_pth(weights, tmp_path / "c.pth")
    with pytest.raises(ModelError, match=r"conv2_1 has filters \(4, 2, 3, 3\).*expected filters \(out, 3, 3, 3\)"):
        fabnet.load(f"vgg-face:{tmp_path / 'c.pth'}")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def test_code_in_a_vgg_face_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1_1.weight": Trap()}, "a.pth")
    with pytest.raises(ModelError, match="nothing in it was run"):
        fabnet.load("vgg-face:a.pth")
    assert not Path("sprung").exists()


def test_wrong_baseline_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"random takes a seed.*got 'random:x'"):
        fabnet.load("random:x")
    with pytest.raises(ModelError, match="expected vgg-face:FILE"):
        fabnet.load("vgg-face")
    with pytest.raises(ModelError, match="expected timm:NAME"):
        fabnet.load("timm:")
    for name in ("small", "randomly", "pixels/run", str(tmp_path)):
        assert load_baseline(name) is None


def test_names_leave_folders_reachable(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "random").symlink_to(tiny_run)
    monkeypatch.chdir(tmp_path)
    assert fabnet.load("random").embedding_dim == 256
    assert fabnet.load("./random").embedding_dim == fabnet.load(Path("random")).embedding_dim == 16


def test_the_light_baseline_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, numpy, fabnet; fabnet.load('pixels').embed([numpy.zeros((9, 9, 3), 'uint8')]);"
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True)


def test_dlib_tells_people_apart(shared_data: Path) -> None:
    pytest.importorskip("dlib")
    folder = shared_data / "youtube_faces"
    with (folder / "landmarks68.csv").open(newline="") as lines:
        names = [row[0] for row in csv.reader(lines)][1:]
    clips: dict[str, dict[str, str]] = {}
    for name in names:
        person, clip, _ = name.split("/")
        clips.setdefault(person, {}).setdefault(clip, name)
    pairs = [list(found.values())[:2] for found in clips.values() if len(found) > 1][:10]
    files = [str(folder / "frames" / name) for pair in pairs for name in pair]
    images = [np.asarray(cv2.imread(file))[:, :, ::-1].copy() for file in files]
    encoder = fabnet.load("dlib-identity")
    embeddings = encoder.embed([fabnet.crop_faces(image)[0].image for image in images])
    assert embeddings.shape == (20, 128)
    distance = np.linalg.norm(embeddings[0::2, None] - embeddings[None, 1::2], axis=2)
    same, others = np.diag(distance), distance[~np.eye(10, dtype=bool)]
    # 0.6 is the threshold that dlib publishes for this network.
    assert np.median(same) < 0.6 < np.percentile(others, 5)


def test_dlib_ignores_the_position_in_the_crop(smiling: Path) -> None:
    pytest.importorskip("dlib")
    frame = next(iter(read_frames(smiling))).image
    crop = fabnet.crop_faces(frame)[0].image
    moved = np.roll(crop, 8, axis=1)
    dlib, pixels = fabnet.load("dlib-identity"), fabnet.load("pixels")
    first, second = dlib.embed([crop, moved])
    assert np.linalg.norm(first - second) < 0.2
    assert np.abs(np.subtract(*pixels.embed([crop, moved]))).mean() > 0.02


def test_dlib_sees_colours_and_pixels_unchanged(smiling: Path) -> None:
    dlib = pytest.importorskip("dlib")
    from fabnet.encoders.baselines.dlib_identity import face_rectangle

    crop = fabnet.crop_faces(next(iter(read_frames(smiling))).image)[0].image
    assert crop.shape == (256, 256, 3)
    spec = importlib.util.find_spec("face_recognition_models")
    assert spec is not None
    models = Path(str(spec.origin)).parent / "models"
    points = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
    network = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))
    window = np.ascontiguousarray(crop[40:216, 40:216])
    rectangle = face_rectangle(176, Window(*SMALL_WINDOW))
    whole = face_rectangle(256)
    assert abs(rectangle.left() + 40 - whole.left()) <= 1
    assert abs(rectangle.bottom() + 40 - whole.bottom()) <= 1
    expected = np.array(network.compute_face_descriptor(window, points(window, rectangle)))
    np.testing.assert_allclose(fabnet.load("dlib-identity").embed([crop])[0], expected, atol=1e-5)


def test_dlibs_weights_are_read_without_importing_their_package() -> None:
    """face_recognition_models imports pkg_resources, which setuptools no longer has."""
    for file in Path(str(fabnet.__file__)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & {"face_recognition_models", "pkg_resources"}, file


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_a_missing_timm_is_reported() -> None:
    with pytest.raises(
        MissingDependencyError, match=r"timm:resnet18 needs the package timm: pip install 'fabnet\[timm"
    ):
        fabnet.load("timm:resnet18")


def test_an_unknown_backbone_is_reported() -> None:
    pytest.importorskip("timm")
    with pytest.raises(ModelError, match="timm:no-such-net cannot be loaded"):
        fabnet.load("timm:no-such-net")


def test_a_folder_with_the_name_of_a_baseline_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixels").mkdir()
    cv2.imwrite(str(tmp_path / "crop.png"), np.full((64, 64, 3), 90, np.uint8))
    fabnet.embed(["crop.png"], "out.lance", model="pixels", crop="none")
    assert fabnet.search("out.lance", "crop.png", crop="none").query == ("crop.png",)
