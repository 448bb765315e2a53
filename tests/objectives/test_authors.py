"""The authors' weights: files in their layout are read, others are refused, and nothing in a file is run."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fabnet.encoders.load_encoder import load
from fabnet.errors import InputError, ModelError
from fabnet.models.model_folder import AUTHORS_CARD, write_card
from fabnet.objectives.authors import PARTS
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.model_io import load_objective
from fabnet.training.config import TrainConfig
from fabnet.training.initial import fresh_objective, has_single_source, load_initial


@pytest.fixture(scope="module")
def network() -> FabNet:
    torch.manual_seed(0)
    return FabNet(256, num_sources=3, options=FabNet.Options(confidence_bound="tanh")).eval()


def theirs(network: FabNet, *parts: str, prefix: str = "") -> dict[str, torch.Tensor]:
    """Weights under the names of the release; PyTorch of 2018 did not count batches."""
    names = {ours: their for their, ours in PARTS.items()}
    return {
        prefix + name.replace(f"{part}.layers", names[part]): value
        for part in parts
        for name, value in network.state_dict().items()
        if name.startswith(part) and not name.endswith("num_batches_tracked")
    }


def test_a_training_checkpoint_is_read_whole(network: FabNet, tmp_path: Path) -> None:
    state = theirs(network, *PARTS.values())
    assert {"encoder.0.weight", "encoder.3.running_mean", "decoder.2.bias", "mask.30.weight"} <= set(state)
    torch.save({"state_dict": state, "epoch": 3, "optimizer": {"state": {}}}, tmp_path / "a.pth")
    read, card = load_objective(tmp_path / "a.pth")
    for name, value in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(read.state_dict()[name], value)
    assert card.size == 256


@pytest.mark.parametrize("wrapper", ["state_dict_model", "state_dict", None])
def test_an_encoder_alone_embeds(network: FabNet, tmp_path: Path, wrapper: str | None) -> None:
    state: dict[str, Any] = theirs(network, "encoder", prefix="module." if wrapper else "")
    if wrapper == "state_dict_model":  # in a probe's file, state_dict holds the probe's own weights
        state = {"state_dict_model": state, "state_dict": {"0.weight": torch.zeros(256)}}
    elif wrapper:
        state = {wrapper: state}
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=wrapper is None)
    encoder = load(tmp_path / "a.pth", precision="float32")
    crop = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = network.encoder(torch.from_numpy(encoder.prepare([crop]))).numpy()
    np.testing.assert_allclose(encoder.embed([crop]), expected, atol=1e-5)


def test_a_run_starts_only_from_the_parts_in_a_file(network: FabNet, tmp_path: Path) -> None:
    torch.save(theirs(network, "encoder"), tmp_path / "a.pth")
    fresh = fresh_objective(TrainConfig(size=256, max_steps=1))
    objective = deepcopy(fresh)
    load_initial(tmp_path / "a.pth", objective)
    of_encoder, of_decoder = "encoder.layers.0.weight", "flow_decoder.layers.2.weight"
    assert torch.equal(objective.state_dict()[of_encoder], network.state_dict()[of_encoder])
    assert torch.equal(objective.state_dict()[of_decoder], fresh.state_dict()[of_decoder])
    with pytest.raises(InputError, match="has no flow_decoder, so --freeze cannot keep it"):
        load_initial(tmp_path / "a.pth", objective, kept=["flow_decoder"])
    assert not has_single_source(tmp_path / "a.pth")
    for parts, is_single in ((("encoder", "flow_decoder"), True), (PARTS.values(), False)):
        torch.save(theirs(network, *parts), tmp_path / "b.pth")
        assert has_single_source(tmp_path / "b.pth") == is_single


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Trap()}, "a.pth")
    Path("b.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(ModelError, match="nothing in it was run"):
            load(name)
    assert not Path("sprung").exists()


def test_other_files_are_refused(network: FabNet, tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save({"layer1.weight": torch.zeros(3)}, file)
    with pytest.raises(ModelError, match="holds no encoder"):
        load(file)
    state = theirs(network, "encoder")
    state["encoder.0.weight"] = torch.zeros(16, 3, 4, 4)
    torch.save(state, file)
    with pytest.raises(ModelError, match=r"encoder.layers.0.weight is \(16, 3, 4, 4\), expected \(32, 3, 4, 4\)"):
        load(file)
    del state["encoder.0.weight"]
    torch.save(state, file)
    with pytest.raises(ModelError, match=r"encoder.layers.0.weight is missing"):
        load(file)
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be read"):
        load(file)


def test_names_that_are_not_the_authors_are_left_out(network: FabNet, tmp_path: Path) -> None:
    state = theirs(network, "encoder")
    others = {"other.0.weight": torch.zeros(1), "encoder.first.weight": torch.zeros(1), "encoder.0": torch.zeros(1)}
    torch.save(state | others, tmp_path / "a.pth")
    read, _ = load_objective(tmp_path / "a.pth")
    assert torch.equal(read.state_dict()["encoder.layers.0.weight"], state["encoder.0.weight"])


def test_a_folder_without_weights_is_one_line(tmp_path: Path) -> None:
    write_card(tmp_path, AUTHORS_CARD)
    with pytest.raises(ModelError, match=r"model.safetensors cannot be loaded: "):
        load_objective(tmp_path)


def test_a_name_of_absurd_length_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "long.pth"
    file.write_bytes(pickle.dumps(1, protocol=2) + b"\x80\x02c" + b"a" * 500_000 + b"\nb\n.")
    with pytest.raises(ModelError, match="names a class of 500,002 characters; nothing in it was run"):
        load(file)
