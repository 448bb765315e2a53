"""`fabnet demo`: the whole chain on a real clip from an installed package."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fabnet.errors import InputError
from fabnet.files.links import check_links
from fabnet.files.output import output_errors
from fabnet.runtime.terminal import say

__all__ = ["DemoResult", "demo", "demo_clip"]

MARKER = ".fabnet-demo"
PARTS = ("tracks.lance", "run", "embeddings.lance")


@dataclass(frozen=True)
class DemoResult:
    """The outputs of the demo."""

    page: str
    """Path of the report."""
    store: str
    """Path of the track store."""
    run: str
    """Path of the run."""
    embeddings: str
    """Path of the embeddings of the clip's faces."""
    val_loss: float | None
    """Mean absolute difference on held-out moments of the clip."""
    val_loss_unwarped: float | None
    """The same difference for the unwarped sources."""
    seconds: float
    """Duration of the demo."""

    def to_json(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def demo_clip() -> Path:
    """The clip that ships with fabnet: four seconds of a man who turns his head and smiles."""
    return Path(__file__).parent / "clips" / "smiling.mp4"


def _clear(out: Path) -> None:
    """Make the folder, and remove the outputs of an earlier demo."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file()):
        raise InputError(f"{out} was not made by a demo; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    check_links(out, "a folder of the demo", only=(MARKER, *PARTS))
    (out / MARKER).write_text(f"made by fabnet demo; the next demo here replaces {', '.join(PARTS)}\n")
    for part in PARTS:
        if (out / part).exists():
            shutil.rmtree(out / part)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: more speed up so small a network very little, and slow it down on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _say(text: str) -> None:
    say(text, to_stderr=True)


def demo(out: str | Path = "fabnet-demo", *, minutes: float = 1.5) -> DemoResult:
    """Run the whole chain: a clip to face-tracks, an encoder trained on them, embeddings, a report.

    Validation is on other moments of the clip, since it shows one man only.

    Args:
        out: folder for everything; what an earlier demo made there is replaced, anything else there stays.
        minutes: to train.

    Returns:
        Where everything is.

    Raises:
        InputError: `out` was not made by a demo.
        MissingDependencyError: the packages for training are not installed.
    """
    from fabnet.ingest.track import track
    from fabnet.reading.embed import embed
    from fabnet.reporting.report import report
    from fabnet.training.train import train

    began = time.monotonic()
    clip, out = demo_clip(), Path(out)
    with output_errors(out):
        _clear(out)

    _say(f"1/4  tracking the face in {clip.name} (every frame of four seconds)")
    track([clip], out / "tracks.lance", fps=None, splits="moments", num_workers=0)
    _say(f"2/4  training without labels for {minutes:g} minutes; validation is on other moments, not other people")
    with _one_thread():
        # For ninety frames and 1.5 minutes: half the width and small batches allow more steps, and only without jitter
        # do a few hundred steps beat the unwarped source.
        result = train(
            out / "tracks.lance", out / "run", preset="small", max_minutes=minutes, width=16, batch_size=16,
            warmup_steps=20, jitter_scale_min=1.0, jitter_shift=0.0, flip=False, validate_every=100, num_val_pairs=64,
            num_workers=0,
        )  # fmt: skip
    _say("3/4  embedding every frame of the clip")
    embed([clip], out / "embeddings.lance", model=out / "run")
    _say("4/4  drawing the report")
    page = report(out / "run", video=clip).page
    return DemoResult(
        page=str(page.resolve()),
        store=str(out / "tracks.lance"),
        run=str(out / "run"),
        embeddings=str(out / "embeddings.lance"),
        val_loss=result.val_loss,
        val_loss_unwarped=result.val_loss_unwarped,
        seconds=round(time.monotonic() - began, 1),
    )
