"""Builds the files of an encoder that ships: its weights in half precision, and ONNX.

Run: python experiments/ship_encoder.py RUN --name small --fact data="YouTube Faces, 197 training people"
Then, for `small`, its face reader: experiments/reader/fit.py. Then the model card: python experiments/model_card.py \
small --data DATA --out fabnet/weights/small/README.md --results docs/results/model_card.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fabnet.weights
from fabnet.encoders.export import ship
from fabnet.errors import FabnetError, ModelError
from fabnet.files.output import written_whole

MAX_BYTES = 40e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a run, a checkpoint, or the name of a shipped model to rebuild")
    parser.add_argument("--name", required=True, help="name of the resulting model")
    parser.add_argument("--out", type=Path, help="parent folder of the model folder; default: fabnet/weights")
    parser.add_argument("--fact", action="append", default=[], metavar="NAME=TEXT", help="fact about the training")
    options = parser.parse_args()
    folder = (options.out or Path(fabnet.weights.__file__).parent) / options.name
    facts = dict(fact.split("=", 1) for fact in options.fact)
    try:
        with written_whole(folder) as partial:
            difference = ship(options.checkpoint, partial, **facts)
            size = sum(file.stat().st_size for file in partial.iterdir())
            if size > MAX_BYTES:
                raise ModelError(f"the model's files take {size / 1e6:.1f} MB; {MAX_BYTES / 1e6:g} may ship")
    except FabnetError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    print(f"{folder}: {size / 1e6:.1f} MB; ONNX differs from torch by at most {difference:.1e}\n")


if __name__ == "__main__":
    main()
