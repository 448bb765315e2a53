"""A network with two looks from two with one: the first is left the whole image, the second the close look.

Each keeps its half of the embedding's numbers (`shared_between_looks`); the decoder is the first one's. The result is
a model folder for `fabnet train --looks 2 --init OUT`, since the decoder has not met these two together.

Run: python experiments/stitch_looks.py small close --out stitched
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file

from fabnet.files.output import written_whole
from fabnet.models.find_model import find_model
from fabnet.models.looks import shared_between_looks
from fabnet.models.model_folder import WEIGHTS_FILE, write_card
from fabnet.objectives.model_io import load_objective


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whole", help="the network that sees the whole image")
    parser.add_argument("close", help="the network that looks closer")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    whole, card = load_objective(find_model(options.whole))
    close, _ = load_objective(find_model(options.close))
    weights, others = (shared_between_looks(each.state_dict()) for each in (whole, close))
    weights |= {name: value for name, value in others.items() if name.startswith("encoder.of_close.")}
    facts = {"whole": options.whole, "close": options.close}
    with written_whole(options.out) as partial:
        partial.mkdir()
        save_file({name: value.contiguous() for name, value in weights.items()}, partial / WEIGHTS_FILE)
        write_card(partial, replace(card, architecture=card.architecture | {"looks": 2}, training=facts))
    load_objective(options.out)


if __name__ == "__main__":
    main()
