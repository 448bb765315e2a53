"""Results as HTML for notebooks: everything in them is escaped, and control characters are shown."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Literal

from fabnet.runtime.terminal import shown

__all__ = ["data_uri", "facts", "listing", "picture"]

LEFT = 'style="text-align: left"'


def data_uri(data: bytes, kind: Literal["jpeg", "png"]) -> str:
    """The bytes of a picture as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def picture(data: bytes, kind: Literal["jpeg", "png"], *, words: str, width_px: int | None = None) -> str:
    """A picture as an element of HTML.

    Args:
        data: bytes of the file.
        kind: its format.
        words: what it shows, for those who do not see it.
        width_px: width on the page; None: its own.
    """
    width = "" if width_px is None else f' width="{width_px}"'
    return f'<img src="{data_uri(data, kind)}" alt="{_text(words)}"{width} style="max-width: 100%; display: inline">'


def facts(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A table of names and values under a title, as HTML; values that are None are left out."""
    lines = [
        f"<tr><th {LEFT}>{_text(name)}</th><td {LEFT}>{_text(value)}</td></tr>"
        for name, value in rows
        if value is not None
    ]
    return f"<div><strong>{_text(title)}</strong><table>{''.join(lines)}</table></div>"


def listing(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a line of column names under a title, as HTML."""
    head = "".join(f"<th {LEFT}>{_text(name)}</th>" for name in columns)
    lines = ["".join(f"<td {LEFT}>{_text(value)}</td>" for value in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<div><strong>{_text(title)}</strong><table><tr>{head}</tr>{body}</table></div>"


def _text(value: object) -> str:
    return escape(shown("" if value is None else value))
