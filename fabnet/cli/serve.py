"""`fabnet serve`."""

from __future__ import annotations

from pathlib import Path

import tyro

from fabnet.cli.flags import Flags
from fabnet.runtime.terminal import say
from fabnet.serving.options import ServeOptions
from fabnet.serving.serve import ServeResult, serve

__all__ = ["run", "show"]


def run(data: tyro.conf.Positional[Path], options: Flags[ServeOptions]) -> ServeResult:
    """Show an embeddings dataset in the browser, until Ctrl-C.

    A gallery; the faces of other people nearest to one that is clicked, or to a photo that is dropped; filters by
    attributes and by what probes predicted (fabnet embed --attributes, --probe); a map; videos over time; what the
    model's decoders make of chosen faces. Programs can read, embed and search by the same addresses (docs/rest.md;
    /api/v1/openapi.json). It asks nothing of other sites. It listens to this machine only, unless --host says
    otherwise; requests then need a token.

    Examples:
      fabnet serve faces.lance
      fabnet serve faces.lance --store tracks.lance --port 8080
      curl --data-binary @photo.jpg http://127.0.0.1:8000/api/v1/read

    Args:
        data: The embeddings dataset, made by fabnet embed with thumbnails.
        options: How.
    """
    return serve(data, options)


def show(result: ServeResult) -> None:
    """Print what was served."""
    say(f"served {result.data} at {result.url}")
