"""Writes a figure for print as SVG, PDF and PNG, with its caption as text."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.figure
import matplotlib.style

from fabnet.encoders.digest import model_digest
from fabnet.errors import InputError
from fabnet.files.output import written_whole
from fabnet.files.places import as_place
from fabnet.models.find_model import find_model
from fabnet.version import VERSION, code_commit

__all__ = ["BLUE", "GREY", "INK", "ORANGE", "WIDTH_IN", "FigureResult", "facts_of", "figures_folder", "write_figure"]

WIDTH_IN = 6.9
"""Width of a page's text, both columns, in inches."""
DPI = 300
INK, GREY, BLUE, ORANGE = "#1a1a1a", "#767676", "#0072b2", "#d55e00"
"""Blue and vermilion of Okabe and Ito: distinct with any colour vision and in grey print."""
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "image.interpolation": "none",
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "fabnet",
}


@dataclass(frozen=True)
class FigureResult:
    """A figure on disk.

    Attributes:
        figure: name of the figure.
        files: SVG, PDF, PNG, and the caption as text.
        caption: what the figure shows and what it was made from.
        shown: the drawn content in numbers and names: an entry per panel or part.
    """

    figure: str
    files: list[Path]
    caption: str
    shown: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            "figure": self.figure,
            "files": [str(file) for file in self.files],
            "caption": self.caption,
            "shown": self.shown,
        }


def figures_folder(model: str | Path, out: str | Path | None) -> Path:
    """The folder for figures: `out`, or `report/figures` in a run.

    Raises:
        InputError: `out` is None, and the model is not a run.
    """
    if out is not None:
        return as_place(out)
    if not (as_place(model) / "checkpoints").is_dir():
        raise InputError(f"{model} is not a run, so its figure needs a folder: give --out DIR")
    return as_place(model) / "report" / "figures"


def facts_of(figure: str, model: str | Path, options: Mapping[str, Any], **more: str) -> dict[str, str]:
    """What a figure was made from, for its caption.

    Args:
        figure: name of the figure.
        model: the model as given to the verb.
        options: flags of the verb; those that are None, False or empty are left out.
        more: further facts.

    Returns:
        The command, the model with the start of its digest, `more`, the commit if known, the version.
    """
    words = ["fabnet", "report", str(model), "--figure", figure]
    for name, value in options.items():
        if value is None or value is False or value == ():
            continue
        values = () if value is True else value if isinstance(value, tuple) else (value,)
        words += ["--" + name.replace("_", "-"), *map(str, values)]
    name = Path(model).name
    if (as_place(model) / "checkpoints").is_dir():
        name += f", {find_model(model).name}"
    facts = {"command": shlex.join(words), "model": f"{name} ({model_digest(model)[:12]})", **more}
    commit = code_commit()
    return facts | ({} if commit is None else {"commit": commit}) | {"fabnet": VERSION}


def write_figure(
    draw: Callable[[matplotlib.figure.Figure], None],
    *,
    height_in: float,
    folder: Path,
    name: str,
    caption: Sequence[str],
    facts: Mapping[str, str],
    shown: list[dict[str, Any]],
) -> FigureResult:
    """Draw a figure and write it.

    Args:
        draw: draws on an empty figure of `WIDTH_IN` by `height_in` inches.
        height_in: height of the figure in inches.
        folder: folder to write to.
        name: name of the figure and its files.
        caption: sentences; the first is the title stored in the files.
        facts: what it was made from; the same facts give the same bytes.
        shown: see `FigureResult`.

    Raises:
        OutputError: a file cannot be written.
    """
    text = " ".join(caption) + "\n\n" + "".join(f"{key}: {value}\n" for key, value in facts.items())
    about: dict[str, dict[str, Any]] = {
        "svg": {"Title": caption[0], "Description": text, "Creator": "fabnet", "Date": None},
        "pdf": {"Title": caption[0], "Subject": text, "Creator": "fabnet", "CreationDate": None},
        "png": {"Title": caption[0], "Description": text, "Software": "fabnet"},
    }
    files = []
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns about the font's age in every PDF
    with matplotlib.style.context(["default", STYLE]):  # ignores a matplotlibrc in the working folder
        figure = matplotlib.figure.Figure(figsize=(WIDTH_IN, height_in))
        draw(figure)
        for ending, metadata in about.items():
            files.append(folder / f"{name}.{ending}")
            with written_whole(files[-1]) as partial:
                figure.savefig(partial, format=ending, dpi=DPI, metadata=metadata)
    files.append(folder / f"{name}.txt")
    with written_whole(files[-1]) as partial:
        partial.write_text(text, encoding="utf-8")
    return FigureResult(name, files, text, shown)
