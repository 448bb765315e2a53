"""The page of the verbs' options, made from what `fabnet VERB --help` prints."""

from __future__ import annotations

import contextlib
import io
import os
import re
from unittest import mock

from fabnet.cli import VERBS, main

__all__ = ["page_of_verbs"]


def page_of_verbs() -> str:
    """A section for every verb, as MyST."""
    return "\n".join(section(verb, help_of(verb)) for verb in VERBS)


def help_of(verb: str) -> str:
    """What `fabnet VERB --help` prints on a terminal of 100 columns."""
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # with an encoding, the boxes have their borders
    width = mock.patch.dict(os.environ, {"COLUMNS": "100"})
    with width, contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        main([verb, "--help"])
    shown.seek(0)
    return shown.read()


def section(verb: str, text: str) -> str:
    """A verb's help as a section: what it does, its examples, then a list of its arguments and options."""
    before, *boxes = re.split(r"^╭─ (.+?) ─+╮\n", text, flags=re.MULTILINE)
    _, _, description = before.partition("\n\n")
    description, _, examples = description.partition("Examples:\n")
    parts = [f"\n## {verb}\n", plain(description.strip())]
    if examples.strip():
        lines = [line.removeprefix("  ") for line in examples.strip("\n").splitlines()]
        parts.append("\n".join(["\n```bash", *lines, "```\n"]))
    for title, box in zip(boxes[::2], boxes[1::2], strict=True):
        if title not in ("positional arguments", "options"):
            parts.append(f"\n### {verb}: {title}\n")
        parts += [f"`{name}`\n: {plain(what.removesuffix(' (default: )'))}\n" for name, what in entries(box)]
    return "\n".join(parts)


def entries(box: str) -> list[tuple[str, str]]:
    """The entries of a box: a name at its left edge, what it means beside and below it."""
    found: list[tuple[str, str]] = []
    for line in box.splitlines():
        line = line.strip("│╰╯─").removeprefix(" ").rstrip()
        if not line:
            continue
        if line[0] != " ":
            name, _, what = line.partition("  ")
            name = re.sub(r"^\[\[(\S+) \[.*$", r"\1 ...", name)  # any number of arguments
            found.append((name, what.strip()))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}".strip())
    return [each for each in found if not each[0].startswith("-h")]


def plain(text: str) -> str:
    """A text without meaning for Markdown, but for the names of pages, which become links."""
    text = re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", text)
    return re.sub(r"docs/([\w-]+\.md)", r"[docs/\1](\1)", text)
