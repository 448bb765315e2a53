"""Penalties of the face reader's maps, by cross-validation over four folds of training people. Nobody held out is read.

Run: python experiments/reader/choose.py MODEL --data DATA --work WORK --looks OUT
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import sums as sums_of
from certainty import SETS as SPREAD_SETS
from faces import SETS, read_faces
from fit import numbers_target
from linear import Waves, auc
from smile import said, smile_target
from sums import NEAR, WEIGHTS, Looked, Sums

from fabnet.encoders.load_encoder import load

NUMBERS = ((1e-2, 0.1), (1e-2, 0.0), (1e-2, 1.0), (1e-2, 5.0), (1e-3, 0.1), (3e-3, 1.0), (1e-3, 1.0), (1e-3, 3.0),
           (2e-3, 6.0))  # fmt: skip
SMILES = ((1e-2, 0.1), (1e-3, 0.1), (1e-3, 1.0), (3e-2, 0.1))
"""Penalty on the weights, and on the changes."""
LONG_ENOUGH = 40
"""Frames of a clip in which curves are compared."""


def choose_numbers(sets: dict[str, Looked], sums: Sums) -> None:
    """Correlation inside clips, median over clips; errors of pitch and yaw of each set, also by a map without it."""
    clips = sets["clips"]
    names = clips.faces.labels["clip"]
    looks = sums_of.FITS["numbers"][0]
    for penalty, steady in NUMBERS:
        sums_of.FITS["numbers"] = (looks, penalty, steady)
        given, truth = sums.unseen("numbers", clips, NEAR), numbers_target(clips, NEAR)
        places = [np.flatnonzero((names == name) & clips.faces.is_train) for name in np.unique(names)]
        agreement = [
            [np.corrcoef(given[place, column], truth[place, column])[0, 1] for column in range(6)]
            for place in places if len(place) >= LONG_ENOUGH
        ]  # fmt: skip
        errors = {}
        for name in SPREAD_SETS:
            own = sets[name]
            train = own.faces.is_train
            outside = sums.fit("numbers", without=name).with_waves(own.x[train, NEAR], sums.waves)
            for kind, made in (("", sums.unseen("numbers", own, NEAR)[train]), (", without it", outside)):
                errors[name + kind] = np.abs(made - numbers_target(own, NEAR)[train]).mean(axis=0)[1:3]
        print(f"numbers: penalty {penalty:g}, steady {steady:g}: roll, pitch, yaw, mouth, width, eyes inside clips",
              np.median(agreement, axis=0).round(3), "pitch, yaw:",
              {name: each.round(2).tolist() for name, each in errors.items()}, flush=True)  # fmt: skip


def choose_smile(sets: dict[str, Looked], sums: Sums) -> None:
    """AUC against people's labels."""
    looks = sums_of.FITS["smile"][0]
    for penalty, steady in SMILES:
        sums_of.FITS["smile"] = (looks, penalty, steady)
        found = {}
        for name in ("mtfl", "ferplus", "cmu_faces"):
            own = sets[name]
            use = own.faces.is_train & (said(own) != 0)
            found[name] = round(auc(said(own)[use] > 0, sums.unseen("smile", own, NEAR)[use, 0]), 3)
        print(f"smile: penalty {penalty:g}, steady {steady:g}: AUC", found, flush=True)


def main() -> None:
    """Try all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--looks", type=Path, required=True)
    options = parser.parse_args()
    side = load(options.model).card.window[2]
    sets = {name: Looked(read_faces(name, options.data, options.work, side), options.looks) for name in SETS}
    waves = Waves.like(np.concatenate([sets[name].x[sets[name].faces.is_train][:, 0] for name in WEIGHTS]))
    sums = Sums(sets, waves, {"numbers": numbers_target, "smile": smile_target(sets)})
    choose_numbers(sets, sums)
    choose_smile(sets, sums)


if __name__ == "__main__":
    main()
