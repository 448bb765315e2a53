"""A long run: does memory grow, do files stay open? First `track` over clips repeatedly, then `serve` under load.

`track` runs as one process that tracks the clips into a new store each round; `serve` answers a steady number of
requests per second. RSS (of the process and of its children) and open files are read every few seconds; a line is
fitted to the samples after the first quarter, when caches are full. Writes soak.json and soak.png.

Run: python experiments/soak.py CLIPS --minutes 60 --out OUT
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from serve import Client

import fabnet
from fabnet.files.output import written_whole
from fabnet.retrieval.gallery import Gallery
from fabnet.runtime.progress import progress

EVERY_S = 3.0
REQUESTS_PER_S = 10.0
WARM_UP = 0.25
"""Share of the time that is excluded from the fitted line."""
TRACKING = """
import contextlib, shutil, sys
import fabnet
clips, out = sys.argv[1:3]
if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            shutil.rmtree(out, ignore_errors=True)
            fabnet.track(clips, out, fps=2.0)
            print("round", flush=True)
"""
Sample = dict[str, float]
"""Keys: `at_s` since the start, `rss_mib` and `open_files` of a process and its children, `own_rss_mib` of itself."""


def family(pid: int) -> list[int]:
    """A process and its children."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [pid, *map(int, listed.stdout.split())]


def measured(pid: int, at_s: float) -> Sample:
    rss, files = [], 0
    for each in family(pid):
        try:
            status = Path(f"/proc/{each}/status").read_text()
            files += len(list(Path(f"/proc/{each}/fd").iterdir()))
            rss.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
        except (OSError, IndexError):  # it has ended in the meantime
            continue
    return {"at_s": round(at_s, 1), "rss_mib": sum(rss), "own_rss_mib": rss[0], "open_files": float(files)}


def watched(what: str, process: subprocess.Popen[str], minutes: float, work: Callable[[float], int]) -> dict[str, Any]:
    """Sample a process for some minutes.

    Args:
        what: name of the process.
        process: the process.
        minutes: duration.
        work: called with the seconds until the next sample; returns how much was done.

    Returns:
        The samples, and slopes per hour with their standard errors.
    """
    began, samples, done = time.monotonic(), list[Sample](), 0
    with progress(f"soaking {what}", total=60 * minutes, unit="s") as bar:
        while (at_s := time.monotonic() - began) < 60 * minutes:
            assert process.poll() is None, f"{what} ended with exit code {process.returncode}"
            samples.append(measured(process.pid, at_s))
            done += work(EVERY_S)
            bar.update(completed=at_s, note=f"{samples[-1]['rss_mib']:.0f} MiB, {samples[-1]['open_files']:.0f} files")
    process.terminate()
    process.wait(30)
    result: dict[str, Any] = {"what": what, "minutes": minutes, "done": done, "samples": samples}
    for name in ("own_rss_mib", "rss_mib", "open_files"):
        result[f"{name}_per_hour"] = slope(samples, name)
        result[f"{name}_max"] = round(max(sample[name] for sample in samples), 1)
    return result


def slope(samples: list[Sample], name: str) -> tuple[float, float]:
    """Growth per hour after the warm-up, by least squares, and its standard error (neighbouring samples correlate)."""
    late = samples[int(WARM_UP * len(samples)) :]
    hours = np.array([sample["at_s"] for sample in late]) / 3600
    values = np.array([sample[name] for sample in late])
    (growth, level), spread = np.polyfit(hours, values, 1), hours.std() * len(hours) ** 0.5
    return round(float(growth), 2), round(float((values - growth * hours - level).std() / max(spread, 1e-9)), 2)


def soak_track(clips: Path, place: Path, minutes: float) -> dict[str, Any]:
    script, rounds = place / "tracking.py", place / "rounds.txt"
    script.write_text(TRACKING)
    with rounds.open("w") as lines:
        process = subprocess.Popen(
            [sys.executable, str(script), str(clips), str(place / "again.lance")], stdout=lines, text=True
        )

        def wait(seconds: float) -> int:
            time.sleep(seconds)
            return 0

        result = watched("track", process, minutes, wait)
    return result | {"done": len(rounds.read_text().splitlines())}


def soak_serve(clips: Path, place: Path, minutes: float) -> dict[str, Any]:
    faces = place / "faces.lance"
    fabnet.track(clips, place / "store.lance", fps=2.0)
    fabnet.embed([place / "store.lance"], faces)
    rows = Gallery(faces).num_rows
    command = [
        sys.executable,
        "-m",
        "fabnet",
        "serve",
        str(faces),
        "--store",
        str(place / "store.lance"),
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    client = Client(process.stderr.readline().split()[1].removeprefix("http://"))
    chance = random.Random(0)

    def work(seconds: float) -> int:
        ends, answered = time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            row = chance.randrange(rows)
            of_row = [f"/api/v1/faces/{row}/{what}" for what in ("thumbnail", "crop", "nearest")]
            status, _ = client.ask(chance.choice([*of_row, f"/api/v1/faces?start={row}", "/"]))
            assert status == 200, status
            answered += 1
            time.sleep(1 / REQUESTS_PER_S)
        return answered

    return watched("serve", process, minutes, work)


def plot(results: list[dict[str, Any]], file: Path) -> None:
    """Draw RSS and open files over time, a column per command."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(results), figsize=(5 * len(results), 5), sharex="col", squeeze=False)
    for column, result in enumerate(results):
        minutes = [sample["at_s"] / 60 for sample in result["samples"]]
        for name, label in (("rss_mib", "with its children"), ("own_rss_mib", "the process")):
            axes[0][column].plot(minutes, [sample[name] for sample in result["samples"]], label=label)
        axes[1][column].plot(minutes, [sample["open_files"] for sample in result["samples"]])
        growth, error = result["own_rss_mib_per_hour"]
        axes[0][column].set_title(f"{result['what']}: {growth:+.1f} ± {error:.1f} MiB per hour")
        axes[0][column].set_ylabel("RSS, MiB")
        axes[0][column].set_ylim(0, 1.1 * result["rss_mib_max"])
        axes[0][column].legend(loc="lower right")
        axes[1][column].set_ylabel("open files")
        axes[1][column].set_ylim(0, 1.1 * result["open_files_max"])
        axes[1][column].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="a folder of videos")
    parser.add_argument("--minutes", type=float, default=60, help="minutes for each of the two")
    parser.add_argument("--out", type=Path, required=True, help="folder for soak.json and soak.png")
    options = parser.parse_args()
    place = options.out / "work"
    place.mkdir(parents=True, exist_ok=True)
    results = [soak(options.clips, place, options.minutes) for soak in (soak_track, soak_serve)]
    shutil.rmtree(place)
    with written_whole(options.out / "soak.json") as partial:
        partial.write_text(json.dumps(results) + "\n")
    plot(results, options.out / "soak.png")
    print("| | minutes | done | RSS of the process, MiB per hour | largest, MiB | open files per hour | most |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        (rss, rss_error), (files, files_error) = result["own_rss_mib_per_hour"], result["open_files_per_hour"]
        print(
            f"| {result['what']} | {result['minutes']:g} | {result['done']:,} | {rss:+.1f} ± {rss_error:.1f} | "
            f"{result['own_rss_mib_max']:.0f} | {files:+.1f} ± {files_error:.1f} | {result['open_files_max']:.0f} |"
        )


if __name__ == "__main__":
    main()
