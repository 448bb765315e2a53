"""A figure for print: drawn once, written as SVG, PDF and PNG, its caption beside it as text."""

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

import fabnet
from fabnet.embedding.digest import model_digest
from fabnet.errors import InputError
from fabnet.models.find_model import find_model
from fabnet.output import written_whole
from fabnet.places import as_place
from fabnet.probes.probe import code_commit

__all__ = ["BLUE", "GREY", "INK", "ORANGE", "WIDTH_IN", "FigureResult", "facts_of", "figures_folder", "write_figure"]

WIDTH_IN = 6.9
"""Of a page's text, both columns."""
DPI = 300
INK, GREY, BLUE, ORANGE = "#1a1a1a", "#767676", "#0072b2", "#d55e00"
"""Blue and vermilion of Okabe and Ito, which all eyes tell apart, and in grey print too."""
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
        figure: its name.
        files: SVG, PDF, PNG, and the caption as text.
        caption: what the figure shows, and of what it was made.
        shown: what is drawn, in numbers and names: an entry a panel or part.
    """

    figure: str
    files: list[Path]
    caption: str
    shown: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "figure": self.figure,
            "files": [str(file) for file in self.files],
            "caption": self.caption,
            "shown": self.shown,
        }


def figures_folder(model: str | Path, out: str | Path | None) -> Path:
    """Where figures go: `out`, or `report/figures` in a run.

    Raises:
        InputError: no `out`, and the model is no run.
    """
    if out is not None:
        return as_place(out)
    if not (as_place(model) / "checkpoints").is_dir():
        raise InputError(f"{model} is no run to keep a figure in: say with --out DIR where it goes")
    return as_place(model) / "report" / "figures"


def facts_of(figure: str, model: str | Path, options: Mapping[str, Any], **more: str) -> dict[str, str]:
    """What a figure was made of, for its caption.

    Args:
        figure: its name.
        model: as the verb was given it.
        options: flags of the verb; those that are None, False or empty are left out.
        more: further facts.

    Returns:
        The command, the model with the beginning of its digest, `more`, the commit where it is known, the version.
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
    return facts | ({} if commit is None else {"commit": commit}) | {"fabnet": fabnet.__version__}


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
        height_in: see there.
        folder: to write to.
        name: of the figure and its files.
        caption: sentences; the first is the title that the files carry.
        facts: what it was made of; the same facts give the same bytes.
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
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on the age of the font in every PDF
    with matplotlib.style.context(["default", STYLE]):  # no matplotlibrc of the working folder
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
