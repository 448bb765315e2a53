"""The model card of an encoder, from measurements: scores with intervals, also by gender and by light.

Run: python experiments/model_card.py small --data DATA --out README.md --results docs/results/model_card.json
DATA holds the folders youtube_faces, mtfl and ferplus, and with --split test ckplus48. Scored on validation people;
`--split test` is for the final report. In other scripts: `measure`, then `fabnet.encoders.model_card.model_card`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from baselines import FOLDERS

import fabnet
from fabnet.encoders.model_card import model_card
from fabnet.faces.window import Window
from fabnet.files.output import written_whole
from fabnet.files.places import cache_folder
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import NOTICE_FILE, ONNX_FILE, READER_FILE, read_card
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.evaluate import Scored
from fabnet.probes.faces import crop_of, find_faces, read_image
from fabnet.probes.metrics import Figure, bootstrap_weights, interval
from fabnet.probes.probe import ProbeReport
from fabnet.probes.protocols.label_files import rows_of
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.runtime.progress import progress

Split = Literal["val", "test"]
UNTRAINED = "random"
NUMBERS = ("value", "low", "high")
LUMA = np.array([0.299, 0.587, 0.114])
GROUPED = {"youtube-faces": ("landmarks68",), "mtfl": ("landmarks5", "smile")}
GENDERS = {"1": "men", "2": "women"}
LIGHTS = ("darkest third", "middle third", "brightest third")


def measure(
    model: str | Path, data: Path, *, split: Split = "val", cache: Path | None = None, command: str = ""
) -> dict[str, Any]:
    """Measure the contents of a model card.

    Args:
        model: a model as in `fabnet.load`.
        data: folder that holds the protocols' folders.
        split: split to score on; CK+ is cross-validated over everybody, so it is scored with "test" only.
        cache: folder for boxes and features; None: the user's cache folder.
        command: command to state in the card.

    Returns:
        The argument of `model_card`, plain values, ready for JSON.
    """
    kept = Cache(cache or cache_folder())
    protocols = [name for name in FOLDERS if name != "ckplus" or split == "test"]
    scores: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = []
    for protocol in protocols:
        folder = data / FOLDERS[protocol]
        trained, untrained = (
            fabnet.probe(each, protocol, folder, split=split, probe="ridge", seeds=1, cache=cache)
            for each in (model, UNTRAINED)
        )
        scores += headlines(protocol, trained, untrained)
        if protocol in GROUPED:
            benchmark = read_benchmark(protocol, folder)
            window = Window(*read_card(find_model(model)).window)
            groups += grouped(benchmark, trained, folder, window, kept)
    said = trained.to_json()
    return {
        "model": str(model), "split": split, "protocols": protocols, "command": command, "date": said["date"],
        "commit": said["commit"], "fabnet": said["fabnet"], "scores": scores, "groups": groups,
    }  # fmt: skip


def headlines(protocol: str, trained: ProbeReport, untrained: ProbeReport) -> list[dict[str, Any]]:
    """One row per task, with the untrained encoder's figure for comparison."""
    floor = {(row["task"], row["metric"]): row for row in untrained.rows}
    return [
        {"protocol": protocol, **row, "untrained": {key: floor[row["task"], row["metric"]][key] for key in NUMBERS}}
        for row in trained.rows
        if row["headline"]
    ]


def grouped(
    benchmark: Benchmark, report: ProbeReport, folder: Path, window: Window, cache: Cache
) -> list[dict[str, Any]]:
    """The headline figures of the scored faces by group: by light, and for MTFL by its gender label."""
    found = []
    for scored in report.scored:
        if scored.task not in GROUPED[benchmark.name]:
            continue
        labelled = np.isfinite(_targets(benchmark, scored)).any(axis=1)
        kinds = {"light": light_of(benchmark, scored.places, window, cache)}
        if benchmark.name == "mtfl":
            gender = [GENDERS.get(row["gender"], "") for row in rows_of(folder / "labels.csv", ["gender"]).values()]
            kinds["gender"] = np.array(gender)[scored.places]
        for by, group in kinds.items():
            names = LIGHTS if by == "light" else tuple(GENDERS.values())
            (figure,) = [each for each in scored.figures if each.is_headline]
            weights = bootstrap_weights(benchmark.owners[scored.places])
            rows, gap = by_group(figure, np.where(labelled, group, ""), names, weights)
            found.append({"protocol": benchmark.name, "task": scored.task, "metric": figure.metric, "by": by,
                          "rows": rows, "gap": gap})  # fmt: skip
    return found


