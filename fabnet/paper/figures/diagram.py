"""The drawing of a FAb-Net: frames, encoder, embeddings, decoders, sampler, loss.

Lengths and positions are in inches of the figure, y upwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

from fabnet.paper.figures.files import BLUE, GREY, INK, ORANGE, WIDTH_IN
from fabnet.paper.figures.layers import FeatureMap, LayerChain

__all__ = ["Network", "draw_network"]

GREEN = "#00795a"
TIMES = "\u00d7"
SMALL = 6.0
FRAME = 0.5
LOW, HIGH = 0.1, 0.6
"""Heights of a map of one pixel and of one of the whole image."""
STACKED = 0.035
"""Offset of each frame in a stack from the one before it."""
FRAME_X, ENCODER_X, JOIN_X, DECODER_X, SAMPLER_X, LOSS_X = 0.37, (0.98, 2.43), 2.92, (3.22, 4.67), 5.17, 6.68

Point = tuple[float, float]


class Network(NamedTuple):
    """The network to draw.

    Attributes:
        encoder: layers from a frame to an embedding.
        flow: layers from two embeddings to a flow.
        confidence: layers from two embeddings to a confidence; None with one source.
        num_sources: sources per target.
        is_bounded: whether the confidences pass through a tanh.
    """

    encoder: LayerChain
    flow: LayerChain
    confidence: LayerChain | None
    num_sources: int
    is_bounded: bool

    def parts(self) -> dict[str, LayerChain]:
        """The parts by name."""
        found = {"encoder": self.encoder, "flow decoder": self.flow}
        return found if self.confidence is None else found | {"confidence decoder": self.confidence}


def draw_network(figure: matplotlib.figure.Figure, network: Network) -> None:
    """Draw a network on an empty figure of `WIDTH_IN`."""
    height = figure.get_figheight()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH_IN), ylim=(0, height))
    axes.axis("off")
    top, bottom = height - 0.87, 0.57 if network.confidence is None else 0.9
    _encoders(axes, network, top, bottom)
    _join(axes, network.flow.maps[0], top, bottom)
    if network.confidence is None:
        _one_source(axes, network.flow, top, bottom)
    else:
        _several_sources(axes, network, network.confidence, top, bottom)
    for y, text in ((0.43, "above a bar: channels"), (0.31, "below: side in pixels")):
        _text(axes, (5.72, y), text, size=SMALL, colour=GREY)


def _encoders(axes: Axes, network: Network, top: float, bottom: float) -> None:
    encoder, middle = network.encoder, (top + bottom) / 2
    image, is_many = encoder.maps[0], network.num_sources > 1
    size = f"{image.channels} {TIMES} {image.side} {TIMES} {image.side}"
    source = f"{network.num_sources} sources $s_i$" if is_many else "source $s$"
    _frame(axes, (FRAME_X, top), copies=min(network.num_sources, 3))
    _frame(axes, (FRAME_X, bottom))
    inner = FRAME / 2 + 0.11  # from a frame's middle to its name, on the side without a line
    for y, name in ((top - inner, source), (bottom + inner + 0.12, "target $t$")):
        _text(axes, (FRAME_X, y), name)
        _text(axes, (FRAME_X, y - 0.12), size, size=SMALL, colour=GREY)
    for y, name in ((top, "$v_{s_i}$" if is_many else "$v_s$"), (bottom, "$v_t$")):
        start = FRAME_X + FRAME / 2 + (0.12 if is_many and y == top else 0.04)
        _arrow(axes, (start, y), (ENCODER_X[0] - 0.1, y))
        _bars(axes, encoder.maps[1:], ENCODER_X, y, BLUE, image.side)
        _text(axes, (ENCODER_X[1] + 0.23, y + 0.11), name, size=8)
    x = sum(ENCODER_X) / 2
    _text(axes, (x, top + 0.6), "encoder $f$", size=8, colour=BLUE)
    lines = f"{len(encoder.maps) - 1} convolutions {encoder.kernel} {TIMES} {encoder.kernel}, stride 2"
    _text(axes, (x, middle + 0.07), lines, size=SMALL)
    _text(axes, (x, middle - 0.07), f"{encoder.num_parameters:,} parameters, shared", size=SMALL)


def _join(axes: Axes, joined: FeatureMap, top: float, bottom: float) -> None:
    middle = (top + bottom) / 2
    for y, side in ((top, 1), (bottom, -1)):
        _arrow(axes, (ENCODER_X[1] + 0.08, y), (JOIN_X, y), (JOIN_X, middle + 0.24 * side))
    axes.add_patch(Rectangle((JOIN_X - 0.05, middle), 0.1, 0.22, facecolor=BLUE, edgecolor="none"))
    axes.add_patch(Rectangle((JOIN_X - 0.05, middle - 0.22), 0.1, 0.22, facecolor=BLUE, alpha=0.55, edgecolor="none"))
    _text(axes, (JOIN_X - 0.09, middle), str(joined.channels), size=SMALL, align="right")


def _one_source(axes: Axes, flow: LayerChain, top: float, bottom: float) -> None:
    middle, image_x = (top + bottom) / 2, 5.95
    _arrow(axes, (JOIN_X + 0.07, middle), (DECODER_X[0] - 0.1, middle))
    _decoder(axes, flow, middle, "flow decoder $g$", ORANGE)
    _arrow(axes, (DECODER_X[1] + 0.1, middle), (SAMPLER_X - 0.16, middle), label=r"$\delta x, \delta y$")
    _sampler(axes, middle)
    _over(axes, top, middle, 1)
    _arrow(axes, (SAMPLER_X + 0.16, middle), (image_x - FRAME / 2 - 0.04, middle))
    _frame(axes, (image_x, middle), "generated $s'$")
    _loss(axes, (image_x + FRAME / 2 + 0.04, middle), bottom)


def _several_sources(axes: Axes, network: Network, confidence: LayerChain, top: float, bottom: float) -> None:
    middle, warped_x, sum_x = (top + bottom) / 2, 5.72, 5.72
    for y, side in ((top, 1), (bottom, -1)):
        _arrow(axes, (JOIN_X + 0.07, middle + 0.11 * side), (JOIN_X + 0.13, middle + 0.11 * side), (JOIN_X + 0.13, y),
               (DECODER_X[0] - 0.1, y))  # fmt: skip
    _decoder(axes, network.flow, top, "flow decoder $g$", ORANGE)
    _decoder(axes, confidence, bottom, "confidence decoder", GREEN)
    _arrow(axes, (DECODER_X[1] + 0.1, top), (SAMPLER_X - 0.16, top), label=r"$\delta x, \delta y$")
    _sampler(axes, top)
    _over(axes, top, top, network.num_sources)
    _arrow(axes, (SAMPLER_X + 0.16, top), (warped_x - 0.24, top))
    _frame(axes, (warped_x, top), "warped $s'_i$", side=0.4, copies=min(network.num_sources, 3))
    _arrow(
        axes,
        (DECODER_X[1] + 0.1, bottom),
        (sum_x - 0.42, bottom),
        label="tanh $C_i$" if network.is_bounded else "$C_i$",
    )
    _box(axes, (sum_x, bottom), 0.8, f"soft-max over\n{network.num_sources} sources")
    _arrow(axes, (sum_x, bottom + 0.19), (sum_x, middle - 0.14), label="weights")
    _arrow(axes, (sum_x, top - 0.24), (sum_x, middle + 0.14))
    axes.add_patch(Circle((sum_x, middle), 0.12, facecolor="white", edgecolor=INK, lw=0.8))
    _text(axes, (sum_x, middle), r"$\Sigma$", size=8)
    _arrow(axes, (sum_x + 0.13, middle), (6.01, middle))
    _frame(axes, (6.24, middle), "generated", side=0.42)
    _loss(axes, (6.48, middle), bottom)


def _decoder(axes: Axes, part: LayerChain, y: float, name: str, colour: str) -> None:
    x = sum(DECODER_X) / 2
    _bars(axes, part.maps[1:], DECODER_X, y, colour, part.maps[-1].side)
    _text(axes, (x, y + 0.6), name, size=8, colour=colour)
    steps = f"{len(part.maps) - 1} {TIMES} (bilinear {TIMES} 2, convolution {part.kernel} {TIMES} {part.kernel})"
    _text(axes, (x, y - 0.52), steps, size=SMALL)
    _text(axes, (x, y - 0.64), f"{part.num_parameters:,} parameters", size=SMALL)


def _over(axes: Axes, top: float, y: float, num_sources: int) -> None:
    """Draw the sources' path to the sampler."""
    start, over = top + FRAME / 2 + STACKED * min(num_sources - 1, 2), top + 0.76
    _arrow(axes, (FRAME_X, start), (FRAME_X, over), (SAMPLER_X, over), (SAMPLER_X, y + 0.16))


