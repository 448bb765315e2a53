"""The options of `probe`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fabnet.errors import InputError
from fabnet.faces.detect.load import DEFAULT_DETECTOR
from fabnet.options import Options
from fabnet.probes.evaluate import ProbeName
from fabnet.probes.parts import Split
from fabnet.probes.retrieval.variants import Variant

__all__ = ["ProbeOptions"]


@dataclass(frozen=True, kw_only=True)
class ProbeOptions(Options):
    """The options of `probe`."""

    split: Split = "val"
    """The split to score: val to choose encoders by, test to report once."""
    probe: Literal["both", "paper", "ridge"] = "both"
    """The kind of probe. paper: batch-norm and a linear layer, by Adam; ridge: closed form (logistic for classes and
    units)."""
    variant: tuple[Variant, ...] = ("raw",)
    """Variants of the embedding, for retrieval: unchanged, after the decoder's first ReLU, whitened (fitted on people
    who are not scored), or both."""
    seeds: int = 3
    """Number of seeds of the paper's probe; figures are means over them."""
    detector: str = DEFAULT_DETECTOR
    """What finds faces: yunet, mtcnn, uniface or yunet:FILE.onnx."""
    min_face: float | None = None
    """Side of the smallest face to find, in pixels; by default 1/16 of an image's longer side, at least 20."""
    cache: Path | None = None
    """Folder for boxes and features; by default the user's cache folder."""
    save: Path | None = None
    """File to write the fitted probes to, for embed --probe; with both kinds, the ridge probes."""
    num_workers: int | None = None
    """Processes that detect faces; by default one per core."""
    device: str = "auto"
    """For models that run on torch: auto, cpu, cuda or cuda:N."""

    def check(self) -> None:
        """Check the number of seeds."""
        if self.seeds < 1:
            raise InputError(f"seeds must be 1 or more; got {self.seeds}")

    @property
    def kinds(self) -> tuple[ProbeName, ...]:
        """The kinds of probe; the last is the one that is saved."""
        return ("paper", "ridge") if self.probe == "both" else (self.probe,)
