"""Draws time-courses.png: what `fabnet courses` makes of a clip.

Run: fabnet read d9.mp4 --out d9.parquet && python docs/figures/time_courses.py d9.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as parquet

import fabnet
from fabnet.over_time.tiers import events

PANELS = {"pose_yaw_deg": "yaw, degrees", "mouth_opening": "mouth", "smile": "smile", "eyes_opening": "eyes"}
INK, PALE, MARK = "#1f4e79", "#b5b5b5", "#e4572e"


def main(file: str) -> None:
    """Draw the curves of a table of readings."""
    read = parquet.read_table(file)
    courses = fabnet.courses(read, baseline="person")
    times = np.asarray(read.column("time_s").to_numpy())
    found = events(courses, max_gap=0.25)
    figure, axes = plt.subplots(len(PANELS), 1, sharex=True, figsize=(9, 7.2), layout="constrained")
    for axis, (name, title) in zip(axes, PANELS.items(), strict=True):
        raw, smooth = (np.asarray(table.column(name).to_numpy()) for table in (read, courses))
        if f"{name}_pm" in read.schema.names:
            width = np.asarray(read.column(f"{name}_pm").to_numpy())
            axis.fill_between(times, raw - width, raw + width, color=PALE, alpha=0.35, lw=0, label="half-width (90 %)")
        axis.plot(times, raw, color=PALE, lw=1, label="as read")
        axis.plot(times, smooth, color=INK, lw=1.4, label="course")
        usual = float(np.nanmedian(smooth))
        axis.axhline(usual, color=INK, lw=0.8, ls=":", label="baseline")
        tier = {"smile": "smile", "eyes_opening": "blink"}.get(name)
        for place, event in enumerate([each for each in found if each.tier == tier]):
            axis.axvspan(event.start, event.end, color=MARK, alpha=0.25, lw=0, label=tier if place == 0 else None)
        axis.set_ylabel(title)
        axis.legend(loc="upper right", fontsize=7, ncols=5, frameon=False)
        low, high = axis.get_ylim()
        axis.set_ylim(low, high + 0.2 * (high - low))
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(times[0], times[-1])
    figure.savefig(Path(__file__).with_name("time-courses.png"), dpi=110)


if __name__ == "__main__":
    main(sys.argv[1])
