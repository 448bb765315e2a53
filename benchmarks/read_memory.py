"""Memory of `read` over a long video: a clip is repeated, without encoding it again, and read to a Parquet file.

Prints the resident memory of this process at the start, and the largest in every tenth of the time.

Run: python benchmarks/read_memory.py CLIP [--minutes 60]
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import av

import fabnet
from fabnet.runtime.memory import resident_bytes

EVERY_S = 0.2


def repeated(clip: Path, video: Path, seconds: float) -> None:
    """Write a clip's packets over and over until the video is long enough."""
    with av.open(str(clip)) as container, av.open(str(video), "w") as out:
        source = container.streams.video[0]
        base = source.time_base or Fraction(1, 25)
        stream = out.add_stream_from_template(source)
        frame = round(1 / (source.average_rate or Fraction(25)) / base)
        offset = 0
        while offset * base < seconds:
            container.seek(0)
            end = offset
            for packet in container.demux(source):
                if packet.dts is None or packet.pts is None:
                    continue
                packet.pts, packet.dts, packet.time_base = packet.pts + offset, packet.dts + offset, base
                end = max(end, packet.pts + frame)
                packet.stream = stream
                out.mux(packet)
            offset = end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "long.mp4"
        # In another process: what the writer leaves behind would be counted.
        writer = multiprocessing.get_context("spawn").Process(
            target=repeated, args=(options.clip, video, 60 * options.minutes)
        )
        writer.start()
        writer.join()
        fabnet.read(options.clip)  # everything is imported and loaded
        start, is_over = resident_bytes(), threading.Event()
        seen: list[tuple[float, int]] = []

        def watch() -> None:
            while not is_over.wait(EVERY_S):
                seen.append((time.monotonic(), resident_bytes()))

        thread = threading.Thread(target=watch)
        began = time.monotonic()
        thread.start()
        try:
            result = fabnet.read_to(video, Path(folder) / "long.parquet")
        finally:
            is_over.set()
            thread.join()
        seconds = time.monotonic() - began
    parts: list[list[int]] = [[] for _ in range(10)]
    for now, size in seen:
        parts[min(int(10 * (now - began) / seconds), 9)].append(size)
    largest = ", ".join(f"{max(part, default=0) / 2**20:.0f}" for part in parts)
    print(f"{options.minutes:g} minutes of video, {result.rows} rows, read in {seconds:.0f} s")
    print(f"resident memory, MiB: {start / 2**20:.0f} at the start; largest in every tenth of the time: {largest}")


if __name__ == "__main__":
    main()
