"""`read` of many short videos: one after the other, each on all cores, against as many at once as there are cores.

The first seconds of each clip are read, in rounds in which both run once. Prints time and processors' time, and how
busy the cores were.

Run: python benchmarks/short_videos.py CLIP... [--seconds 3] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av

import fabnet
from fabnet.runtime.cores import num_cores
from fabnet.runtime.threads import in_threads


def shortened(clip: Path, video: Path, seconds: float) -> Path:
    """Write the packets of a clip's first seconds."""
    with av.open(str(clip)) as container, av.open(str(video), "w") as out:
        source = container.streams.video[0]
        stream = out.add_stream_from_template(source)
        for packet in container.demux(source):
            if packet.pts is None or packet.time_base is None or packet.pts * packet.time_base >= seconds:
                continue
            packet.stream = stream
            out.mux(packet)
    return video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        videos = [
            shortened(clip, Path(folder) / f"{number}{clip.suffix}", options.seconds)
            for number, clip in enumerate(options.clips)
        ]

        def alone(video: Path) -> int:
            return len(fabnet.read(video, num_threads=1))

        ways: dict[str, Callable[[], int]] = {
            "one after the other": lambda: len(fabnet.read(videos)),
            "at once": lambda: sum(in_threads(alone, videos, workers=num_cores())),
        }
        fabnet.read(videos[0])  # everything is imported and loaded
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, read in ways.items():
                began_s, began_cpu_s = time.perf_counter(), time.process_time()
                rows = read()
                taken[name].append((time.perf_counter() - began_s, time.process_time() - began_cpu_s))
                print(
                    f"{name}: {rows} rows, {taken[name][-1][0]:.1f} s, {taken[name][-1][1]:.1f} s of processors' time"
                )
    for index, what in enumerate(("time", "processors' time")):
        ratios = [one[index] / other[index] for one, other in zip(*taken.values(), strict=True)]
        print(f"gain by {what}: {statistics.median(ratios):.2f} x [{min(ratios):.2f}, {max(ratios):.2f}]")
    busy = [cpu_s / time_s / num_cores() for time_s, cpu_s in taken["one after the other"]]
    print(f"cores busy, one after the other: {statistics.median(busy):.2f}")


if __name__ == "__main__":
    main()
