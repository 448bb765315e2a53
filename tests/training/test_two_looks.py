"""A network with two looks at the face, from training to its export, and its start from one with one look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import fabnet
from fabnet.encoders.export import export
from fabnet.errors import InputError, ModelError
from fabnet.faces.window import decode_jpeg
from fabnet.models.find_model import latest_checkpoint
from fabnet.models.model_folder import read_card
from fabnet.paper.figures.architecture import architecture_figure
from fabnet.reporting.reconstructions import reconstructions
from fabnet.serving.compare import Comparer
from fabnet.store.track_store import TrackStore, open_store
from fabnet.training.train import train

TINY: dict[str, Any] = {
    "size": 16, "width": 4, "embedding_dim": 16, "batch_size": 8, "num_val_pairs": 16, "num_workers": 0,
    "warmup_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("looks") / "run"
    train(store, out, **TINY, looks=2, ssim=0.5, max_steps=6, validate_every=3)
    return out


@pytest.fixture(scope="module")
def crops(store: Path) -> list[np.ndarray]:
    return [decode_jpeg(data)[:, :, ::-1] for data in open_store(store).read_images(range(20))]


def test_a_run_resumes_exactly(store: Path, run: Path, tmp_path: Path) -> None:
    changes = TINY | {"looks": 2, "ssim": 0.5, "validate_every": 3}
    train(store, tmp_path / "parts", **changes, max_steps=3, schedule="plateau")
    train(store, tmp_path / "parts", resume=True, max_steps=6)
    train(store, tmp_path / "whole", **changes, max_steps=6, schedule="plateau")
    parts, whole = (load_file(latest_checkpoint(tmp_path / name) / "model.safetensors") for name in ("parts", "whole"))
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def test_its_encoder_embeds_alike_in_torch_in_onnx_and_nearly_in_int8(
    store: Path, run: Path, crops: list[np.ndarray], tmp_path: Path
) -> None:
    encoder = fabnet.load(run, precision="float32")
    assert (encoder.card.size, encoder.embedding_dim) == (24, 16)
    embeddings = encoder.embed(crops)
    made = export(run, tmp_path / "int8" / "encoder.onnx", int8=store)
    assert made["cosine"] > 0.99
    export(run, tmp_path / "folder")
    assert "| looks | 2 |" in (tmp_path / "folder" / "README.md").read_text()
    exported = fabnet.load(tmp_path / "folder")
    assert exported.backend == "onnx"
    assert np.abs(exported.embed(crops) - embeddings).max() < 1e-4


def test_either_half_of_the_embedding_comes_from_its_own_look(run: Path, crops: list[np.ndarray]) -> None:
    encoder = fabnet.load(run, precision="float32")
    views = (encoder.prepare(crops[:1])[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)[None]
    covered = views.copy()
    covered[:, 0] = 0  # outside the close look
    first, second = encoder.embed_views(views), encoder.embed_views(covered)
    assert not np.allclose(first[:, :8], second[:, :8])
    assert np.array_equal(first[:, 8:], second[:, 8:])


def test_pairs_are_reconstructed_at_the_size_of_the_input(run: Path, store: Path, crops: list[np.ndarray]) -> None:
    made = reconstructions(latest_checkpoint(run), open_store(store), num_pairs=8, num_each=1)
    assert made is not None
    assert np.isfinite(made.loss)
    (compared,) = Comparer(run).compare(crops[0], crops[1:2]).sources
    assert np.isfinite(compared.loss)
    with pytest.raises(InputError, match="two looks at the face; only"):
        architecture_figure(run)


@pytest.mark.parametrize("sources", [1, 2])
def test_it_starts_from_a_network_with_one_look(store: Path, tmp_path: Path, sources: int) -> None:
    train(store, tmp_path / "one", **TINY, max_steps=2, sources=sources)
    init = str(tmp_path / "one")
    train(store, tmp_path / "two", **TINY, looks=2, sources=sources, max_steps=1, init=init, learning_rate=1e-9)
    one, two = (load_file(latest_checkpoint(tmp_path / name) / "model.safetensors") for name in ("one", "two"))
    for part, half in (("of_whole", 0), ("of_close", 1)):
        assert torch.allclose(two[f"encoder.{part}.layers.0.weight"], one["encoder.layers.0.weight"], atol=1e-6)
        last = max(name for name in one if name.startswith("encoder.layers.") and name.endswith(".weight"))
        own = two[last.replace("layers", f"{part}.layers")]
        assert torch.allclose(own, one[last].chunk(2)[half], atol=1e-6)
    assert torch.allclose(two["flow_decoder.layers.2.weight"], one["flow_decoder.layers.2.weight"], atol=1e-6)


@pytest.mark.parametrize("looks", [1, 2])
def test_each_image_is_read_once(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    read: list[int] = []
    read_images = TrackStore.read_images

    def counted(self: TrackStore, rows: Any) -> list[bytes]:
        read.extend(rows)
        return read_images(self, rows)

    monkeypatch.setattr(TrackStore, "read_images", counted)
    train(store, tmp_path / "run", **TINY, max_steps=20, looks=looks)
    assert len(read) < 2 * open_store(store).num_rows  # a batch may draw a row twice before it is kept


def test_a_network_with_one_look_does_not_start_from_one_with_two(store: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has two looks at the face; give --looks 2"):
        train(store, tmp_path / "run", **TINY, max_steps=1, init=str(run))


def test_what_cannot_be_is_refused_in_one_line(store: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="even embedding_dim; got 15"):
        train(store, tmp_path / "odd", **TINY | {"embedding_dim": 15}, looks=2, max_steps=1)
    with pytest.raises(InputError, match="looks must be 1 or 2; got 3"):
        train(store, tmp_path / "three", **TINY, looks=3, max_steps=1)
    with pytest.raises(InputError, match="rotnet has no option 'looks'"):
        train(store, tmp_path / "rotnet", **TINY, objective="rotnet", looks=2, max_steps=1)
    card = json.loads((latest_checkpoint(run) / "config.json").read_text())
    card["architecture"]["looks"] = 3
    (tmp_path / "config.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="is corrupt: ValueError at looks is '3'"):
        read_card(tmp_path)
