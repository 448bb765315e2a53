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
from tests.serving.browser import Browser

EVERY = 10
WARM_UP_S = 5.0
ANGLES = ("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg")


SEARCH = """(async () => {
  const { load } = await import(new URL("load.js", document.baseURI).href), { detector } = await load();
  for (let time = 0; time < TIMES; time++) {
    await detector.KIND({ width: WIDTH, height: HEIGHT, data: new Uint8ClampedArray(4 * WIDTH * HEIGHT).fill(120) });
  }
})()"""
SEARCHES = {"frame": (640, 480, 10), "photo": (4000, 3000, 2)}


def busy_ms(page: Browser) -> float:
    """Processor time of the page's thread, which other programs hardly change."""
    metrics = page.call("Performance.getMetrics")["metrics"]
    return 1000 * float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def pace(address: str, flags: list[str], profile: Path, seconds: float) -> dict[str, float]:
    """Frames a second of the camera; processor time of the page for a frame, and for a search that finds nothing."""
    with opened(address, profile, *flags) as page:
        page.call("Performance.enable", timeDomain="threadTicks")
        page.click("#camera")
        time.sleep(WARM_UP_S)
        before, busy, began = shown(page)["frames"], busy_ms(page), time.monotonic()
        time.sleep(seconds)
        count, spent, taken = shown(page)["frames"] - before, busy_ms(page) - busy, time.monotonic() - began
        page.click("#camera")
        made = {"frames_per_s": round(count / taken, 1), "frame_ms": round(spent / count, 1)}
        for kind, (width, height, times) in SEARCHES.items():
            script = SEARCH.replace("KIND", kind).replace("WIDTH", str(width)).replace("HEIGHT", str(height))
            page.run(script.replace("TIMES", "1"))
            busy = busy_ms(page)
            page.run(script.replace("TIMES", "1"))
            once = busy_ms(page) - busy
            page.run(script.replace("TIMES", str(times + 1)))
            made[f"search_{kind}_ms"] = round((busy_ms(page) - busy - 2 * once) / times, 1)
        return made


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
        shutil.copytree(shipped_models()["base"], scratch / "exact")
        (scratch / "exact" / INT8_FILE).unlink()
        flags = camera(wide, scratch / "clip.mjpeg")
        models: dict[str, str | Path] = {"int8": "base", "float32": scratch / "exact"}
        for name, model in models.items():
            fabnet.export_page(model, scratch / name / "page", runtime=options.package)
            with served(scratch / name) as (address, _):
                (scratch / name / "photos").mkdir()
                found = pace(f"{address}page/", flags, scratch / name / "camera", options.seconds)
                found |= nearness(f"{address}page/", model, frames, scratch / name / "photos")
            print(json.dumps({"encoder": name} | found), flush=True)


if __name__ == "__main__":
    main()
