"""Speed and memory of ingest: `track` on videos and, with --frames, `import --crop detect` on pictures.

The yardstick, timed in the same rounds, is the plain encoder of benchmarks/reference.py on as many 256 px images as
frames are gone through.

Run: python benchmarks/ingest.py VIDEO|FOLDER [--fps 1] [--frames FOLDER] [--rounds 3] [--num-workers N]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Timing, interleaved, ratio

import fabnet
from fabnet.ingest.track import TrackReport

IMAGES = 64


class Peak:
    """The largest memory that any worker process of this one has had, where /proc tells; in MiB."""

    def __init__(self) -> None:
        self.mebibytes = 0.0

    @contextmanager
    def watching(self, every_s: float = 0.05) -> Iterator[None]:
        """Look now and then until the block ends."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(every_s):
                self._look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _look(self) -> None:
        for listed in Path("/proc/self/task").glob("*/children"):
            for process in listed.read_text().split():
                try:
                    # Before it has become another program, a process shows this one's memory.
                    is_worker = b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
                    status = Path(f"/proc/{process}/status").read_text() if is_worker else ""
                except OSError:  # it has ended
                    continue
                highest = re.search(r"VmHWM:\s+(\d+) kB", status)
                self.mebibytes = max(self.mebibytes, int(highest[1]) / 1024 if highest else 0.0)


def main() -> None:
    # Not above: worker processes import this file too, and shall not pay for torch.
    import torch
    from reference import PlainEncoder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--fps", type=float, default=1.0)
    parser.add_argument("--frames", type=Path, help="pictures as IDENTITY/VIDEO/frame, to import with --crop detect")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num-workers", type=int, default=None, help="processes (default: one a core)")
    options = parser.parse_args()
    peak, reports, imported = Peak(), list[TrackReport](), list[int]()
    encoder, images = PlainEncoder(256).eval(), torch.rand(IMAGES, 3, 256, 256)

    def track() -> None:
        with tempfile.TemporaryDirectory() as folder, peak.watching():
            store = Path(folder) / "store"
            reports.append(fabnet.track(options.videos, store, fps=options.fps, num_workers=options.num_workers))

    def import_frames() -> None:
        with tempfile.TemporaryDirectory() as folder:
            report = fabnet.import_folder(
                options.frames, Path(folder) / "store", layout="identity/video", crop="detect",
                num_workers=options.num_workers,
            )  # fmt: skip
            imported.append(report.store.rows)

    def encode() -> None:
        with torch.no_grad():
            encoder(images)

    work = {"track": track} | ({"import": import_frames} if options.frames else {}) | {"encoder": encode}
    timings = interleaved(work, rounds=options.rounds, warm_up=1)
    unit = scaled(timings["encoder"], IMAGES)

    report, timed = reports[0], timings["track"]
    print(f"{len(os.sched_getaffinity(0))} cores; medians and ranges of {options.rounds} rounds")
    print(f"track: {timed.rate(report.video_s)} x real time, {timed.rate(report.frames_decoded)} frames/s")
    print(f"  {report.store.tracks} tracks; {report.frames_with_face} of {report.frames_kept} kept frames have a face")
    print(f"  a frame takes {ratio(scaled(timed, report.frames_decoded), unit)} the plain encoder's time for an image")
    print(f"  {shares(reports[-options.rounds :])}; largest worker {peak.mebibytes:.0f} MiB")
    if imported:
        timed = timings["import"]
        print(f"import --crop detect: {timed.rate(imported[0])} frames/s")
        print(f"  a frame takes {ratio(scaled(timed, imported[0]), unit)} the plain encoder's time for an image")


def scaled(timing: Timing, count: int) -> Timing:
    """Seconds for one of the things of which a call does `count`."""
    return Timing(tuple(seconds / count for seconds in timing.seconds))


def shares(reports: list[TrackReport]) -> str:
    """Of all processes' time in the four steps: the median and the range over the rounds."""
    spent = [sum(report.seconds.values()) for report in reports]
    parts = []
    for step in reports[0].seconds:
        each = [100 * report.seconds[step] / whole for report, whole in zip(reports, spent, strict=True)]
        parts.append(f"{step} {statistics.median(each):.0f} % [{min(each):.0f}, {max(each):.0f}]")
    return ", ".join(parts)


if __name__ == "__main__":
    main()