def _sampler(axes: Axes, y: float) -> None:
    axes.add_patch(Circle((SAMPLER_X, y), 0.14, facecolor="white", edgecolor=INK, lw=0.8))
    grid = np.array([-0.045, 0.045])
    for place in grid:
        axes.plot([SAMPLER_X + place] * 2, [y - 0.1, y + 0.1], color=GREY, lw=0.5)
        axes.plot([SAMPLER_X - 0.1, SAMPLER_X + 0.1], [y + place] * 2, color=GREY, lw=0.5)
    _text(axes, (SAMPLER_X, y - 0.23), "bilinear", size=SMALL)
    _text(axes, (SAMPLER_X, y - 0.33), "sampler", size=SMALL)


def _loss(axes: Axes, start: Point, bottom: float) -> None:
    y = start[1]
    _arrow(axes, start, (LOSS_X - 0.13, y))
    axes.add_patch(Circle((LOSS_X, y), 0.12, facecolor=INK, edgecolor="none"))
    _text(axes, (LOSS_X, y), "$L_1$", colour="white")
    _arrow(axes, (FRAME_X, bottom - FRAME / 2), (FRAME_X, 0.12), (LOSS_X, 0.12), (LOSS_X, y - 0.13))


def _frame(axes: Axes, at: Point, name: str = "", *, side: float = FRAME, copies: int = 1) -> None:
    """Draw a frame, or a stack of frames, with a head in it."""
    x, y = at
    for place in reversed(range(copies)):
        low = (x - side / 2 + STACKED * place, y - side / 2 + STACKED * place)
        axes.add_patch(Rectangle(low, side, side, facecolor="#eef1f4", edgecolor=INK, lw=0.7))
    turn = np.linspace(0, np.pi, 30)
    shoulders = np.stack([x + 0.36 * side * np.cos(turn), y - side / 2 + 0.26 * side * np.sin(turn)], axis=1)
    axes.add_patch(Polygon(shoulders, facecolor="#b9c2cc", edgecolor="none"))
    axes.add_patch(Circle((x, y + 0.06 * side), 0.2 * side, facecolor="#b9c2cc", edgecolor="none"))
    if name:
        _text(axes, (x, y + side / 2 + 0.1 + STACKED * (copies - 1)), name)


