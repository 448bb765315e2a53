"""The page of `fabnet export --browser` in Chromium: its frames a second, and how near its numbers are to read's.

Run: python benchmarks/browser.py onnxruntime-web-VERSION.tgz [--seconds 20]

The camera shows the clip that ships, enlarged to 640 x 480, at 30 frames a second. The photos are every tenth frame.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import fabnet
from fabnet.demonstration import demo_clip
from fabnet.models.model_folder import INT8_FILE
from fabnet.video.decode import read_frames
from fabnet.weights import shipped_models
from tests.browser.conftest import served, write_png
from tests.browser.test_in_chromium import camera, differences, opened, read_photo, shown

EVERY = 10
WARM_UP_S = 5.0
ANGLES = ("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg")


def pace(address: str, flags: list[str], profile: Path, seconds: float) -> dict[str, float]:
    """Frames a second of the camera, and milliseconds to read and draw one."""
    with opened(address, profile, *flags) as page:
        page.click("#camera")
        time.sleep(WARM_UP_S)
        before, began, taken = shown(page)["frames"], time.monotonic(), []
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            taken.append(shown(page)["ms"])
        rate = (shown(page)["frames"] - before) / (time.monotonic() - began)
        return {
            "frames_per_s": round(rate, 1),
            "median_ms": round(float(np.median(taken)), 1),
            "longest_ms": max(taken),
        }


def nearness(address: str, model: str | Path, frames: list[np.ndarray], scratch: Path) -> dict[str, float]:
    """The largest differences between the page and `read` over photos."""
    largest: dict[str, float] = {}
    with opened(address, scratch / "profile") as page:
        for number in range(0, len(frames), EVERY):
            file = write_png(frames[number], scratch / f"{number}.png")
            (expected,) = fabnet.read(file, model=model).to_pylist()
            apart = differences(read_photo(page, file), expected)
            found = {
                "points_px": apart["landmarks68_px"],
                "angles_deg": max(apart[name] for name in ANGLES),
                "half_widths_deg": max(apart[f"{name}_pm"] for name in ANGLES),
                "probabilities": max(apart[name] for name in apart if name.startswith(("AU", "smile", "expression"))),
            }
            largest = {name: round(max(value, largest.get(name, 0)), 3) for name, value in found.items()}
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    frames = [frame.image for frame in read_frames(demo_clip())]
    wide = [cv2.copyMakeBorder(cv2.resize(each, (480, 480)), 0, 0, 80, 80, cv2.BORDER_REPLICATE) for each in frames]
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        shutil.copytree(shipped_models()["close"], scratch / "exact")
        (scratch / "exact" / INT8_FILE).unlink()
        flags = camera(wide, scratch / "clip.mjpeg")
        models: dict[str, str | Path] = {"int8": "close", "float32": scratch / "exact"}
        for name, model in models.items():
            fabnet.export_page(model, scratch / name / "page", runtime=options.package)
            with served(scratch / name) as (address, _):
                (scratch / name / "photos").mkdir()
                found = pace(f"{address}page/", flags, scratch / name / "camera", options.seconds)
                found |= nearness(f"{address}page/", model, frames, scratch / name / "photos")
            print(json.dumps({"encoder": name} | found), flush=True)


if __name__ == "__main__":
    main()
