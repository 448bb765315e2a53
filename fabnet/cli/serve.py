"""`fabnet serve`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.runtime.terminal import say
from fabnet.serving.serve import ServeResult, serve

__all__ = ["run", "show"]


def run(
    data: tyro.conf.Positional[Path],
    port: int = 8000,
    host: str = "127.0.0.1",
    store: Path | None = None,
    model: str | None = None,
    device: str = "auto",
) -> ServeResult:
    """Show an embeddings dataset in the browser, until Ctrl-C.

    A gallery; the faces of other people nearest to one that is clicked, or to a photo that is dropped; filters by what
    probes predicted (fabnet embed --attributes or --probe); a map; videos over time; what the model's decoders make of
    chosen faces. It asks nothing of other sites. It listens to this machine only, unless --host says otherwise.

    Examples:
      fabnet serve faces.lance
      fabnet serve faces.lance --store tracks.lance --port 8080

    Args:
        data: the embeddings dataset, made by fabnet embed with thumbnails.
        port: to listen on; 0 for any free one.
        host: the address to listen on, or a name of it; anyone who reaches it by that sees the faces. 0.0.0.0 is every
            address of this machine, and its own names.
        store: the track store that was embedded, for larger pictures and sharper comparisons.
        model: the model that made the embeddings; by default the one that the dataset names.
        device: for models that run on torch: auto, cpu, cuda or cuda:N.
    """
    return serve(data, port=port, host=host, store=store, model=model, device=device)


def show(result: ServeResult) -> None:
    """Print what was served."""
    say(f"served {result.data} at {result.url}")
