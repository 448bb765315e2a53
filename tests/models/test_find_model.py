"""Models by name, run, checkpoint, folder or file; a run gives its best checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fabnet.errors import ModelError
from fabnet.models.find_model import STATE_FILE, best_checkpoint, find_model, latest_checkpoint, list_checkpoints
from fabnet.models.model_folder import AUTHORS_CARD, ModelCard, read_card, write_card
from fabnet.weights import shipped_models


def run_with(folder: Path, *losses: float | None) -> Path:
    """A run with a checkpoint for each validation loss, at steps 10, 20 and so on."""
    for number, loss in enumerate(losses, 1):
        checkpoint = folder / "checkpoints" / f"step-{10 * number:08}"
        checkpoint.mkdir(parents=True)
        (checkpoint / STATE_FILE).write_text(json.dumps({"val_loss": loss}))
    return folder


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ((0.3, 0.1, 0.2), 20), ((0.1, 0.2), 10), ((0.2, 0.1), 20),
        ((0.2, 0.1, 0.1), 20),  # the first of equals was measured
        ((None, 0.3, None), 20), ((None, None), 20), ((None,), 10),
    ],
)  # fmt: skip
def test_the_best_checkpoint_has_the_lowest_loss(tmp_path: Path, losses: tuple[float | None, ...], best: int) -> None:
    run = run_with(tmp_path, *losses)
    assert best_checkpoint(run).name == find_model(run).name == f"step-{best:08}"
    assert latest_checkpoint(run) == list_checkpoints(run)[-1]
    assert len(list_checkpoints(run)) == len(losses)


@pytest.mark.parametrize("content", ["{", "{}", '{"val_loss": "low"}', "[1]"])
def test_a_corrupt_checkpoint_is_named(tmp_path: Path, content: str) -> None:
    run = run_with(tmp_path, 0.1, 0.2)
    (list_checkpoints(run)[1] / STATE_FILE).write_text(content)
    with pytest.raises(ModelError, match=r"step-00000020.*delete that checkpoint to use the others"):
        best_checkpoint(run)


def test_names_folders_and_files_are_found(tmp_path: Path) -> None:
    shipped = shipped_models()
    assert find_model("small") == shipped["small"]
    assert find_model(shipped["small"] / "encoder.onnx") == shipped["small"]
    assert find_model(tmp_path) == tmp_path
    for name in ("a.pth", "a.pt", "a.tar"):
        (tmp_path / name).touch()
        assert find_model(tmp_path / name) == tmp_path / name
        assert read_card(tmp_path / name) == AUTHORS_CARD
    for name in ("none", "none.pth", "none.onnx"):
        with pytest.raises(ModelError, match=f"no model '{tmp_path / name}'; expected a shipped name"):
            find_model(tmp_path / name)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ModelError, match="holds no checkpoint"):
        find_model(tmp_path)


def test_the_authors_models_are_those_of_the_paper() -> None:
    assert AUTHORS_CARD.architecture == {"size": 256, "width": 32, "embedding_dim": 256}
    assert AUTHORS_CARD.window == (0.5, 0.5, 190 / 256)


@pytest.mark.parametrize(("looks", "size"), [(1, 64), (2, 96)])
def test_a_card_is_read_as_it_was_written(tmp_path: Path, looks: int, size: int) -> None:
    architecture = {"size": 64, "width": 8, "embedding_dim": 16, "looks": looks}
    card = ModelCard(
        objective="fabnet", architecture=architecture, window=(0.4, 0.6, 2.0), crop={"size": 256}, training={"steps": 3}
    )
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card
    assert card.size == size


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"window": [0.5, 1.01, 1]}, "the window"), ({"window": [-0.01, 0.5, 1]}, "the window"),
        ({"window": [0.5, 0.5, 0]}, "the window"), ({"window": [0.5, 0.5, 2.01]}, "the window"),
        ({"window": [0.5, 0.5]}, "ValueError"), ({"architecture": {"size": 64}}, "KeyError at 'embedding_dim'"),
        ({"architecture": {"size": 64, "embedding_dim": 16, "looks": 3}}, "looks"),
        ({"architecture": {"size": "64", "embedding_dim": 16}}, "size"),
    ],
)  # fmt: skip
def test_a_corrupt_card_is_refused(tmp_path: Path, changes: dict[str, object], found: str) -> None:
    write_card(tmp_path, AUTHORS_CARD)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ModelError, match=f"is corrupt: .*{found}"):
        read_card(tmp_path)
