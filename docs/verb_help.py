"""The page of the verbs' options, made from what `fabnet VERB --help` prints."""

from __future__ import annotations

import contextlib
import io
import os
import re
import textwrap
from unittest import mock

from fabnet.cli import VERBS, main

__all__ = ["page_of_verbs"]


EXAMPLES = re.compile(r"^Examples:\n((?:  .*\n)+)", re.MULTILINE)


def page_of_verbs() -> str:
    """What every verb's help says after its examples, once, and a section for every verb, as MyST."""
    helps = {verb: help_of(verb) for verb in VERBS}
    remarks = dict.fromkeys(remark for text in helps.values() if (remark := parts_of(text)[2]))
    return "\n\n".join([*map(plain, remarks), *(section(verb, text) for verb, text in helps.items())])


def help_of(verb: str, *choice: str) -> str:
    """What `fabnet VERB --help` prints on a terminal of 100 columns, after an option on which others depend."""
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # with an encoding, the boxes have their borders
    width = mock.patch.dict(os.environ, {"COLUMNS": "100"})
    with width, contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        main([verb, *choice, "--help"])
    shown.seek(0)
    return shown.read()


def parts_of(text: str) -> tuple[str, str, str]:
    """Of a verb's help: what it does, its examples, and what follows them."""
    before = text.partition("╭")[0].partition("\n\n")[2]
    description, examples, remark = ([*EXAMPLES.split(f"{before.rstrip()}\n"), "", ""])[:3]
    return description.strip(), textwrap.dedent(examples), remark.strip()


def section(verb: str, text: str) -> str:
    """A verb's help as a section: what it does, its examples, then a list of its arguments and options."""
    _, *boxes = re.split(r"^╭─ (.+?) ─+╮\n", text, flags=re.MULTILINE)
    description, examples, _ = parts_of(text)
    parts = [f"\n## {verb}\n", plain(description)]
    if examples:
        parts.append(f"\n```bash\n{examples}```\n")
    for box in boxes[1::2]:
        parts += [f"`{name}`\n: {plain(what)}\n" for name, what in entries(box)]
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
            found.append((name, what.strip()))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}".strip())
    return [each for each in found if not each[0].startswith("-h")]


def plain(text: str) -> str:
    """A text without meaning for Markdown, but for code in backticks, and names of pages, which become links."""
    pieces = re.split(r"(`[^`\n]+`)", text)
    pieces[::2] = [re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", piece) for piece in pieces[::2]]
    text = "".join(pieces)
    return re.sub(r"docs/([\w-]+\.md)", r"[docs/\1](\1)", text)
