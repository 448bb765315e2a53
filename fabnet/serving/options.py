"""The options of `serve`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fabnet.errors import InputError
from fabnet.options import Options

__all__ = ["ServeOptions"]


@dataclass(frozen=True, kw_only=True)
class ServeOptions(Options):
    """The options of `serve`."""

    port: int = 8000
    """Port to listen on; 0 for any free one."""
    host: str = "127.0.0.1"
    """Address to listen on, or a name of it. 0.0.0.0 is every address of this machine, and its own names. If other
    machines can reach it, requests need a token: that of the environment variable FABNET_TOKEN, or a new one, which is
    printed."""
    rate: float = 20.0
    """Costly requests (photos, searches, maps, comparisons) per second from one address, on average."""
    store: Path | None = None
    """The track store that was embedded, for larger pictures and sharper comparisons."""
    model: str | Path | None = None
    """The model that made the embeddings; by default the one that the dataset names."""
    device: str = "auto"
    """For models that run on torch: auto, cpu, cuda or cuda:N."""

    def check(self) -> None:
        """Check the port and the rate."""
        if not 0.01 <= self.rate <= 1e6:
            raise InputError(f"rate must be 0.01 to 1,000,000 requests a second; got {self.rate}")
        if not 0 <= self.port <= 65535:
            raise InputError(f"there is no port {self.port}; expected 1 to 65535, or 0 for any free port")
