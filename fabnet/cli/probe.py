"""`fabnet probe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabnet.cli.flags import Flags
from fabnet.probes.options import ProbeOptions
from fabnet.probes.probe import ProbeReport, probe
from fabnet.runtime.terminal import console

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["run", "show"]


def run(model: str, protocol: str, data: Path, options: Flags[ProbeOptions]) -> ProbeReport:
    """Score what an embedding knows, by linear probes on frozen features.

    Protocols of the paper: mafl, 300w, aflw, affectnet (affectnet-all with its automatic half), emotionet. Beyond it:
    aflw2000, biwi, wflw, rafdb. On data that anyone can get: youtube-faces, mtfl, ferplus, ckplus. Or a CSV file of
    your own: path, optional subject and split, then the targets (x0,y0,... points; roll, pitch, yaw in degrees; words
    are classes; 0 and 1; other numbers). retrieval (of youtube-faces) or retrieval:NAME ranks the faces of any of these
    for each other across people, and measures what the nearest ones share, beside chance and the best possible, and how
    far they are the same person.

    Models: a shipped name, a run, a checkpoint, an .onnx file, hf:OWNER/NAME, the authors' .pth; the baselines mean,
    pixels, random[:SEED], dlib-identity, vgg-face:FILE, timm:NAME; trained with the labels scratch:vgg11,
    scratch:alexnet, scratch:fabnet, each with :SIZE for another size than 64 px; other tools' points landmarks:dlib,
    landmarks:mediapipe.

    A probe is chosen on people apart, then scored on --split: val to choose encoders by, test to report once.

    Examples:
      fabnet probe --model run --protocol youtube-faces --data youtube_faces
      fabnet probe --model small --protocol labels.csv --data photos --split test --save probes.safetensors
      fabnet probe --model pixels --protocol ferplus --data ferplus --probe ridge --json > pixels.json
      fabnet probe --model small --protocol retrieval --data youtube_faces --variant raw whitened

    Args:
        model: One of the models above.
        protocol: A protocol above, or a CSV file.
        data: The protocol's folder, laid out as its release unpacks.
        options: How.
    """
    return probe(model, protocol, data, options)


def show(result: ProbeReport) -> None:
    """Print scores for people."""
    from rich.table import Table

    title = f"{result.model} on {result.protocol}, {result.split}: {result.num_faces:,} faces"
    if result.num_not_found:
        whole = result.num_not_found - result.num_on_label
        places = [f"{result.num_on_label:,} by their labelled box"] if result.num_on_label else []
        places += [f"{whole:,} on the whole image"] if whole else []
        title += f", {result.num_not_found:,} not found: {', '.join(places)}"
    terminal = console()
    for note in result.notes:
        terminal.print(f"note: {note}", highlight=False)
    if result.left_out:
        names = ", ".join(f"{file} ({reason})" for file, reason in result.left_out[:3])
        more = " ...: --json lists all" if len(result.left_out) > 3 else ""
        terminal.print(f"{len(result.left_out):,} labelled pictures left out: {names}{more}", highlight=False)
    if result.protocol.startswith("retrieval:"):
        terminal.print(_ranking(result, title))
        return
    table = Table(title=title, title_justify="left")
    for column in ("task", "metric", "value", "95 % interval", "faces", "people", "probe"):
        table.add_column(column, justify="right" if column in ("value", "faces", "people") else "left")
    for row in result.rows:
        value, low, high = ("-" if row[name] is None else f"{row[name]:.2f}" for name in ("value", "low", "high"))
        cells = (
            row["task"], row["metric"], value, f"{low} to {high}",
            f"{row['n']:,}", "unnamed" if row["people"] is None else f"{row['people']:,}", row["probe"],
        )  # fmt: skip
        table.add_row(*cells, style="bold" if row["headline"] else None)
    terminal.print(table)


def _ranking(result: ProbeReport, title: str) -> Table:
    """A row a measure and size of the top: what the nearest faces share, beside chance and the best possible."""
    from rich.table import Table

    from fabnet.probes.retrieval.figures import table_rows

    queries = max(row["n"] for row in result.rows)
    table = Table(title=f"{title}; {queries:,} of them queries and gallery", title_justify="left")
    columns = (
        "task",
        "embedding",
        "measure",
        "top",
        "value",
        "95 % interval",
        "chance",
        "best",
        "way %",
        "95 % interval",
    )
    for column in columns:
        table.add_column(column, justify="right" if column in ("top", "value", "chance", "best", "way %") else "left")
    for row in table_rows(result.rows):
        value, way = ((_number(each), _interval(each)) for each in (row.value, row.way))
        cells = (*value, _number(row.chance), _number(row.best), *way)
        style = "bold" if any(each and each["headline"] for each in (row.value, row.way)) else None
        variant = row.variant.removeprefix("cosine, ")
        table.add_row(row.task, variant, row.measure, "" if row.top is None else str(row.top), *cells, style=style)
    return table


def _number(row: dict[str, Any] | None) -> str:
    return "" if row is None else "-" if row["value"] is None else f"{row['value']:.2f}"


def _interval(row: dict[str, Any] | None) -> str:
    return "" if row is None or row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"
