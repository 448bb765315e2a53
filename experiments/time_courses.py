"""How far blinks, smoothing and synchrony of `fabnet courses` can be trusted, on real clips.

Blinks and smoothed curves are compared with MediaPipe's reference curves, on clips of training people. Synchrony is
measured between people who never met, where there is none.

Run: python experiments/time_courses.py DATA (with talking_clips, more_clips and splits_clips.csv)
"""

from __future__ import annotations

import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
from tables import read_table

import fabnet
from fabnet.over_time.episodes import blinks, episodes

REFERENCE_DROP = 0.4
"""Share of its median by which the reference's eye opening falls in a blink."""
MATCHED_S = 0.15
CURVES = {"mouth_opening": "mouth_opening", "pose_yaw_deg": "yaw_deg", "pose_pitch_deg": "pitch_deg"}
LONG_ENOUGH_S = 14.0


def references(data: Path) -> dict[str, dict[str, np.ndarray]]:
    """The reference curves of each clip, by name."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for folder in ("talking_clips", "more_clips"):
        for row in read_table(data / folder / "reference_curves.csv"):
            rows[row["clip"]].append(row)
    names = ("time_s", "eyes_opening", *CURVES.values())
    return {clip: {name: np.array([float(row[name]) for row in own]) for name in names} for clip, own in rows.items()}


def clips(data: Path, split: str | None) -> list[Path]:
    """The clips with reference curves of the people of a split; None: of all."""
    known = references(data)
    clips = read_table(data / "splits_clips.csv")
    rows = [row for row in clips if row["item"] in known and split in (None, row["split"])]
    return [data / row["set"] / row["item"] for row in rows]


def column(table: pa.Table, name: str) -> np.ndarray:
    """A column as float64."""
    return np.asarray(table.column(name).to_numpy(), np.float64)


def reference_blinks(times: np.ndarray, eyes: np.ndarray) -> list[float]:
    """The middles of the blinks of a reference curve."""
    around = np.array([np.median(eyes[np.abs(times - time) <= 1.0]) for time in times])
    found = episodes(times, around - eyes > REFERENCE_DROP * np.median(eyes), max_gap=np.inf)
    return [(each.start + each.end) / 2 for each in found if each.end - each.start <= 0.5]


def matched(found: list[float], expected: list[float]) -> int:
    """How many of the found blinks are expected ones."""
    left = list(expected)
    for each in found:
        near = [other for other in left if abs(other - each) <= MATCHED_S]
        if near:
            left.remove(min(near, key=lambda other: abs(other - each)))
    return len(expected) - len(left)


def main(data: Path) -> None:
    """Print the figures."""
    known = references(data)
    tables = {file.name: fabnet.read(file, people="video") for file in clips(data, "train")}
    hits, found_all, expected_all = 0, 0, 0
    before: dict[str, list[float]] = defaultdict(list)
    after: dict[str, list[float]] = defaultdict(list)
    for clip, table in tables.items():
        times, eyes = column(table, "time_s"), column(table, "eyes_opening")
        expected = reference_blinks(times, np.interp(times, known[clip]["time_s"], known[clip]["eyes_opening"]))
        found = [(each.start + each.end) / 2 for each in blinks(times, eyes, float(np.nanmedian(eyes))) or ()]
        hits += matched(found, expected)
        found_all += len(found)
        expected_all += len(expected)
        courses = fabnet.courses(table)
        for name, other in CURVES.items():
            reference = np.interp(times, known[clip]["time_s"], known[clip][other])
            for kept, made in ((before, table), (after, courses)):
                values = column(made, name)
                fine = np.isfinite(values)
                kept[name].append(abs(np.corrcoef(values[fine], reference[fine])[0, 1]))
    print(f"blinks: {expected_all} in the reference, {found_all} found, {hits} of them in the reference")
    for name in CURVES:
        print(
            f"{name}: median correlation {np.median(before[name]):.3f} as read, {np.median(after[name]):.3f} smoothed"
        )
    longer = [fabnet.read(file, people="video") for file in clips(data, None)]
    longer = [fabnet.courses(table) for table in longer if column(table, "time_s")[-1] >= LONG_ENOUGH_S]
    windows, levels, sizes = [], [], []
    for one, other in combinations(longer, 2):
        pair = [table.column("person")[0].as_py() for table in (one, other)]
        if pair[0][:3] == pair[1][:3]:
            continue  # two clips of one person
        both = pa.concat_tables([table.replace_schema_metadata(None) for table in (one, other)])
        for quantity in (*CURVES, "smile", "AU12", "eyes_opening"):
            made = fabnet.synchrony(both, *pair, quantity=quantity, span=3.0, step=1.5, max_lag=1.0)
            windows += [each for each in made.column("is_above_chance").to_pylist() if each is not None]
            levels.append(float(made.schema.metadata[b"fabnet.synchrony.p"]))
            sizes.append(float(made.schema.metadata[b"fabnet.synchrony.mean_r"]))
    small, half = (np.mean(np.array(levels) <= level) for level in (0.2, 0.5))
    print(f"strangers: {len(levels)} comparisons, mean size of r {np.mean(sizes):.2f}")
    print(f"{np.mean(windows):.3f} of windows above chance; p <= 0.2 in {small:.2f}, p <= 0.5 in {half:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
