"""How long the paper's schedule trains, simulated on a curve with the noise of a recorded run.

The curve is a power law through two validation losses of `small` on YouTube Faces (docs/experiments.md): 0.0514 after
403,000 pairs and 0.0497 after 1.77 million, above a floor of 0.046. With a tenth of the learning rate, the loss falls
a tenth as fast, and its noise from round to round is a tenth. With the curriculum, half of the pairs are learned from.
The curve on VoxCeleb+ is not known here; more tracks should make it fall for longer.

With a run, its own noise is used: the spread of its validation loss from round to round around a straight line. The
number of validation pairs then follows from `val_loss_noise` in its metrics.csv: twice this noise should stay below
what `min_gain` counts as an improvement, and the noise falls with the square root of the number.

Run: python experiments/paper_schedule.py [RUN] [--tracks 825000] [--curriculum]
"""

from __future__ import annotations

import argparse
import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fabnet.training.config import TrainConfig, preset
from fabnet.training.run_log import read_metrics
from fabnet.training.schedule import Schedule, steps_a_round
from fabnet.training.train import read_run

VOXCELEB_TRACKS = 825_000
"""Training tracks of VoxCeleb1 and 2 together: three quarters of 1.1 million."""
FLOOR, ABOVE_FLOOR, AT_PAIRS, EXPONENT = 0.046, 0.0054, 403_000, 0.256
NOISE = 0.00025
"""Standard deviation of the validation loss from round to round at the full learning rate, see docs/experiments.md."""
BATCH_SHARE = 0.5
"""Share of the pairs that are learned from with the curriculum."""


class Row(NamedTuple):
    """A validation round of a simulated run."""

    pairs: int
    """Pairs so far."""
    loss: float
    """Validation loss."""
    rate: float
    """Learning rate after the round."""
    shifts: int
    """Position of the curriculum's window after the round."""


def simulate(
    config: TrainConfig,
    num_tracks: int,
    *,
    noise: float = NOISE,
    seed: int = 0,
    limit: int = 10**9,
    learned: float = 0.0,
) -> list[Row]:
    """Rounds until the schedule ends the run, or until `limit` pairs.

    Args:
        config: a configuration with the schedule "plateau".
        num_tracks: number of training tracks.
        noise: standard deviation of the loss from round to round at the full learning rate.
        seed: seed of the noise.
        limit: upper bound of the pairs.
        learned: pairs at the full rate that the weights in `--init` were learned from.
    """
    random, schedule, rows = np.random.default_rng(seed), Schedule(config), list[Row]()
    round_pairs = steps_a_round(config, num_tracks) * config.batch_size
    while not schedule.is_done and len(rows) * round_pairs < limit:
        factor = schedule.learning_rate(0, None) / config.learning_rate
        learned += round_pairs * factor * (BATCH_SHARE if config.curriculum else 1)
        expected = FLOOR + ABOVE_FLOOR * (learned / AT_PAIRS) ** -EXPONENT
        loss = expected + noise * factor * random.normal()
        pairs = (len(rows) + 1) * round_pairs
        schedule.update(loss, pairs // config.batch_size)
        shifts = schedule.curriculum.shifts if schedule.curriculum else 0
        rows.append(Row(pairs, loss, schedule.learning_rate(0, None), shifts))
    return rows


def noise_of(run: Path) -> tuple[float, float, float]:
    """The recorded noise of a run.

    Returns:
        Standard deviation of the loss from round to round around a straight line; the mean standard error of its
        change that comes from the choice of the validation samples; the mean loss.
    """
    rows = [row for row in read_metrics(run) if "val_loss_noise" in row]
    if len(rows) < 3:
        raise SystemExit(f"{run} has {len(rows)} validation rounds with a noise; this needs 3 or more")
    losses = np.array([row["val_loss"] for row in rows])
    rounds = np.arange(len(losses))
    rest = losses - np.polyval(np.polyfit(rounds, losses, 1), rounds)
    sampling = np.sqrt(np.mean([row["val_loss_noise"] ** 2 for row in rows]))
    return float(rest.std(ddof=2)), float(sampling), float(losses.mean())


def pairs_needed(num_val_pairs: int, sampling: float, loss: float, min_gain: float) -> int:
    """Validation pairs with which twice the sampling noise is the smallest improvement that counts."""
    return math.ceil(num_val_pairs * (2 * sampling / (min_gain * loss)) ** 2)


def main() -> None:
    """Print the noise and the simulated ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--tracks", type=int, default=VOXCELEB_TRACKS)
    parser.add_argument("--curriculum", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    config, noise = preset("paper", curriculum=options.curriculum), NOISE
    if options.run is not None:
        noise, sampling, loss = noise_of(options.run)
        num_val_pairs = read_run(options.run)[0].num_val_pairs
        print(f"noise from round to round: {noise:.6f}, {noise / loss:.2%} of the loss")
        print(f"noise of the change from the choice of {num_val_pairs} pairs: {sampling:.6f}, {sampling / loss:.3%}")
        print(f"pairs for min_gain {config.min_gain}: {pairs_needed(num_val_pairs, sampling, loss, config.min_gain):,}")
    for seed in range(options.seeds):
        rows = simulate(config, options.tracks, noise=noise, seed=seed)
        marks = [
            f"{row.pairs / 1e6:.2f} ({row.loss:.5f})"
            for before, row in pairwise(rows)
            if (row.rate, row.shifts) != (before.rate, before.shifts)
        ]
        print(f"seed {seed}: ends after {rows[-1].pairs / 1e6:.2f} million pairs at {rows[-1].loss:.5f}; changes at")
        print("  " + ", ".join(marks))


if __name__ == "__main__":
    main()
