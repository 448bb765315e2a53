"""The paper's figures of real runs: the drawing shows what was measured."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

import fabnet
from fabnet.cli import main
from fabnet.models.find_model import find_model
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.model_io import load_objective
from fabnet.paper.figures.architecture import architecture_figure
from fabnet.paper.figures.confidence import chosen_samples, confidence_figure
from fabnet.paper.figures.files import FigureResult
from fabnet.paper.figures.landmarks import chosen_faces
from fabnet.paper.figures.retrieval import RetrievalOptions, retrieval_figure
from fabnet.retrieval.gallery import Gallery
from fabnet.training.train import train

SVG = "{http://www.w3.org/2000/svg}"


def texts(result: FigureResult) -> list[str]:
    """The words of a figure's SVG, which must be well-formed."""
    root = ElementTree.parse(result.files[0]).getroot()
    assert root.tag == f"{SVG}svg"
    return ["".join(each.itertext()).strip() for each in root.iter(f"{SVG}text")]


def check_files(result: FigureResult) -> None:
    svg, pdf, png, caption = result.files
    assert {file.stem for file in result.files} == {result.figure}
    assert {file.parent for file in result.files} == {svg.parent}
    assert sorted(file.name for file in svg.parent.glob(f"*{result.figure}*")) == sorted(f.name for f in result.files)
    assert pdf.read_bytes().startswith(b"%PDF-")
    height, width = np.asarray(cv2.imread(str(png))).shape[:2]
    assert width == 2070
    assert 300 < height < 2070
    assert ElementTree.parse(svg).getroot().attrib["width"] == "496.8pt"
    assert caption.read_text() == result.caption
    assert "\ncommand: fabnet report " in result.caption
    assert f"fabnet: {fabnet.__version__}" in result.caption


@pytest.fixture(scope="module")
def three(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three sources."""
    run = tmp_path_factory.mktemp("three") / "run"
    train(
        store, run, size=32, width=4, embedding_dim=16, batch_size=8, max_steps=4, num_val_pairs=8, num_workers=0,
        sources=3,
    )  # fmt: skip
    return run


def shapes_of(network: nn.Module, *inputs: torch.Tensor) -> list[list[int]]:
    """Channels and side of a network's actual maps, each taken at the last layer of its size."""
    seen: list[list[int]] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, made: seen.append([made.shape[1], made.shape[-1]]))
        for layer in network.modules()
        if isinstance(layer, nn.BatchNorm2d | nn.LeakyReLU)
    ]
    made = network(*inputs)
    for hook in hooks:
        hook.remove()
    seen.append([made.shape[1] if made.ndim != 3 else 1, made.shape[-1] if made.ndim > 2 else 1])
    return [shape for place, shape in enumerate(seen) if place == 0 or shape != seen[place - 1]]


def test_the_architecture_states_the_actual_sizes_of_the_maps(three: Path) -> None:
    result = architecture_figure(three)
    check_files(result)
    network, _ = load_objective(find_model(three))
    assert isinstance(network, FabNet)
    assert network.confidence_decoder is not None
    codes = torch.zeros(1, 16), torch.zeros(1, 16)
    with torch.inference_mode():
        encoder = shapes_of(network.encoder, torch.zeros(1, 3, 32, 32))
        flow = shapes_of(network.flow_decoder, *codes)
        confidence = shapes_of(network.confidence_decoder, *codes)
    assert flow[-1] == [2, 32]
    assert confidence[-1] == [1, 32]
    for part, maps, taken in zip(result.shown, (encoder, flow, confidence), ([3, 32], [32, 1], [32, 1]), strict=True):
        assert part["maps"] == [taken, *maps]
    words = texts(result)
    for layers in (network.encoder, network.flow_decoder, network.confidence_decoder):
        count = sum(each.numel() for each in layers.parameters())
        assert any(word.startswith(f"{count:,} parameters") for word in words)
    numbers = [int(word) for word in words if word.isdigit()]
    drawn = [32] + [number for maps in (encoder, encoder, flow, confidence) for pair in maps for number in pair]
    assert sorted(numbers) == sorted(drawn)
    assert any("3 sources" in word for word in words)


def test_the_drawing_of_a_run_with_one_source_has_no_confidence(tiny_run: Path, tmp_path: Path) -> None:
    result = architecture_figure(tiny_run, out=tmp_path)
    assert [part["part"] for part in result.shown] == ["encoder", "flow decoder"]
    assert not any("confidence" in word or "sources" in word for word in texts(result))


def test_the_same_run_gives_the_same_bytes(tiny_run: Path, tmp_path: Path) -> None:
    first = [file.read_bytes() for file in architecture_figure(tiny_run, out=tmp_path).files]
    assert first == [file.read_bytes() for file in architecture_figure(tiny_run, out=tmp_path).files]


def test_confidences_are_shares_of_the_sources(three: Path) -> None:
    result = confidence_figure(three)
    check_files(result)
    assert result.files[0].parent == three / "report" / "figures"
    words = texts(result)
    for example in result.shown:
        assert sum(example["shares"]) == pytest.approx(1, abs=1e-3)
        assert all(f"{100 * share:.0f} %" in words for share in example["shares"])
        assert example["track"].startswith(("person4", "person5"))  # the store's validation people
    assert words.count("target") == words.count("source 3") == 4
    assert "source 4" not in words


