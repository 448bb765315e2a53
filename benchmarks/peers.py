"""Speed of `read` on videos, beside decoding alone and beside MediaPipe's face mesh, in the same rounds.

Every frame of the videos is gone through, on all cores:

- decoding: PyAV in a process a core, without any conversion; and with conversion to RGB pictures.
- read: `fabnet.read`, as it comes; and in a process a core with a thread each.
- MediaPipe: its face mesh for video in a process a core, with decoding by OpenCV, if the Python of an environment that
  has `mediapipe` and `opencv` is given.

Processes are started, and models loaded, before time is taken; a video goes to the process that is free.

Run: python benchmarks/peers.py VIDEO|FOLDER... [--model close] [--mediapipe-python PATH] [--rounds 5] [--json FILE]
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from measure import Timing, interleaved, ratio

import fabnet
from fabnet.reading.inputs import list_inputs
from fabnet.runtime.cores import num_cores
from fabnet.video.decode import decode_frames

MESH = """
import os, sys
os.environ["GLOG_minloglevel"] = "3"
import cv2, mediapipe
mesh = mediapipe.solutions.face_mesh
print(mediapipe.__version__, flush=True)
for line in sys.stdin:
    frames = found = 0
    video = cv2.VideoCapture(line.rstrip("\\n"))
    with mesh.FaceMesh(static_image_mode=False, max_num_faces=1) as faces:
        while True:
            is_good, image = video.read()
            if not is_good:
                break
            frames += 1
            found += faces.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks is not None
    print(frames, found, flush=True)
"""


class Mesh:
    """MediaPipe's face mesh in processes of another Python.

    Args:
        python: that Python.
        count: number of processes.
    """

    def __init__(self, python: Path, count: int) -> None:
        self._free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self.processes = [
            subprocess.Popen(
                [python, "-c", MESH],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(count)
        ]
        for process in self.processes:
            assert process.stdout is not None
            self.version = process.stdout.readline().strip()
            self._free.put(process)
        if not self.version:
            raise SystemExit(f"{python} cannot import mediapipe and cv2")

    def __call__(self, videos: list[Path]) -> tuple[int, int]:
        """Go through videos: the number of frames, and of those with a face."""
        with ThreadPoolExecutor(len(self.processes)) as threads:
            frames, found = zip(*threads.map(self._video, videos), strict=True)
        return sum(frames), sum(found)

    def _video(self, video: Path) -> tuple[int, int]:
        process = self._free.get()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{video.absolute()}\n")
        process.stdin.flush()
        frames, found = process.stdout.readline().split()
        self._free.put(process)
        return int(frames), int(found)

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.communicate()


def decoded(video: Path, *, converts: bool) -> int:
    """Decode a video in this process, on one thread."""
    count = 0
    for frame in decode_frames(video):
        if converts:
            frame.image()
        count += 1
    return count


def read_alone(video: Path, *, model: str) -> int:
    """Read a video in this process, with one thread beside the one that decodes."""
    return len(fabnet.read(video, model=model, num_threads=1))


def prepared() -> None:
    """What a worker process does first."""
    import cv2

    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--model", default="close")
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
    mesh = Mesh(options.mediapipe_python, cores) if options.mediapipe_python else None
    counts: dict[str, tuple[int, int]] = {}

    with multiprocessing.get_context("spawn").Pool(cores, prepared) as pool:

        def over(name: str, function: partial[int]) -> None:
            counts[name] = sum(pool.imap_unordered(function, videos)), 0

        def read() -> None:
            table = fabnet.read(videos, model=options.model)
            counts["read"] = len(table), len(table) - table["score"].null_count

        def meshed() -> None:
            assert mesh is not None
            counts["mediapipe"] = mesh(videos)

        work: dict[str, Callable[[], object]] = {
            "decode": partial(over, "decode", partial(decoded, converts=False)),
            "decode to RGB": partial(over, "decode to RGB", partial(decoded, converts=True)),
            "read": read,
            "read, a process a core": partial(over, "read, a process a core", partial(read_alone, model=options.model)),
        }
        if mesh:
            work["mediapipe"] = meshed
        timings = interleaved(work, rounds=options.rounds, warm_up=1, at_least_s=0)
    if mesh:
        mesh.close()

    frames = counts["decode"][0]
    print(f"{options.model}, {cores} cores, {frames} frames, {options.rounds} rounds: median [range]")
    for name, timing in timings.items():
        line = f"{name}: {timing.rate(frames)} frames/s"
        if name != "decode":
            line += f"; {ratio(timings['decode'], timing)} decoding"
        if name.startswith("read"):
            line += f", {ratio(timings['decode to RGB'], timing)} decoding to RGB"
            line += f", {ratio(timings['mediapipe'], timing)} MediaPipe" if mesh else ""
        if counts[name][1]:
            line += f"; a face on {counts[name][1]} of {counts[name][0]}"
        print(line)
    for name, reason in missing.items():
        print(f"{name}: {reason}")
    if options.json:
        said = {
            "model": options.model, "videos": len(videos), "frames": frames, "cores": cores, "rounds": options.rounds,
            "mediapipe": mesh.version if mesh else None, "missing": missing,
            "frames_per_s": {name: spread([frames / each for each in timing.seconds])
                             for name, timing in timings.items()},
            "of_decode": {name: spread(shares(timings["decode"], timing)) for name, timing in timings.items()},
            "of_mediapipe": {name: spread(shares(timings["mediapipe"], timing))
                             for name, timing in timings.items()} if mesh else None,
        }  # fmt: skip
        options.json.write_text(json.dumps(said, indent=1))


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


def shares(one: Timing, other: Timing) -> list[float]:
    """The speed of the other over that of the one, in each round."""
    return [a / b for a, b in zip(one.seconds, other.seconds, strict=True)]


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


if __name__ == "__main__":
    main()
