"""`fabnet probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fabnet.probes import ProbeReport
from fabnet.probes import probe as probe_model

__all__ = ["run", "show"]


def run(
    model: str,
    protocol: str,
    data: Path,
    split: Literal["val", "test"] = "val",
    probe: Literal["both", "paper", "ridge"] = "both",
    seeds: int = 3,
    detector: str = "mtcnn",
    cache: Path | None = None,
    save: Path | None = None,
    num_workers: int | None = None,
    device: str = "auto",
) -> ProbeReport:
    """Score what an embedding knows, by linear probes on frozen features.

    Protocols of the paper: mafl, 300w, aflw, affectnet, emotionet. Beyond it: aflw2000, biwi, wflw, rafdb. On data that
    anyone can get: youtube-faces, mtfl, ferplus, ckplus. Or a CSV file of your own: path, optional subject and split,
    then the targets (x0,y0,... points; roll, pitch, yaw in degrees; words are classes; 0 and 1; other numbers).

    Models: a shipped name, a run, a checkpoint, an .onnx file, the authors' .pth; the baselines mean, pixels,
    random[:SEED], dlib-identity, vgg-face:FILE, timm:NAME; trained with the labels scratch:vgg11, scratch:alexnet,
    scratch:fabnet; other tools' points landmarks:dlib, landmarks:mediapipe.

    A probe is chosen on people apart, then scored on --split: val to choose encoders by, test to report once.

    Examples:
      fabnet probe --model run --protocol youtube-faces --data youtube_faces
      fabnet probe --model small --protocol labels.csv --data photos --split test --save probes.safetensors
      fabnet probe --model pixels --protocol ferplus --data ferplus --probe ridge --json > pixels.json

    Args:
        model: see above.
        protocol: see above.
        data: the protocol's folder, laid out as its release unpacks.
        split: whom to score on.
        probe: paper: batch-norm and a linear layer by Adam; ridge: closed form (logistic for classes and units).
        seeds: of the paper's probe; figures are means over them.
        detector: what finds the faces: mtcnn, uniface, or yunet:FILE.
        cache: folder for boxes and features; by default the user's cache folder.
        save: write the fitted probes here, for embed --probe.
        num_workers: processes that detect faces; by default one a core.
        device: auto, cpu, cuda or cuda:N.
    """
    return probe_model(
        model, protocol, data, split=split, probes=("paper", "ridge") if probe == "both" else (probe,), seeds=seeds,
        detector=detector, cache=cache, save=save, num_workers=num_workers, device=device,
    )  # fmt: skip


def show(result: ProbeReport) -> None:
    """Print scores for people."""
    from rich.console import Console
    from rich.table import Table

    title = f"{result.model} on {result.protocol}, {result.split}: {result.num_faces:,} faces"
    if result.num_not_found:
        title += f", {result.num_not_found:,} not found and scored on the whole image"
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
    Console().print(table)
