"""Takes serve.png: a video over time on the page of `fabnet serve`, in a headless Chromium.

Run: fabnet embed fabnet/clips/smiling.mp4 --attributes --out man.lance && python docs/figures/serve.py man.lance
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.serving.browser import Browser, chromium
from tests.serving.conftest import serving

FRAME = 111


def main(dataset: str) -> None:
    """Take the picture."""
    program = chromium()
    assert program is not None, "no Chromium or Chrome is installed"
    with TemporaryDirectory() as profile, serving(dataset) as (url, _), Browser(program, Path(profile)) as page:
        page.resize(1280, 760)
        page.open(f"{url}/#timeline/{FRAME}")
        page.until("document.querySelectorAll('#timeline .uplot').length > 1")
        page.until("!document.querySelector('#panel').hidden")
        page.click("#panel .close")
        page.until("[...document.images].every((image) => image.complete)")
        page.run("new Promise((done) => setTimeout(done, 1000))")
        page.picture(Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main(sys.argv[1])
