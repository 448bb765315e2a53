"""Builds all files of an encoder that ships: weights, ONNX, probes, and the table of docs/attributes.md.

The probes are fitted on training people, on the encoder as it ships; the better of two kinds is chosen on validation
people, whose scores are saved with the probes. No test people are read. DATA holds the folders of `FOLDERS`.

Run: python experiments/ship_encoder.py RUN --data DATA --name small --fact data="YouTube Faces, 197 training people"
Then, for the model card: python experiments/model_card.py small --data DATA --out fabnet/weights/small/README.md \
--results docs/results/model_card.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from baselines import FOLDERS

import fabnet.weights
from fabnet.encoders.digest import model_digest
from fabnet.encoders.export import ship
from fabnet.encoders.load_encoder import load
from fabnet.encoders.saved_probe import SavedProbe, save_probes
from fabnet.errors import FabnetError, ModelError
from fabnet.faces.window import Window
from fabnet.files.output import written_whole
from fabnet.files.places import cache_folder
from fabnet.models.model_folder import PROBES_FILE
from fabnet.probes.cache import Cache
from fabnet.probes.faces import find_faces
from fabnet.probes.features import embed_faces
from fabnet.probes.keep import best_probe
from fabnet.probes.protocols.registry import read_benchmark

TASKS = {
    "youtube-faces": ("landmarks68", "pose", "mouth", "eyes"),
    "mtfl": ("landmarks5", "smile"),
    "ferplus": ("expression",),
    "ckplus": ("units",),
}
MAX_BYTES = 40e6
DOCUMENT = Path(__file__).parent.parent / "docs" / "attributes.md"
BEGIN, END = "<!-- scores: written by experiments/ship_encoder.py -->\n", "<!-- end of scores -->\n"


def fitted_probes(model: Path, data: Path, cache: Cache) -> list[SavedProbe]:
    """The probes of every task."""
    encoder, digest = load(model), model_digest(model)
    probes = []
    for protocol, tasks in TASKS.items():
        benchmark = read_benchmark(protocol, data / FOLDERS[protocol])
        crops = find_faces(benchmark, cache=cache)
        features = embed_faces(encoder, benchmark, crops, digest=digest, cache=cache)
        seen_px = crops.seen_px(Window(*encoder.card.window))
        for task in benchmark.tasks:
            if task.name in tasks:
                print(f"fitting {task.name} on {protocol}", flush=True)
                probes.append(best_probe(task, features, benchmark, seen_px, digest))
    return probes


def scores_table(probes: list[SavedProbe]) -> str:
    """The figures on validation people as Markdown, a row per probe, the headline first."""
    titles = ("attribute", "fitted on", "probe", "validated on", "figure, with its 95 % interval", "beside it")
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for probe in probes:
        headline, *others = sorted(probe.scores, key=lambda row: not row["headline"])
        if len(probe.columns) == 1:
            others = [row for row in others if row["value"] != headline["value"]]
        on = f"{headline['n']:,} faces" + (f" of {headline['people']} people" if headline["people"] else "")
        beside = "; ".join(map(_words, others))
        cells = (f"`{probe.task}`", probe.source, headline["probe"], on, _words(headline), beside)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _words(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return f"{row['metric']}: not measured"
    return "{metric}: {value:.3g} [{low:.3g}, {high:.3g}]".format(**row)


def write_table(probes: list[SavedProbe]) -> None:
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    with written_whole(DOCUMENT) as partial:
        partial.write_text(before + BEGIN + scores_table(probes) + END + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a run, a checkpoint, or the name of a shipped model to rebuild")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the resulting model")
    parser.add_argument("--out", type=Path, help="parent folder of the model folder; default: fabnet/weights")
    parser.add_argument("--fact", action="append", default=[], metavar="NAME=TEXT", help="fact about the training")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    options = parser.parse_args()
    folder = (options.out or Path(fabnet.weights.__file__).parent) / options.name
    facts = dict(fact.split("=", 1) for fact in options.fact)
    try:
        with written_whole(folder) as partial:
            difference = ship(options.checkpoint, partial, **facts)
            probes = fitted_probes(partial, options.data, Cache(options.cache))
            save_probes(probes, partial / PROBES_FILE)
            size = sum(file.stat().st_size for file in partial.iterdir())
            if size > MAX_BYTES:
                raise ModelError(f"the model's files take {size / 1e6:.1f} MB; {MAX_BYTES / 1e6:g} may ship")
        if options.out is None:
            write_table(probes)
    except FabnetError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    print(f"{folder}: {size / 1e6:.1f} MB; ONNX differs from torch by at most {difference:.1e}\n")
    print(scores_table(probes))


if __name__ == "__main__":
    main()
