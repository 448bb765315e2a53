"""Speed of `read` on videos, beside decoding alone and beside MediaPipe's face mesh, in the same rounds.

Every frame of the videos is gone through, on all cores:

- decoding: PyAV in a process a core, without any conversion; and with conversion to RGB pictures.
- read: `fabnet.read`, as it comes; and in a process a core with a thread each.
- MediaPipe: its face mesh for video in a process a core, with decoding by OpenCV, if the Python of an environment that
  has `mediapipe` and `opencv` is given.

Beside the frames per second, the processors' time per frame is given, which other work on the machine changes less.
Processes are started, and models loaded, before time is taken; a video goes to the process that is free.

Run: python benchmarks/peers.py VIDEO|FOLDER... [--model base] [--mediapipe-python PATH] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from measure import Timing, interleaved, ratio

import fabnet
from fabnet.reading.inputs import list_inputs
from fabnet.runtime.cores import num_cores
from fabnet.video.decode import decode_frames

HERE = Path(__file__).parent


class Spent(NamedTuple):
    """What a call did.

    Attributes:
        frames: number of frames gone through.
        cpu_s: processors' time.
        found: number of frames with a face, if faces were looked for.
    """

    frames: int
    cpu_s: float
    found: int = 0

    @classmethod
    def sum_of(cls, parts: Iterable[Spent]) -> Spent:
        """Of several processes."""
        frames, cpu_s, found = zip(*parts, strict=True)
        return cls(sum(frames), sum(cpu_s), sum(found))


class Peer:
    """Another tool, in processes of a Python that has it.

    Args:
        python: that Python.
        script: the worker; see `peer_mediapipe.py`.
        count: number of processes.
    """

    def __init__(self, python: Path, script: Path, count: int) -> None:
        self._free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._processes = [
            subprocess.Popen(
                [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            for _ in range(count)
        ]
        for process in self._processes:
            assert process.stdout is not None
            self.version = process.stdout.readline().strip()
            self._free.put(process)
        if not self.version:
            raise SystemExit(f"{python} cannot run {script}: a package is missing")

    def __call__(self, videos: list[Path]) -> Spent:
        """Go through videos."""
        return Spent.sum_of(Spent(**each) for each in self.answers("video", videos))

    def answers(self, kind: str, files: list[Path]) -> list[Any]:
        """What the workers say of files of a kind, `video` or `picture`."""
        with ThreadPoolExecutor(len(self._processes)) as threads:
            return list(threads.map(partial(self._answer, kind), files))

    def _answer(self, kind: str, file: Path) -> Any:
        process = self._free.get()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{kind} {file.absolute()}\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        self._free.put(process)
        return answer

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.communicate()


def decoded(video: Path, *, converts: bool) -> Spent:
    """Decode a video in this process, on one thread."""
    count, began = 0, time.process_time()
    for frame in decode_frames(video):
        if converts:
            frame.image()
        count += 1
    return Spent(count, time.process_time() - began)


def read(videos: Path | list[Path], *, model: str, num_threads: int | None = None) -> Spent:
    """Read videos in this process, with this many threads beside the one that decodes; None: one per core."""
    began = time.process_time()
    table = fabnet.read(videos, model=model, num_threads=num_threads)
    return Spent(len(table), time.process_time() - began, len(table) - table.column("box_px").null_count)


def prepared() -> None:
    """What a worker process does first."""
    import cv2

    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--model", default="base")
    parser.add_argument("--mediapipe-python", type=Path, help="Python of an environment with mediapipe and opencv")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    # The largest first, so that no process is left with a long one at the end.
    videos = sorted(
        (each.path for each in list_inputs(options.videos).found if each.kind == "video"),
        key=lambda path: -path.stat().st_size,
    )
    cores, missing = num_cores(), absent(options.mediapipe_python)
    mesh = Peer(options.mediapipe_python, HERE / "peer_mediapipe.py", cores) if options.mediapipe_python else None
    spent: dict[str, list[Spent]] = {}

    with multiprocessing.get_context("spawn").Pool(cores, prepared) as pool:

        def noted(name: str, call: Callable[[], Spent]) -> None:
            spent.setdefault(name, []).append(call())

        calls: dict[str, Callable[[], Spent]] = {
            "decode": partial(spread_out, pool, videos, partial(decoded, converts=False)),
            "decode to RGB": partial(spread_out, pool, videos, partial(decoded, converts=True)),
            "read": partial(read, videos, model=options.model),
            "read, a process a core": partial(
                spread_out, pool, videos, partial(read, model=options.model, num_threads=1)
            ),
        }
        if mesh:
            calls["mediapipe"] = partial(mesh, videos)
        work = {name: partial(noted, name, call) for name, call in calls.items()}
        timings = interleaved(work, rounds=options.rounds, warm_up=1, at_least_s=0)
    if mesh:
        mesh.close()

    frames = spent["decode"][0].frames
    cpu = {name: Timing(tuple(each.cpu_s for each in took[-options.rounds :])) for name, took in spent.items()}
    print(f"{options.model}, {cores} cores, {frames} frames, {options.rounds} rounds: median [range]")
    for kind, unit, figures in (("time", "frames/s", timings), ("processors' time", "frames/s and core", cpu)):
        print(f"by {kind}:")
        for name, timing in figures.items():
            line = f"  {name}: {timing.rate(frames)} {unit}"
            if name != "decode":
                line += f"; {ratio(figures['decode'], timing)} decoding"
            if name.startswith("read"):
                line += f", {ratio(figures['decode to RGB'], timing)} decoding to RGB"
                line += f", {ratio(figures['mediapipe'], timing)} MediaPipe" if mesh else ""
            print(line)
    for name, reason in missing.items():
        print(f"{name}: {reason}")
    if options.json:
        said = {
            "model": options.model, "videos": len(videos), "frames": frames, "cores": cores, "rounds": options.rounds,
            "mediapipe": mesh.version if mesh else None, "missing": missing,
            "time": compared(timings, frames), "processor_time": compared(cpu, frames),
        }  # fmt: skip
        options.json.write_text(json.dumps(said, indent=1))


def spread_out(pool: Pool, videos: list[Path], function: Callable[[Path], Spent]) -> Spent:
    """Call a function on each video in the processes of a pool."""
    return Spent.sum_of(pool.imap_unordered(function, videos))


def absent(mediapipe_python: Path | None) -> dict[str, str]:
    """The peers that are not measured, each with the reason."""
    why = {}
    if mediapipe_python is None:
        why["MediaPipe"] = "not measured: --mediapipe-python was not given"
    has_feat = importlib.util.find_spec("feat") is not None
    why["py-feat"] = f"not measured: {'this script does not run it' if has_feat else 'not installed'}"
    has_openface = shutil.which("FeatureExtraction") is not None
    said = "this script does not run it" if has_openface else "no program FeatureExtraction"
    why["OpenFace"] = f"not measured: {said}"
    return why


def compared(figures: dict[str, Timing], frames: int) -> dict[str, dict[str, dict[str, float]]]:
    """Frames per second of each, and their ratios to those of decoding and of MediaPipe: median and range."""
    made: dict[str, dict[str, dict[str, float]]] = {}
    for name, timing in figures.items():
        made[name] = {"frames_per_s": spread([frames / each for each in timing.seconds])}
        for other in ("decode", "decode to RGB", "mediapipe"):
            if other in figures:
                pairs = zip(figures[other].seconds, timing.seconds, strict=True)
                made[name][f"of {other}"] = spread([theirs / ours for theirs, ours in pairs])
    return made


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


if __name__ == "__main__":
    main()
