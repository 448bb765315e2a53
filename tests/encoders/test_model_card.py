"""Model cards, and model folders to publish."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fabnet
from fabnet.encoders.digest import model_digest
from fabnet.encoders.export import export
from fabnet.encoders.model_card import model_card
from fabnet.errors import InputError
from fabnet.models.model_folder import read_card
from fabnet.weights import shipped_models

FIGURE = {"value": 7.4, "low": 6.7, "high": 8.1}
MEASURED = {
    "split": "val",
    "protocols": ["youtube-faces", "mtfl"],
    "command": "python experiments/model_card.py small",
    "date": "2026-01-02",
    "commit": "abc1234",
    "scores": [
        {"protocol": "mtfl", "task": "smile", "metric": "AUC, mean", "n": 2000, "people": None, **FIGURE}
        | {"untrained": {"value": 5.0, "low": None, "high": None}}
    ],
    "groups": [
        {
            "protocol": "mtfl",
            "task": "smile",
            "metric": "AUC, mean",
            "by": "light",
            "rows": [{"group": "darkest third", "n": 666, **FIGURE}],
            "gap": {"group": "darkest third less brightest third", "value": 0.1, "low": -1.0, "high": 1.2},
        }
    ],
}
SECTIONS = (
    "Model details", "Data", "Training procedure", "Evaluation", "Intended use", "Excluded use", "Limits", "Citation",
)  # fmt: skip


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def test_a_card_states_the_scores_and_their_people() -> None:
    card = read_card(shipped_models()["small"])
    text = model_card("small", card, notice="# The weights\n\nFor research use.\n", measured=MEASURED)
    assert tuple(headings(text)) == SECTIONS
    assert "| mtfl | smile | AUC, mean | 7.40 [6.70, 8.10] | 5.00 [-, -] | 2,000 | unnamed |" in text
    assert "| *darkest third less brightest third* | | 0.10 [-1.00, 1.20], not resolved |" in text
    assert "**validation** people" in text
    assert "**test** people" in model_card("small", card, measured=MEASURED | {"split": "test"})
    assert "For research use." in text
    assert "# The weights" not in text
    assert "fabnet.read(" not in text
    assert 'hf_hub_download("OWNER/small", "encoder.onnx")' in text
    assert 'fabnet.read("photo.jpg", model="small")' in model_card("small", card, has_reader=True)
    assert "hf_hub_download" not in model_card("small", card, has_onnx=False)
    assert f"| pairs seen | {card.training['pairs_seen']:,} |" in text


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_the_cards_that_ship_are_true_of_their_folders_and_hold_in_a_copy(name: str) -> None:
    folder = shipped_models()[name]
    text, card = (folder / "README.md").read_text(encoding="utf-8"), read_card(folder)
    has_onnx = (folder / "encoder.onnx").is_file()
    assert (f'hf_hub_download("OWNER/{name}", "encoder.onnx")' in text) == has_onnx
    assert f"| input | `images`, (B, 3, {card.size}, {card.size}) float32 RGB in [0, 1], any B" in text
    assert {file.name for file in folder.glob("*.*") if f"`{file.name}`" not in text} <= {"README.md"}
    assert re.findall(r"\]\((?!https?:)[^)]*\)", text) == []  # as a copy leads nowhere
    assert {"Intended use", "Excluded use", "Limits", "Citation"} <= set(headings(text))


def test_only_a_network_that_warps_is_said_to() -> None:
    card = read_card(shipped_models()["small"])
    assert "learns to warp one frame" in model_card("small", card)
    assert "learns to warp" not in model_card("turns", replace(card, objective="rotnet"))


def test_the_hub_reads_the_cards_metadata() -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = read_card(shipped_models()["small"])
    said = hub.ModelCard(model_card("small", card, notice="For research use.")).data.to_dict()
    assert (said["license"], said["license_name"], said["library_name"]) == ("other", "fabnet-weights", "fabnet")
    assert said["pipeline_tag"] == "image-feature-extraction"
    assert "self-supervised" in said["tags"]
    assert hub.ModelCard(model_card("mine", card)).data.license == "unknown"


def test_an_export_keeps_what_appeared_at_its_place_meanwhile(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_model(partial: Path, *_: object) -> dict[str, Any]:
        partial.mkdir()
        (tmp_path / "faces").mkdir()
        (tmp_path / "faces" / "mine.txt").write_text("mine")
        return {}

    monkeypatch.setattr("fabnet.encoders.export._write_model", write_model)
    with pytest.raises(InputError, match="is not empty; export into a new folder"):
        export(tiny_run, tmp_path / "faces")
    assert [file.name for file in tmp_path.rglob("*")] == ["faces", "mine.txt"]


def test_an_exported_folder_is_a_complete_model(tiny_run: Path, tmp_path: Path) -> None:
    result = export(tiny_run, tmp_path / "faces")
    assert sorted(file.name for file in (tmp_path / "faces").iterdir()) == [
        "README.md", "config.json", "encoder.onnx", "model.safetensors",
    ]  # fmt: skip
    assert (result["opset"], result["batch_sizes"]) == (18, [1, 2, 7, 32])
    assert result["max_difference"] < 1e-4
    assert model_digest(tmp_path / "faces") == model_digest(tiny_run)
    assert fabnet.load(tmp_path / "faces").backend == "onnx"
    text = (tmp_path / "faces" / "README.md").read_text()
    assert text.startswith("---\nlicense: unknown\n")
    assert "Not measured." in text
    with pytest.raises(InputError, match="is not empty; export into a new folder"):
        export(tiny_run, tmp_path / "faces")
    with pytest.raises(InputError, match=r"expected --out FILE\.onnx"):
        export(tiny_run, tmp_path / "other", int8=tmp_path)
    assert not (tmp_path / "other").exists()
