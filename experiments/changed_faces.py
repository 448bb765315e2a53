"""How readings of faces change when their pictures are made grey, noisy, blurred, dark, or saved with loss.

Frames of val people, whose unchanged readings are the reference; a change counts where the changed face is in range.

Run: python experiments/changed_faces.py --data DATA --out changed_faces.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from lying_faces import youtube_faces

import fabnet
from fabnet.video.decode import read_frames

CLIPS = ("talking_clips/d3", "talking_clips/d6", "talking_clips/d9", "talking_clips/d13", "more_clips/m03")
FRAMES_A_CLIP, STILLS, SEED = 5, 25, 0
POSE = ("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg")
FAR_DEG, FAR = 15.0, 0.2
SEPIA = np.array([[0.393, 0.349, 0.272], [0.769, 0.686, 0.534], [0.189, 0.168, 0.131]])

Change = Callable[[np.ndarray], np.ndarray]


def in_bytes(image: np.ndarray) -> np.ndarray:
    """An image of any numbers as uint8."""
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def noisy(image: np.ndarray, levels: float, light: float = 1.0) -> np.ndarray:
    """The image with less light, and noise of this standard deviation."""
    return in_bytes(image * light + np.random.default_rng(SEED).normal(0, levels, image.shape))


def saved(image: np.ndarray, quality: int) -> np.ndarray:
    """The image after a JPEG of this quality."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def moved(image: np.ndarray, px: int) -> np.ndarray:
    """The image as a camera that moves sideways by so many pixels takes it."""
    return np.asarray(cv2.blur(image, (px, 1)))


def grey(image: np.ndarray) -> np.ndarray:
    """The image without colour."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


CHANGES: dict[str, Change] = {
    "grey": grey,
    "sepia": lambda image: in_bytes(image @ SEPIA),
    "JPEG, quality 20": partial(saved, quality=20),
    "JPEG, quality 5": partial(saved, quality=5),
    "noise of 15 levels": partial(noisy, levels=15),
    "noise of 30 levels": partial(noisy, levels=30),
    "light x 0.3, noise of 3": partial(noisy, levels=3, light=0.3),
    "120 levels brighter": lambda image: in_bytes(image + 120.0),
    "blur of 4 px": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 4)),
    "motion of 11 px": partial(moved, px=11),
    "motion of 21 px": partial(moved, px=21),
}


def read(images: list[np.ndarray]) -> list[dict[str, Any]]:
    """The row of each image."""
    with TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            cv2.imwrite(f"{folder}/{number:04}.png", image[:, :, ::-1])
        return [dict(row) for row in fabnet.read(folder).to_pylist()]


def figures_of(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, float]:
    """How far readings in range differ from those of the same faces before."""
    apart = []
    for one, other in zip(before, after, strict=True):
        if not other["in_range"]:
            continue
        wrong = np.array([abs((other[name] - one[name] + 180) % 360 - 180) for name in POSE])
        points = [np.reshape(row["landmarks68_px"], (68, 2)) for row in (one, other)]
        eyes = np.linalg.norm(points[0][36] - points[0][45])
        off = float(np.linalg.norm(points[0] - points[1], axis=1).mean() / eyes)
        inside = bool((wrong <= [other[f"{name}_pm"] for name in POSE]).all())
        apart.append((wrong[0], inside, off, bool(wrong.max() > FAR_DEG or off > FAR)))
    names = ("yaw, mean in degrees", "all angles inside", "points, share of the eyes' distance", "far off")
    means = np.mean(apart, axis=0) if apart else np.full(len(names), np.nan)
    return {"found": sum(row["box_px"] is not None for row in after), "in range": len(apart)} | {
        name: round(float(mean), 4) for name, mean in zip(names, means, strict=True)
    }


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for place in ("data", "out"):
        parser.add_argument(f"--{place}", type=Path, required=True)
    options = parser.parse_args()
    images = [each.image for each in youtube_faces(options.data, ("val",), STILLS, np.random.default_rng(SEED))]
    for clip in CLIPS:
        frames = [frame.image for frame in read_frames(options.data / f"{clip}.mp4")]
        images += [frames[index] for index in np.linspace(0, len(frames) - 1, FRAMES_A_CLIP).astype(int)]
    rows = read(images)
    kept = [index for index, row in enumerate(rows) if row["in_range"]]
    images, rows = [images[index] for index in kept], [rows[index] for index in kept]
    figures: dict[str, Any] = {"faces": len(rows)}
    for name, change in CHANGES.items():
        figures[name] = figures_of(rows, read([change(image) for image in images]))
        print(name, json.dumps(figures[name]), flush=True)
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
