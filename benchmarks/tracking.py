"""Speed and memory of tracking a folder of videos.

Run: python benchmarks/tracking.py VIDEO|FOLDER [--num-workers N]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

from reference import reference_s

import fabnet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--num-workers", type=int, default=None)
    options = parser.parse_args()
    before = reference_s()
    with tempfile.TemporaryDirectory() as folder:
        report = fabnet.track([options.videos], Path(folder) / "tracks.lance", num_workers=options.num_workers)
    unit = (before + reference_s()) / 2
    spent = sum(report.seconds.values())
    shares = ", ".join(f"{name} {seconds / spent:.0%}" for name, seconds in report.seconds.items())
    frames_per_s, times = report.frames_decoded / report.wall_s, report.video_s / report.wall_s
    print(f"{frames_per_s:.0f} frames/s, {times:.1f} x real time; {shares}")
    print(f"1,000 frames take {1000 * report.wall_s / report.frames_decoded / unit:.1f} x the reference ({unit:.3f} s)")
    print(f"largest process: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
