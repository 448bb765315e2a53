"""The options of `live`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fabnet.errors import InputError
from fabnet.faces.detect.load import DEFAULT_DETECTOR
from fabnet.options import Options

__all__ = ["LiveOptions"]


@dataclass(frozen=True, kw_only=True)
class LiveOptions(Options):
    """The options of `live`."""

    as_camera: bool = False
    """Play a video file at its own pace, as if it were a camera."""
    out: Path | None = None
    """A .csv or .parquet file for the rows, as read writes them; it appears when the camera ends or Ctrl-C stops it."""
    page: bool = False
    """Also show the picture with what is read on a page in the browser, to this machine only."""
    port: int = 8000
    """Port of the page; 0 for any free one."""
    seconds: float | None = None
    """Stop after that time; by default at the end of the stream, or on Ctrl-C."""
    faces: Literal["largest", "all"] = "all"
    """The faces of each frame: the largest, or all."""
    model: str | Path = "base"
    """The encoder, with the face reader that it carries, as in read."""
    detector: str = DEFAULT_DETECTOR
    """What finds faces: yunet, mtcnn, uniface or yunet:FILE.onnx."""
    min_face: float | None = None
    """Side of the smallest face to find, in pixels; by default 1/16 of the longer side, at least 20."""
    search_every: float = 1.0
    """Seconds after which the detector looks for new faces. In between, faces are followed."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N. auto is CUDA, if there is one, for models that run on torch, and the CPU for the rest.
    With cuda, the detectors yunet and mtcnn run there too if onnxruntime-gpu is installed."""

    def check(self) -> None:
        """Check the numbers."""
        if not 0.1 <= self.search_every <= 60:
            raise InputError(f"search_every must be 0.1 to 60 seconds; got {self.search_every}")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"seconds must be more than 0; got {self.seconds}")
        if not 0 <= self.port <= 65535:
            raise InputError(f"there is no port {self.port}; expected 1 to 65535, or 0 for any free port")
