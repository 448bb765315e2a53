"""Penalties of the face reader's maps, by cross-validation over four folds of training people. Nobody held out is read.

Run: python experiments/reader/choose.py MODEL --data DATA --work WORK --looks OUT
"""

from __future__ import annotations

import numpy as np
import sums as sums_of
from certainty import SETS as SPREAD_SETS
from faces import arguments
from fit import numbers_target
from linear import auc
from smile import said, smile_target
from sums import NEAR, Looked, Sums, read_looks, waves_like

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
    options = arguments(__doc__, "looks")
    side = load(options.model).card.window[2]
    sets = read_looks(options.data, options.work, options.looks, side)
    waves = waves_like(sets)
    sums = Sums(sets, waves, {"numbers": numbers_target, "smile": smile_target(sets)})
    choose_numbers(sets, sums)
    choose_smile(sets, sums)


if __name__ == "__main__":
    main()
