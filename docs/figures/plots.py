"""Makes docs/figures/plots.png from the clip that ships: python docs/figures/plots.py."""

from pathlib import Path

import matplotlib

import fabnet
from fabnet.demonstration import demo_clip

matplotlib.use("Agg")
from matplotlib import pyplot

clip = demo_clip()
table = fabnet.read(clip)
figure, axes = pyplot.subplot_mosaic([["face", "yaw"], ["face", "smile"]], figsize=(9, 4), width_ratios=[1, 1.6],
                                     layout="constrained")  # fmt: skip
fabnet.plot_face(clip, table, frame=40, ax=axes["face"])
fabnet.plot_course(table, "pose_yaw_deg", ax=axes["yaw"])
fabnet.plot_course(table, "smile", ax=axes["smile"])
figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)
