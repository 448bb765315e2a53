"""`fabnet probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

__all__ = ["run", "show"]


def run(
    model: str,
    data: Path,
    store: Path,
    protocol: Literal["youtube-faces"] = "youtube-faces",
    split: Literal["val", "test"] = "val",
) -> dict[str, Any]:
    """Score what an embedding knows by a linear probe on frozen features.

    youtube-faces: 68 landmarks, a ridge probe fitted on the training people, scored on other people.

    Examples:
      fabnet probe --model run --data youtube_faces --store youtube_faces.lance

    Args:
        model: a shipped name, a run, a checkpoint or an .onnx file.
        data: the folder of the protocol's labels.
        store: the protocol's frames, imported with detector crops.
        protocol: what is asked.
        split: whom to score on: val to choose by, test to report once.
    """
    from fabnet.probes.youtube_faces import probe_youtube_faces

    score = probe_youtube_faces(model, data, store=store, split=split)
    shared = {"task": "landmarks68", "n": score.faces, "people": score.people, "probe": "ridge"}
    return {
        "protocol": protocol,
        "split": split,
        "results": [
            shared
            | {
                "metric": "error, % of outer-eye distance",
                "value": score.outer_eye_percent,
                "low": score.outer_eye_low,
                "high": score.outer_eye_high,
                "headline": True,
            },
            shared
            | {
                "metric": "error, % of the points' box side",
                "value": score.box_percent,
                "low": None,
                "high": None,
                "headline": False,
            },
            shared
            | {
                "metric": "of the mean face, % of outer-eye distance",
                "value": score.mean_face_percent,
                "low": None,
                "high": None,
                "headline": False,
            },
        ],
    }


def show(result: dict[str, Any]) -> None:
    """Print scores for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{result['protocol']}, {result['split']} people", title_justify="left")
    for column in ("task", "metric", "value", "95 % interval", "faces", "people", "probe"):
        table.add_column(column)
    for row in result["results"]:
        interval = "" if row["low"] is None else f"{row['low']:.2f} - {row['high']:.2f}"
        cells = (row["task"], row["metric"], f"{row['value']:.2f}", interval, row["n"], row["people"], row["probe"])
        table.add_row(*map(str, cells))
    Console().print(table)
