"""`fabnet info`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tyro

import fabnet
from fabnet.runtime.terminal import console, say, shown
from fabnet.upkeep.info import info
from fabnet.upkeep.verify import VerifyReport

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["run", "show"]

COUNTS = ("people", "tracks", "videos")
TYPES = ("columns", "attributes")


def run(
    path: tyro.conf.Positional[str], verify: bool = False, every_image: bool = False
) -> dict[str, Any] | VerifyReport:
    """Say what something that fabnet wrote holds and how it was made, or whether a store is sound.

    A store of face-tracks, an embeddings dataset and its index, a table of read, courses or embed (.parquet, .csv,
    .npy), a run, a model, or a file of probe --save: its rows and columns, how many people, tracks and videos, which
    model, with which command and options, and when. CSV files keep neither the model nor the options.

    Examples:
      fabnet info tracks.lance
      fabnet info faces.lance
      fabnet info talk.parquet
      fabnet info run
      fabnet info small
      fabnet info --verify tracks.lance
      fabnet info --verify --every-image faces.lance

    Args:
        path: a store, a dataset, a table, a run, a model folder, the name of a model that ships with fabnet,
            hf:OWNER/NAME, or a probe.
        verify: check a store or an embeddings dataset: its rows, order, ledger, pictures and embeddings.
        every_image: with --verify: decode every picture, not 512 of them.
    """
    if verify or every_image:
        return fabnet.verify(path, every_image=every_image)
    return info(path)


def show(result: dict[str, Any] | VerifyReport) -> None:
    """Print it for people."""
    from rich.table import Table

    if not isinstance(result, dict):
        checks = Table("checked", "of", "wrong", "the first of them", title=result.path, title_justify="left")
        for check in result.checks:
            checks.add_row(check.name, f"{check.checked:,}", f"{check.wrong:,}", _lines(check.examples))
        console().print(checks)
        if result.problem:
            say(f"fabnet info: {' '.join(result.problem.split())}", to_stderr=True)
        return
    table = Table(show_header=False, title=str(result.get("kind", "")), title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in result.items():
        if name in ("kind", "notes") or (name == "options" and "command" in result):
            continue
        if value is None and name in COUNTS:
            value = "not counted: there are too many"
        table.add_row(name.replace("_", " "), _columns(value) if name in TYPES else _text(value))
    console().print(table)
    for note in result.get("notes", []):
        console().print(f"note: {note}", highlight=False)


def _columns(types: dict[str, str]) -> RenderableType:
    """Columns by type, a series such as e0 to e255 as its first and last."""
    by_type: dict[str, list[str]] = {}
    for name, kind in types.items():
        by_type.setdefault(kind or "empty", []).append(name)
    return _lines([f"{kind}: {', '.join(_series(names))}" for kind, names in by_type.items()])


def _series(names: Sequence[str]) -> list[str]:
    """Names, of which those that differ only by a last number, three or more, are drawn together."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        stem = name.rstrip("0123456789")
        key = (stem, True) if stem and stem != name and not stem.startswith("AU") else (name, False)
        groups.setdefault(key, []).append(name)
    return [each for group in groups.values() for each in ([f"{group[0]} to {group[-1]}"] if len(group) > 2 else group)]


def _text(value: Any) -> RenderableType:
    if isinstance(value, dict):
        return _lines([f"{name}: {_flat(each)}" for name, each in value.items()])
    return _one(value)


def _lines(texts: Sequence[str]) -> RenderableType:
    from rich.text import Text

    return Text("\n".join(map(shown, texts)))


def _flat(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{_figure(each)} {name.replace('_', ' ')}" for name, each in value.items())


def _figure(value: Any) -> str:
    """A number; one with its interval as `7.41 [6.70, 8.05]`."""
    if isinstance(value, list) and len(value) == 3 and all(isinstance(each, float) for each in value):
        return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]"
    return _one(value)


def _one(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
