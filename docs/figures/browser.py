"""Takes browser.png: a frame of the clip that ships on the page of `fabnet export --browser`, in a headless Chromium.

Run: python docs/figures/browser.py onnxruntime-web-VERSION.tgz
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

import cv2

import fabnet
from fabnet.demonstration import demo_clip
from fabnet.video.decode import read_frames
from tests.browser.conftest import served, write_png
from tests.browser.test_in_chromium import opened, read_photo

FRAME = 95


def main(package: str) -> None:
    """Take the picture."""
    frame = [frame.image for frame in read_frames(demo_clip())][FRAME]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fabnet.export_page("base", folder / "site" / "page", runtime=package)
        with served(folder / "site") as (address, _), opened(f"{address}page/", folder / "profile") as page:
            page.resize(1280, 920)
            large = cv2.resize(frame, (640, 640), interpolation=cv2.INTER_CUBIC)
            read_photo(page, write_png(large, folder / "smiling.png"))
            page.run("new Promise((done) => setTimeout(done, 500))")
            page.picture(Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main(sys.argv[1])
