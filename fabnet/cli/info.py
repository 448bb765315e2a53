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


def run(
    path: tyro.conf.Positional[str], verify: bool = False, every_image: bool = False
) -> dict[str, Any] | VerifyReport:
    """Say what a store of face-tracks, a training run or a model holds, or whether a store is sound.

    Examples:
      fabnet info tracks.lance
      fabnet info run
      fabnet info small
      fabnet info --verify tracks.lance
      fabnet info --verify --every-image faces.lance

    Args:
        path: a store, a run, a model folder, the name of a model that ships with fabnet, or hf:OWNER/NAME.
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
    table = Table("", "", title=str(result.get("kind", "")), show_header=False, title_justify="left")
    for name, value in result.items():
        if name != "kind":
            table.add_row(name.replace("_", " "), _text(value))
    console().print(table)


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
