"""Options: one dataclass per verb, for keywords, flags and help."""

from __future__ import annotations

import dataclasses
import inspect
import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.cli import VERBS, main
from fabnet.errors import InputError
from fabnet.options import Options, field_docs, takes

VERBS_WITH_OPTIONS = ["courses", "embed", "import_folder", "probe", "read", "report", "search", "serve", "track"]


@dataclass(frozen=True, kw_only=True)
class CountOptions(Options):
    """The options of a verb."""

    most: int = 3
    """Upper bound.
    It may be large."""
    share: float | None = None
    """Share."""
    rate: float | Literal["all"] = "all"
    """Rate."""
    kind: Literal["a", "b", "c"] = "a"
    """Kind."""
    files: tuple[Path, ...] = ()
    """Files."""
    name: str | Path = "video"
    """Name."""
    is_loud: bool = False
    """Loud."""

    def check(self) -> None:
        """Check the upper bound."""
        if self.most < 1:
            raise InputError(f"most must be 1 or more; got {self.most}")


@takes(CountOptions)
def count(things: int, options: CountOptions | None = None, **changes: Any) -> CountOptions:
    """Count.

    Args:
        things: to count.

    Returns:
        The options.
    """
    return CountOptions.of(options, changes)


def test_options_are_given_whole_or_by_name() -> None:
    assert count(1) == CountOptions()
    assert count(1, CountOptions(most=5), kind="b") == CountOptions(most=5, kind="b")
    assert count(1, files="a.jpg").files == (Path("a.jpg"),)
    assert count(1, files=["a.jpg", Path("b.jpg")]).files == (Path("a.jpg"), Path("b.jpg"))
    assert count(1, rate=None).rate == "all"
    assert count(1, rate=np.float32(2), name=Path("folder")).rate == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mots": 4}, "count has no option 'mots'; did you mean 'most'?"),
        ({"zzz": 4}, "count has no option 'zzz'; there is most, share, rate, kind, files, name, is_loud"),
        ({"most": 0}, "most must be 1 or more; got 0"),
        ({"most": True}, "most must be a whole number; got True"),
        ({"most": 2.5}, "most must be a whole number; got 2.5"),
        ({"share": float("nan")}, "share must be a finite number or None; got nan"),
        ({"rate": "5"}, "rate must be a finite number or 'all'; got '5'"),
        ({"kind": "d"}, "kind must be 'a', 'b' or 'c'; got 'd'"),
        ({"kind": None}, "kind must be 'a', 'b' or 'c'; got None"),
        ({"files": [3]}, "files must be a sequence, each a path; got (3,)"),
        ({"name": 3}, "name must be text or a path; got 3"),
        ({"is_loud": "no"}, "is_loud must be True or False; got 'no'"),
    ],
)
def test_a_wrong_option_is_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        count(1, **changes)
    assert str(raised.value) == message


def test_options_are_written_as_json() -> None:
    told = json.loads(CountOptions(files=(Path("a"),), share=0.5).to_text())
    assert (told["most"], told["share"], told["rate"], told["files"]) == (3, 0.5, "all", ["a"])


def test_options_of_another_kind_are_refused() -> None:
    with pytest.raises(InputError, match="options must be CountOptions, or be given by name"):
        count(1, {"most": 3})  # type: ignore[arg-type]


def test_help_shows_every_keyword() -> None:
    assert list(inspect.signature(count).parameters)[:3] == ["things", "options", "most"]
    assert inspect.signature(count).parameters["rate"].default == "all"
    assert inspect.getdoc(count) == (
        "Count.\n\nArgs:\n    things: to count.\n    most: Upper bound. It may be large.\n    share: Share.\n"
        "    rate: Rate.\n    kind: Kind.\n    files: Files.\n    name: Name.\n    is_loud: Loud.\n\n"
        "Returns:\n    The options."
    )


@pytest.mark.parametrize("name", [*VERBS_WITH_OPTIONS, "train"])
def test_flags_and_keywords_are_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    function = getattr(fabnet, name)
    keywords = [each.name for each in inspect.signature(function).parameters.values() if each.kind is each.KEYWORD_ONLY]
    assert len(keywords) >= 3
    with pytest.raises(SystemExit):
        main([name.removesuffix("_folder"), "--help"])
    flags = capsys.readouterr().out.replace(",", " ")
    for keyword in keywords:
        assert f" --{keyword.replace('_', '-')} " in flags
        assert f"\n    {keyword}: " in (function.__doc__ or "")


def test_every_option_of_every_verb_has_a_string() -> None:
    for module, _ in VERBS.values():
        import_module(module)
    for cls in Options.__subclasses__():
        assert list(field_docs(cls)) == [field.name for field in dataclasses.fields(cls)], cls


def test_a_wrong_value_is_one_line_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["track", "a.mp4", "--out", str(tmp_path / "out.lance"), "--fps", "-1"]) == 2
    assert capsys.readouterr().err == "fabnet track: fps is -1.0: give a positive number of frames per second\n"
    assert main(["search", "a.lance", "--query", "a/0/0", "-k", "0"]) == 2
    assert capsys.readouterr().err == "fabnet search: k must be 1 or more; got 0\n"


def test_a_path_stands_for_a_list_of_one(tmp_path: Path) -> None:
    out = tmp_path / "out.lance"
    with pytest.raises(InputError, match=r"two\.jpg"):
        fabnet.embed(str(tmp_path / "two.jpg"), out, model="pixels")
    with pytest.raises(InputError, match=r"two\.mp4"):
        fabnet.track(str(tmp_path / "two.mp4"), out)
    with pytest.raises(InputError, match=r"two\.json"):
        fabnet.table(1, results=str(tmp_path / "two.json"))
    with pytest.raises(InputError, match=r"two\.jpg"):
        fabnet.crop_faces(tmp_path / "two.jpg")
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64, 3), 127, np.uint8))
    assert fabnet.crop_faces(str(tmp_path / "grey.png")) == []
    fabnet.embed(tmp_path / "grey.png", tmp_path / "out.csv", model="pixels", crop="none", fps="all")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2
    (tmp_path / "grey.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"grey\.png is not a usable photo"):
        fabnet.crop_faces(tmp_path / "grey.png")


def test_one_name_stands_for_a_list_of_one(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no identity 'nobody'"):
        fabnet.remove(store, "nobody")
