"""Every command of the documents: its verb or script exists, with the options that are given."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from fabnet.cli import VERBS

from .test_site import PAGES, ROOT, verb_help

LOG = ROOT / "docs" / "experiments.md"
"""Its scripts are those of the commits that it names."""
CHOICES = {
    "train": [("--objective", name) for name in ("fabnet", "autoencoder", "rotnet", "splitbrain")],
    "report": [("--figure", name) for name in ("architecture", "landmarks", "confidence", "retrieval")],
}
"""Options of a verb on which its other options depend."""
EVERYWHERE = {"--json", "--debug", "--help", "--config"}
OPTION = r"(?<!\S)--?[a-z][\w-]*"


def commands_of(page: Path) -> list[str]:
    """The commands in a page's code blocks and between backticks, each on one line, without its comment."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
        text = "\n\n".join([*cells, *(f"```\n{cell}\n```" for cell in cells)])
    text = re.sub(r"\\\n\s*", " ", text)
    parts = re.split(r"^ *```[^\n]*$", text, flags=re.MULTILINE)
    lines = [line.strip() for block in parts[1::2] for line in block.splitlines()]
    inline = [" ".join(span.split()) for part in parts[::2] for span in re.findall(r"`([^`]+)`", part)]
    return [line.partition(" #")[0].lstrip("!") for line in lines + inline]


@cache
def options_of(verb: str) -> set[str]:
    """The options in the help of a verb, for each choice on which they depend."""
    helps = [verb_help().help_of(verb, *choice) for choice in [(), *CHOICES.get(verb, [])]]
    return EVERYWHERE.union(*(re.findall(OPTION, text) for text in helps))


def source_of(script: Path) -> str:
    """The text of a script, and of the modules beside it that it imports."""
    text = script.read_text(encoding="utf-8")
    names = re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
    beside = [file for name in names if (file := script.with_name(f"{name}.py")).is_file()]
    return text + "".join(file.read_text(encoding="utf-8") for file in beside)


def is_possible(command: str, *, is_old: bool) -> bool:
    """Whether a command's verb or script exists and has its options; other commands, and scripts of old, pass."""
    if found := re.match(r"(?:\w+=\S+ )*(?:torchrun .*--no-python )?fabnet ([a-z]+)(.*)", command):
        return found[1] in VERBS and set(re.findall(OPTION, found[2])) <= options_of(found[1])
    if not is_old and (found := re.match(r"(?:\w+=\S+ )*python (\w+/\S+\.py)(.*)", command)):
        script = ROOT / found[1]
        known = source_of(script) if script.is_file() else ""
        return bool(known) and all(re.search(f'"(--)?{name[2:]}"', known) for name in re.findall(OPTION, found[2]))
    return True


def test_a_wrong_command_is_noticed() -> None:
    assert is_possible("fabnet report run --video talk.mp4", is_old=False)
    assert is_possible("fabnet report run --figure retrieval --embeddings faces.lance", is_old=False)
    assert not is_possible("fabnet report run --vidoe talk.mp4", is_old=False)
    assert not is_possible("fabnet raed talk.mp4", is_old=False)
    assert not is_possible("python benchmarks/nothing.py STORE", is_old=False)
    assert not is_possible("python benchmarks/train.py STORE --sizes 64", is_old=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_have_options_that_exist(page: Path) -> None:
    assert [command for command in commands_of(page) if not is_possible(command, is_old=page == LOG)] == []