def _targets(benchmark: Benchmark, scored: Scored) -> np.ndarray:
    return np.asarray(next(task.targets for task in benchmark.tasks if task.name == scored.task)[scored.places])


def by_group(
    figure: Figure, group: np.ndarray, names: tuple[str, ...], weights: np.ndarray
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A figure for each group of faces, and the first group's minus the last's, over the same draws.

    Args:
        figure: figure over M faces.
        group: (M,) name of each face's group; any other word: none.
        names: names of the groups.
        weights: (R, M) weights of a bootstrap.
    """
    ones = np.ones((1, len(group)), dtype=np.float32)
    rows, values, draws = [], [], []
    for name in names:
        is_in = (group == name).astype(np.float32)
        values.append(float(figure.of(ones * is_in)[0]))
        draws.append(figure.of(weights * is_in))
        rows.append({"group": name, "n": int(is_in.sum()), **_numbers(values[-1], draws[-1])})
    gap = {"group": f"{names[0]} less {names[-1]}", **_numbers(values[0] - values[-1], draws[0] - draws[-1])}
    return rows, gap


def _numbers(value: float, draws: np.ndarray) -> dict[str, float | None]:
    found = zip(NUMBERS, (value, *interval(draws)), strict=True)
    return {name: each if np.isfinite(each) else None for name, each in found}


def light_of(benchmark: Benchmark, places: np.ndarray, window: Window, cache: Cache) -> np.ndarray:
    """The third that each face belongs to, by the mean luma (ITU-R BT.601) of the part that the network sees.

    Args:
        benchmark: the faces.
        places: (M,) indices of the faces to divide.
        window: window of the network.
        cache: cache for boxes and lumas.

    Returns:
        (M,) names of `LIGHTS`.
    """
    boxes = find_faces(benchmark, cache=cache).seen_px(window)[places]
    lumas = np.empty(len(places))
    with progress("measuring light", total=len(places), unit="faces") as bar:
        for i, place in enumerate(places):
            lumas[i] = (crop_of(read_image(benchmark.images[place]), boxes[i], 32).mean(axis=(0, 1)) @ LUMA) / 255
            bar.advance()
    third = np.searchsorted(np.quantile(lumas, [1 / 3, 2 / 3]), lumas, side="right")
    return np.array(LIGHTS)[third]


def write(model: str | Path, out: Path, measured: dict[str, Any]) -> None:
    """Write a model's card, with the notice from its folder or the one above."""
    notices = [place / NOTICE_FILE for place in (out.resolve().parent, out.resolve().parent.parent)]
    notice = next((file.read_text() for file in notices if file.is_file()), None)
    name = model if isinstance(model, str) and "/" not in model else Path(model).resolve().name
    folder = find_model(model)
    has_onnx = (folder / ONNX_FILE).is_file()
    with written_whole(out) as partial:
        partial.write_text(
            model_card(
                str(name),
                read_card(folder),
                notice=notice,
                measured=measured,
                has_onnx=has_onnx,
                has_reader=(folder / READER_FILE).is_file(),
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="README.md to write")
    parser.add_argument("--results", type=Path, required=True, help="JSON file for the measurements")
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    command = f"python experiments/model_card.py {options.model} --data DATA --split {options.split} --out CARD "
    command += "--results JSON"
    measured = measure(options.model, options.data, split=options.split, cache=options.cache, command=command)
    with written_whole(options.results) as partial:
        partial.write_text(json.dumps(measured, indent=1) + "\n")
    write(options.model, options.out, measured)


if __name__ == "__main__":
    main()
