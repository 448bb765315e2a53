"""Draws docs/figures/leaning.png: a frame of the clip that ships, turned by three angles, with what `read` says.

Run: python docs/figures/leaning.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

import fabnet
from fabnet.demonstration import demo_clip
from fabnet.video.decode import read_frames

ANGLES_DEG, ROOM_PX = (0, 40, 90), 70
DPI = 110


def main() -> None:
    """Read and draw."""
    frame = next(frame.image for frame in read_frames(demo_clip()) if frame.index == 20)
    wide = cv2.copyMakeBorder(frame, *(ROOM_PX,) * 4, cv2.BORDER_REPLICATE)
    middle = wide.shape[1] / 2 - 0.5, wide.shape[0] / 2 - 0.5
    figure = Figure(figsize=(10, 3.6), dpi=DPI, layout="constrained")
    with tempfile.TemporaryDirectory() as folder:
        for place, angle in enumerate(ANGLES_DEG):
            turn = cv2.getRotationMatrix2D(middle, angle, 1.0)
            turned = cv2.warpAffine(wide, turn, wide.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
            file = Path(folder) / f"{angle}.png"
            cv2.imwrite(str(file), turned[:, :, ::-1])
            row = fabnet.read(file).to_pylist()[0]
            axes = figure.add_subplot(1, len(ANGLES_DEG), place + 1)
            fabnet.plot_face(np.asarray(turned), row, ax=axes)
            axes.set_title(", ".join(f"{name} {row[f'pose_{name}_deg']:.0f}°" for name in ("roll", "pitch", "yaw")))
    figure.savefig(Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
