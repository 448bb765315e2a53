"""Draws pose.png: what roll, pitch and yaw are, on a drawn head that `fabnet.faces.pose` turns.

Run: python docs/figures/pose.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from fabnet.faces.pose import rotation_matrix

HALF_SIZES = np.array([0.78, 1.0, 0.85])  # of the head: across, up, deep
ANGLES_DEG = {"roll": 25, "pitch": 25, "yaw": 40}
INK, PALE, AXES = "#222222", "#b5b5b5", {"x": "#e4572e", "y": "#1b7f79", "z": "#3d5a98"}
MEANING = {
    ("roll", 1): "anticlockwise",
    ("roll", -1): "clockwise",
    ("pitch", 1): "chin up",
    ("pitch", -1): "chin down",
    ("yaw", 1): "to the image's left",
    ("yaw", -1): "to the image's right",
}


def on_face(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, 3) points of the head's front, x right, y up, z out of the face."""
    z = HALF_SIZES[2] * np.sqrt(np.clip(1 - (x / HALF_SIZES[0]) ** 2 - (y / HALF_SIZES[1]) ** 2, 0, None))
    return np.stack([x, y, z], axis=1)


def features() -> list[np.ndarray]:
    """Lines of eyes, brows, nose and mouth."""
    turn = np.linspace(0, 2 * np.pi, 40)
    lines = []
    for side in (-1, 1):
        lines.append(on_face(side * 0.3 + 0.13 * np.cos(turn), 0.2 + 0.06 * np.sin(turn)))
        across = np.linspace(-0.16, 0.16, 12)
        lines.append(on_face(side * 0.3 + across, 0.38 - 1.5 * across**2))
    across = np.linspace(-0.24, 0.24, 16)
    lines.append(on_face(across, -0.48 + 1.2 * across**2))
    bridge, left, right = on_face(np.array([0, -0.12, 0.12]), np.array([0.18, -0.2, -0.2]))
    tip = np.array([0, -0.16, HALF_SIZES[2] + 0.22])
    lines += [np.stack([bridge, tip]), np.stack([left, tip, right])]
    return lines


def grid() -> list[np.ndarray]:
    """Circles of the head, about each axis."""
    turn = np.linspace(0, 2 * np.pi, 181)
    circle, flat = np.stack([np.cos(turn), np.sin(turn)]), np.zeros_like(turn)
    return [
        HALF_SIZES * np.stack(places, axis=1)
        for places in ([flat, *circle], [circle[0], flat, circle[1]], [*circle, flat])
    ]


def draw(axes: Axes, angles_deg: dict[str, float], title: str) -> None:
    rotation = rotation_matrix(np.radians([angles_deg.get(name, 0) for name in ("roll", "pitch", "yaw")]))
    # an ellipsoid seen from afar is an ellipse: its outline is the image of a circle
    spread = np.linalg.cholesky((rotation * HALF_SIZES**2 @ rotation.T)[:2, :2])
    turn = np.linspace(0, 2 * np.pi, 181)
    axes.fill(*(spread @ [np.cos(turn), np.sin(turn)]), facecolor="#f6f1ea", edgecolor=INK, lw=1.5)
    for line, colour, width in [(line, PALE, 0.8) for line in grid()] + [(line, INK, 1.6) for line in features()]:
        normals = line / HALF_SIZES**2 @ rotation.T
        seen = np.where(normals[:, 2:] > -1e-9, line @ rotation.T, np.nan)
        axes.plot(seen[:, 0], seen[:, 1], color=colour, lw=width, solid_capstyle="round")
    for name, direction in zip("xyz", np.eye(3), strict=True):
        start, end = rotation @ (direction * HALF_SIZES), rotation @ (direction * (HALF_SIZES + 0.5))
        length = np.hypot(*(end - start)[:2])
        if length > 0.05:
            axes.annotate("", end[:2], start[:2], arrowprops={"arrowstyle": "->", "color": AXES[name], "lw": 1.6})
            beyond = (end - start)[:2] / length
            place = end[:2] + 0.13 * beyond + [0, 0.12 * (name == "z")]
            axes.text(*place, name, color=AXES[name], ha="center", va="center")
    axes.set(xlim=(-1.55, 1.55), ylim=(-1.6, 1.75), aspect="equal")
    axes.set_title(title, fontsize=9)
    axes.axis("off")


def main() -> None:
    figure, panels = plt.subplots(2, 4, figsize=(9, 5), layout="constrained")
    draw(panels[0, 0], {}, "0, 0, 0\nz towards the camera")
    draw(panels[1, 0], ANGLES_DEG, "all three at once:\nroll first, then yaw, then pitch")
    for column, (name, size) in enumerate(ANGLES_DEG.items(), start=1):
        for row, sign in enumerate((1, -1)):
            draw(panels[row, column], {name: sign * size}, f"{name} {sign * size:+d}°\n{MEANING[name, sign]}")
    figure.savefig(Path(__file__).with_name("pose.png"), dpi=110)


if __name__ == "__main__":
    main()