def test_the_samples_shown_are_the_strongest_and_the_middle() -> None:
    spread = np.array([0.1, 0.9, 0.3, 0.5, 0.7, 0.2])
    chosen = chosen_samples(np.stack([spread, np.zeros(6)], axis=1))
    assert [number for _, number in chosen] == [1, 4, 3, 2]
    assert len(chosen_samples(np.zeros((1, 3)))) == 1


@pytest.fixture(scope="module")
def embedded(store: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("embedded") / "faces.lance"
    fabnet.embed([store], out, model=tiny_run)
    return out


def rows_of(embedded: Path) -> dict[str, dict[str, Any]]:
    gallery = Gallery(embedded)
    rows = gallery.take(range(gallery.num_rows), ["id", "identity", "embedding"])
    return {row["id"]: row for row in rows}


def cosine(first: dict[str, Any], second: dict[str, Any]) -> float:
    a, b = np.array(first["embedding"]), np.array(second["embedding"])
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_retrieval_shows_the_nearest_faces_of_other_validation_people(embedded: Path, tiny_run: Path) -> None:
    result = retrieval_figure(tiny_run, embedded)
    check_files(result)
    rows = rows_of(embedded)
    words = texts(result)
    assert len(result.shown) == 2  # validation people
    for line in result.shown:
        asked = rows[line["query"]]
        others = [row for row in rows.values() if row["identity"] in ("person4", "person5")]
        best = sorted((cosine(asked, row) for row in others if row["identity"] != asked["identity"]), reverse=True)
        assert [each["similarity"] for each in line["nearest"]] == pytest.approx(best[:7], abs=1e-5)
        for each in line["nearest"]:
            assert {asked["identity"], each["identity"]} == {"person4", "person5"}
            assert cosine(asked, rows[each["id"]]) == pytest.approx(each["similarity"], abs=1e-5)
            assert f"{each['similarity']:.3f}" in words


def test_the_papers_ranking_is_of_10_000_images() -> None:
    assert RetrievalOptions().sample == 10_000


def test_the_papers_ranking_includes_all_others_of_a_sample(embedded: Path, tiny_run: Path) -> None:
    result = retrieval_figure(tiny_run, embedded, split="all", sample=5, same_identity=True)
    assert all(len(line["nearest"]) == 4 for line in result.shown)
    everyone = [{line["query"], *(each["id"] for each in line["nearest"])} for line in result.shown]
    assert all(faces == everyone[0] and len(faces) == 5 for faces in everyone)
    other = retrieval_figure(tiny_run, embedded, split="all", sample=5, same_identity=True, seed=1)
    assert other.shown != result.shown


def test_a_query_can_be_given(embedded: Path, tiny_run: Path) -> None:
    name = list(rows_of(embedded))[17]
    result = retrieval_figure(tiny_run, embedded, split="all", query=(name,))
    assert [line["query"] for line in result.shown] == [name]


def test_faces_are_chosen_by_error_each_of_another_person() -> None:
    errors = np.random.default_rng(0).permutation(200).astype(float)
    people = (errors // 10).astype(int)
    chosen = chosen_faces(errors, people)
    assert errors[chosen["worst"]] == 199
    assert abs(errors[chosen["median"]] - 99.5) <= 1
    values = [float(errors[place]) for place in chosen.values()]
    assert values == sorted(values)
    assert len({people[place] for place in chosen.values()}) == len(chosen) == 7
    assert list(chosen_faces(np.array([2.0, 1.0]), np.array(["a", "a"]))) == ["worst"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN", "--figure", "confidence"], "trained with one source"),
        (["RUN", "--figure", "landmarks", "--data", "nowhere"], "no such folder: nowhere"),
        (["RUN", "--figure", "retrieval", "--embeddings", "nowhere"], "no embeddings dataset at nowhere"),
        (["small", "--figure", "architecture"], "give --out DIR"),
        (["nowhere", "--figure", "architecture", "--out", "OUT"], "no model 'nowhere'"),
        (["small", "--figure", "retrieval", "--embeddings", "EMB", "--out", "OUT"], "made with another model"),
    ],
)
def test_missing_inputs_give_one_line(
    arguments: list[str], said: str, tiny_run: Path, embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"RUN": tiny_run, "OUT": tmp_path / "out", "EMB": embedded}
    assert main(["report", *(str(places.get(each, each)) for each in arguments)]) > 0
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_figure_is_one_command(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tiny_run), "--figure", "architecture", "--out", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(file).name for file in found["files"]] == [f"architecture.{e}" for e in ("svg", "pdf", "png", "txt")]
    assert re.search(r"command: fabnet report \S+ --figure architecture --out ", found["caption"])


def test_each_figure_explains_its_own_flags(capsys: pytest.CaptureFixture[str]) -> None:
    for figure in ("architecture", "landmarks", "confidence", "retrieval"):
        with pytest.raises(SystemExit) as stop:
            main(["report", "--figure", figure, "--help"])
        assert stop.value.code == 0
        assert f"--figure {figure}" in capsys.readouterr().out.split("Examples:")[1]
