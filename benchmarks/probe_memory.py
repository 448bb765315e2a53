"""The memory that a probe takes in its fit on a made matrix of features, memory-mapped, as a share of the matrix.

Each probe is fitted in a process of its own. What counts is the memory that the system cannot take back (RssAnon).
Pages of the mapped file are counted separately, because they leave when others need the room. The paper's probe runs
one epoch.

Run (Linux): python benchmarks/probe_memory.py [--rows 200000] [--features 4096] [--work DIR]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fabnet.probes.linear import LinearProbe, LogisticProbe, RidgeProbe, SoftmaxProbe
from fabnet.probes.tasks.losses import SquaredError

ROWS_AT_ONCE = 5000
SAMPLE_S = 0.01


def make(file: Path, num_rows: int, num_features: int) -> None:
    """Write the matrix as float32; the first ten columns decide the labels."""
    random = np.random.default_rng(0)
    made = np.lib.format.open_memmap(file, "w+", np.float32, (num_rows, num_features))
    for first in range(0, num_rows, ROWS_AT_ONCE):
        part = made[first : first + ROWS_AT_ONCE]
        part[:] = random.standard_normal(part.shape, np.float32)
    made.flush()


def fits(features: np.ndarray) -> dict[str, Callable[[], object]]:
    """The fit of each probe."""
    values = np.asarray(features[:, :10], np.float64)
    classes, units = (values.argmax(axis=1) % 8)[:, None].astype(float), (values[:, :2] > 0).astype(float)
    return {
        "paper": lambda: LinearProbe(SquaredError(), epochs=1).fit(features, values),
        "ridge": lambda: RidgeProbe(0.01).fit(features, values),
        "classes": lambda: SoftmaxProbe(8).fit(features, classes),
        "units": lambda: LogisticProbe().fit(features, units),
    }


def memory() -> tuple[int, int]:
    """Bytes of anonymous memory and of mapped files."""
    status = Path("/proc/self/status").read_text()
    return tuple(1024 * int(re.search(rf"{name}:\s*(\d+) kB", status)[1]) for name in ("RssAnon", "RssFile"))  # type: ignore[return-value,index]


def measured(file: Path, name: str) -> dict[str, float]:
    """Fit one probe, and follow the memory meanwhile."""
    features = np.load(file, mmap_mode="r")
    fit = fits(features)[name]
    before, peak = memory(), [0, 0]
    is_done = threading.Event()

    def follow() -> None:
        while not is_done.wait(SAMPLE_S):
            peak[:] = [max(former, now) for former, now in zip(peak, memory(), strict=True)]

    thread = threading.Thread(target=follow)
    thread.start()
    began = time.perf_counter()
    fit()
    seconds = time.perf_counter() - began
    is_done.set()
    thread.join()
    own, mapped = (most - start for most, start in zip(peak, before, strict=True))
    return {"own_mb": own / 1e6, "own_share": own / features.nbytes, "mapped_mb": mapped / 1e6, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--probes", nargs="+", default=["paper", "ridge", "classes", "units"])
    parser.add_argument("--work", type=Path)
    parser.add_argument("--measure", help="measure this probe on the matrix in --work, print JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.work / "features.npy", options.measure)))
        return
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        make(Path(folder) / "features.npy", options.rows, options.features)
        size = 4e-6 * options.rows * options.features
        print(f"{options.rows:,} x {options.features:,} float32, {size:,.0f} MB")
        for name in options.probes:
            command = [sys.executable, __file__, "--work", folder, "--measure", name]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            print(
                f"{name}: {found['own_mb']:,.0f} MB of its own ({found['own_share']:.2f} x the features), "
                f"{found['mapped_mb']:,.0f} MB mapped, {found['seconds']:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
