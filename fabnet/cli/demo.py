"""`fabnet demo`."""

from __future__ import annotations

from pathlib import Path

from fabnet.demonstration import DemoResult, demo
from fabnet.runtime.terminal import say

__all__ = ["run", "show"]


def run(out: Path = Path("fabnet-demo"), minutes: float = 1.5) -> DemoResult:
    """Run the whole chain on a real clip that ships with fabnet; no network is needed.

    A clip of a man who turns his head and smiles becomes face-tracks, an encoder is trained on them without labels,
    every frame is embedded, and a page shows all of it. It takes some two minutes on two cores.

    Examples:
      fabnet demo
      fabnet demo --out /tmp/demo --minutes 3

    Args:
        out: folder for everything; what an earlier demo left there is replaced.
        minutes: how long to train.
    """
    return demo(out, minutes=minutes)


def show(result: DemoResult) -> None:
    """Print where to look."""
    say(f"done in {result.seconds:.0f} s. Open the report: {result.page}")