def _bars(axes: Axes, maps: Sequence[FeatureMap], ends: Point, y: float, colour: str, largest: int) -> None:
    """Draw maps as bars: the side as height, on a logarithmic scale, channels above and side below."""
    places = np.linspace(*ends, len(maps))
    wide = 0.6 * (places[1] - places[0])
    for x, each in zip(places.tolist(), maps, strict=True):
        tall = LOW + (HIGH - LOW) * np.log2(each.side) / np.log2(largest)
        axes.add_patch(Rectangle((x - wide / 2, y - tall / 2), wide, tall, facecolor=colour, edgecolor="none"))
        _text(axes, (x, y + tall / 2 + 0.07), str(each.channels), size=SMALL)
        _text(axes, (x, y - tall / 2 - 0.07), str(each.side), size=SMALL, colour=GREY)


def _box(axes: Axes, at: Point, wide: float, text: str) -> None:
    tall = 0.34
    low = (at[0] - wide / 2 + 0.03, at[1] - tall / 2 + 0.03)
    axes.add_patch(FancyBboxPatch(low, wide - 0.06, tall - 0.06, boxstyle="round,pad=0.03", facecolor="white",
                                  edgecolor=INK, lw=0.8))  # fmt: skip
    _text(axes, at, text, size=SMALL)


def _arrow(axes: Axes, *points: Point, label: str = "") -> None:
    """Draw a line through these points with an arrow head at its end and the label above its middle."""
    if len(points) > 2:
        x, y = zip(*points[:-1], strict=True)
        axes.plot(x, y, color=INK, lw=0.8, solid_joinstyle="round")
    style = {"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", points[-1], points[-2], arrowprops=style)
    if label:
        x, y = np.mean(points[-2:], axis=0).tolist()
        is_upright = points[-1][0] == points[-2][0]
        _text(
            axes,
            (x + 0.05, y) if is_upright else (x, y + 0.09),
            label,
            size=SMALL,
            align="left" if is_upright else "center",
        )


def _text(axes: Axes, at: Point, text: str, *, size: float = 7, colour: str = INK, align: str = "center") -> None:
    axes.text(*at, text, fontsize=size, color=colour, horizontalalignment=align, verticalalignment="center",
              linespacing=1.1)  # fmt: skip
