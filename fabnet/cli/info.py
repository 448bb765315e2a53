"""`fabnet info`."""

from __future__ import annotations

from typing import Any

import tyro

from fabnet.summary import info

__all__ = ["run", "show"]


def run(path: tyro.conf.Positional[str]) -> dict[str, Any]:
    """Say what a store of face-tracks, a training run or a model holds.

    Examples:
      fabnet info tracks.lance
      fabnet info run
      fabnet info small

    Args:
        path: a store, a run, a model folder, the name of a model that ships with fabnet, or hf:OWNER/NAME.
    """
    return info(path)


def show(result: dict[str, Any]) -> None:
    """Print it for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", "", title=str(result.get("kind", "")), show_header=False, title_justify="left")
    for name, value in result.items():
        if name != "kind":
            table.add_row(name.replace("_", " "), _text(value))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_flat(each)}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _flat(value: Any) -> str:
    return ", ".join(f"{each:,} {name}" for name, each in value.items()) if isinstance(value, dict) else str(value)
