"""The encoders that ship inside fabnet, each a model folder with its card."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped_models"]


def shipped_models() -> dict[str, Path]:
    """The shipped encoders: name to model folder."""
    here = Path(__file__).parent
    return {folder.name: folder for folder in sorted(here.iterdir()) if (folder / "config.json").is_file()}
