"""The package Lance, which is imported when the first Lance dataset is touched.

It is large, slow to import, and has no wheels for Macs with an Intel processor.
"""

from __future__ import annotations

from typing import Any

from fabnet.errors import MissingDependencyError

__all__ = ["lance_package"]


def lance_package() -> Any:
    """The module `lance`.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import lance
    except ImportError:
        raise MissingDependencyError(
            "stores of face-tracks and Lance datasets need the package pylance: pip install pylance. Where there is "
            "none (Macs with an Intel processor), read and embed take photos and videos, with an --out that ends in "
            ".csv or .parquet"
        ) from None
    return lance
