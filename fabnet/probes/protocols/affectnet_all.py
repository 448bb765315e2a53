"""AffectNet with its automatic half: see `affectnet`, whose test set it shares.

The half that a network labelled is added to the training faces. Both halves of the first release must be there.
"""

from __future__ import annotations

from pathlib import Path

from fabnet.probes.benchmark import Benchmark
from fabnet.probes.protocols import affectnet

__all__ = ["read"]


def read(data: Path) -> Benchmark:
    """Read the labels.

    Args:
        data: the folder of the first release, with both halves.

    Raises:
        InputError: a file is missing or malformed.
    """
    return affectnet.read(data, automatic=True)
