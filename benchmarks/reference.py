"""A fixed piece of work: speeds are told as ratios against it, as machines differ and one machine's speed wavers.

Run: python benchmarks/reference.py
"""

from __future__ import annotations

import statistics
import time

import cv2
import numpy as np

__all__ = ["reference_s"]


def reference_s(*, repeats: int = 5) -> float:
    """Seconds that a fixed mix of matrix products and JPEG coding takes: the median of some repeats."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((1024, 1024)).astype(np.float32)
    image = cv2.GaussianBlur(rng.integers(0, 256, (512, 512, 3), dtype=np.uint8), (0, 0), 2)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(20):
            matrix @ matrix
            _, data = cv2.imencode(".jpg", image)
            cv2.imdecode(data, cv2.IMREAD_COLOR)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    print(f"reference: {reference_s():.3f} s")
