"""Draws crop.png: what the crop is, on a frame of the clip that ships with fabnet.

Run: python docs/figures/crop.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from fabnet.demonstration import demo_clip
from fabnet.faces.crop import CropSpec, crop_box
from fabnet.faces.detect.load import load_detector
from fabnet.video.decode import read_frames
from fabnet.video.track_video import TrackedFace, track_video

FRAME = 60
FPS = 10.0
BOX, PLAIN, CROP = "#e4572e", "#8a8a8a", "#1b7f79"


def outline(axes: Axes, box_px: np.ndarray, colour: str, label: str, style: str = "-") -> None:
    x0, y0, x1, y1 = box_px.tolist()
    rectangle = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, lw=2, ls=style, label=label)
    axes.add_patch(rectangle)


def draw_frame(axes: Axes, image: np.ndarray, face: TrackedFace) -> None:
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0))
    outline(axes, face.box_px, BOX, "detector's box, w x h")
    outline(axes, crop_box(face.box_px, CropSpec()), PLAIN, "1.8 sqrt(w h) moved down", "--")
    outline(axes, face.crop_box_px, CROP, "the same, smoothed: the crop")
    axes.scatter(face.landmarks5_px[:, 0], face.landmarks5_px[:, 1], s=14, c=BOX, zorder=3, label="the five points")
    axes.set(xlim=(-12, width + 12), ylim=(height + 12, -12), xlabel="x, pixels of the frame", ylabel="y")
    axes.set_title(f"a frame, {width} x {height} px", fontsize=10)


def draw_crop(axes: Axes, face: TrackedFace) -> None:
    size = face.image.shape[0]
    axes.imshow(face.image, extent=(0, size, size, 0))
    axes.set(xticks=[0, size // 2, size], yticks=[0, size // 2, size], xlabel="x, pixels of the crop")
    axes.set_title(f"its crop, {size} x {size} px", fontsize=10)


def draw_sizes(axes: Axes, faces: list[TrackedFace]) -> None:
    times_s = [face.time_s for face in faces]
    sides = [np.diff(crop_box(face.box_px, CropSpec())[[0, 2]])[0] for face in faces]
    axes.plot(times_s, sides, color=PLAIN, ls="--", label="before")
    smoothed = [face.crop_box_px[2] - face.crop_box_px[0] for face in faces]
    axes.plot(times_s, smoothed, color=CROP, lw=2, label="smoothed")
    axes.axvline(next(face.time_s for face in faces if face.frame == FRAME), color="black", lw=0.5)
    axes.set(xlabel="time, s", ylabel="side of the crop, px")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("over the track", fontsize=10)


def main() -> None:
    faces = list(track_video(demo_clip(), load_detector(), fps=FPS))
    image = next(frame.image for frame in read_frames(demo_clip()) if frame.index == FRAME)
    face = next(face for face in faces if face.frame == FRAME)
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), width_ratios=[1.35, 1, 1.2], layout="constrained")
    draw_frame(axes[0], image, face)
    draw_crop(axes[1], face)
    draw_sizes(axes[2], faces)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4, frameon=False, fontsize=8)
    figure.savefig(Path(__file__).with_name("crop.png"), dpi=110)


if __name__ == "__main__":
    main()
