"""Results as HTML for notebooks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import fabnet
from fabnet.encoders.embedder import Embedder
from fabnet.runtime.notebook import facts, listing, picture
from fabnet.training.train import TrainResult

HOSTILE = "<script>alert(1)</script>\"'&\x1b[2J\u202e"


class Seen(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert {name for name, _ in attrs} <= {"style", "src", "alt", "width"}
        assert all(value is None or value.startswith("data:image/") for name, value in attrs if name == "src")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_everything_is_escaped() -> None:
    page = facts(HOSTILE, [(HOSTILE, HOSTILE), ("nothing", None)]) + listing(HOSTILE, [HOSTILE], [[HOSTILE], [3]])
    page += picture(b"\xff\xd8", "jpeg", words=HOSTILE, width_px=9)
    seen = Seen(page)
    assert "script" not in seen.names
    assert set(seen.names) == {"div", "strong", "table", "tr", "th", "td", "img"}
    assert seen.text.count("<script>alert(1)</script>\"'&\\x1b[2J\\u202e") == 6
    assert "nothing" not in seen.text
    assert not {"\x1b", "\u202e"} & set(page)


def test_an_encoder_shows_what_it_is() -> None:
    encoder = fabnet.load("small")
    assert repr(encoder) == "<fabnet encoder 'small': 64 px to 256 numbers, onnx, float32>"
    assert "256 numbers" in Seen(encoder._repr_html_()).text
    card = replace(encoder.card, objective=HOSTILE, training={"steps": HOSTILE})
    own = Embedder(card, lambda images: images, "onnx")
    assert repr(own) == "<fabnet encoder: 64 px to 256 numbers, onnx, float32>"
    assert "script" not in Seen(own._repr_html_()).names


def test_a_store_shows_its_counts_and_faces_and_when_it_is_gone_says_so(store: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(store, tmp_path / "<b>store"))
    opened = fabnet.open_store(copy)
    assert repr(opened) == f"<fabnet track store {str(copy)!r}: 60 rows>"
    seen = Seen(opened._repr_html_())
    assert seen.names.count("img") == 6
    assert "b" not in seen.names
    for line in ("face crops60", "tracks6", "train40 crops, 4 tracks, 4 identities"):
        assert line in seen.text
    shutil.rmtree(copy)
    assert "no store" in repr(opened) or "cannot be read" in repr(opened) or "rows" in repr(opened)
    assert "<fabnet track store" in repr(opened)
    assert "cannot be read" in Seen(opened._repr_html_()).text


def test_a_run_shows_its_losses() -> None:
    result = TrainResult(
        Path("<i>run"), Path("run/checkpoints/step-00000010"), 10, 80, 160, 12.5, 0.0734, None, ["few <b>tracks"], []
    )
    seen = Seen(result._repr_html_())
    assert not {"i", "b"} & set(seen.names)
    for line in ("run <i>run", "steps10", "validation loss0.0734", "notefew <b>tracks"):
        assert line in seen.text
    assert "unwarped" not in seen.text


@pytest.fixture(scope="module")
def faces(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("faces") / "faces.lance"
    fabnet.embed(store, out)
    return out


def test_a_search_result_shows_its_sheet_and_its_rows(faces: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(faces, tmp_path / "<b>faces.lance"))
    result = fabnet.search(copy, "person0/0/0/0", k=55)
    assert "asked" not in result.to_json()
    seen = Seen(result._repr_html_())
    assert seen.names.count("img") == 1
    assert seen.names.count("tr") == 51
    assert "b" not in seen.names
    assert "nearest to person0/0/0/0: exact among 60 rows" in seen.text
    assert "... and 5 more" in seen.text
    shutil.rmtree(copy)
    seen = Seen(result._repr_html_())
    assert seen.names.count("img") == 0
    assert "there is no embeddings dataset at" in seen.text
