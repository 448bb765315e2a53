"""The options of `track` and `import`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fabnet.errors import InputError
from fabnet.faces.crop import VOXCELEB, CropSpec
from fabnet.faces.detect.load import DEFAULT_DETECTOR
from fabnet.options import Options
from fabnet.video.rate import check_fps

__all__ = ["PUBLISHED", "ImportOptions", "TrackOptions"]

PUBLISHED = "voxceleb"
"""The splits in which the published test speakers of VoxCeleb are in test."""


@dataclass(frozen=True, kw_only=True)
class TrackOptions(Options):
    """The options of `track`."""

    fps: float | Literal["all"] = 1.0
    """Frames kept per second, or all."""
    size: int = 256
    """Side of the stored crops in pixels."""
    detector: str = DEFAULT_DETECTOR
    """What finds faces: yunet, mtcnn, uniface or yunet:FILE.onnx."""
    min_face: float | None = None
    """Side of the smallest face to find, in pixels; by default 1/16 of a frame's longer side, at least 20. Smaller
    takes longer."""
    identities: str | Path = "video"
    """Who is who. video: each track is a person of its own, so somebody in two videos may be trained on and tested
    on; folder: the folder of a video is the person; or a CSV file with the header video,person or
    video,identity."""
    splits: str | Path = "hash"
    """hash (75/15/10 by identity, or by video with --identities video; stable), moments (validates on other moments of
    each track, not on other people), or a CSV file with the header identity,split (with --identities video, the
    identity is the video's name)."""
    link_fps: float = 5.0
    """Frames per second that are searched to follow a face, if fps is lower."""
    num_workers: int | None = None
    """Worker processes, one video each; by default one per core; 0: no other process."""
    engine: Literal["local", "ray"] = "local"
    """Local processes, or ray: a Ray cluster (docs/cluster.md), each of whose machines must see the videos under the
    same paths."""
    ray_address: str | None = None
    """HOST:PORT of a running cluster; by default $RAY_ADDRESS, else a Ray cluster on this machine that ends with the
    command."""

    def check(self) -> None:
        """Check the rates and the size."""
        check_fps(self.fps)
        check_fps(self.link_fps, "link_fps")
        _ = self.spec

    @property
    def rate(self) -> float | None:
        """Frames kept per second; None: all."""
        return check_fps(self.fps)

    @property
    def spec(self) -> CropSpec:
        """How faces are cut out."""
        return CropSpec(size=self.size)


@dataclass(frozen=True, kw_only=True)
class ImportOptions(Options):
    """The options of `import`."""

    layout: Literal["identity/video/track", "identity/video", "voxceleb", "voxceleb-txt"] = "identity/video/track"
    """The levels of the folder. identity/video/track: IDENTITY/VIDEO/TRACK/frame.jpg, or IDENTITY/VIDEO/TRACK.mp4 of
    cropped faces; identity/video: IDENTITY/VIDEO/frame.jpg, one track per video; voxceleb: VoxCeleb1 and 2 as they
    unpack (dev/ and test/, mp4/, unzippedFaces/, txt/), one of them or both; voxceleb-txt: only
    IDENTITY/VIDEO/UTTERANCE.txt, with --videos, in the detector's crop."""
    crop: Literal["none", "fabnet", "voxceleb", "detect"] = "none"
    """none: the pictures are ready crops of unknown framing; fabnet: ready crops as fabnet cuts them; voxceleb: ready
    crops as VoxCeleb's makers cut them (docs/crop.md); of these, the central square is kept. detect: find the face in
    each frame (the most central of the large ones) and cut it out."""
    splits: str | Path = "hash"
    """hash (75/15/10 by identity, stable), moments (validates on other moments of each track, not on other people),
    voxceleb (hash, but the published test speakers of VoxCeleb1 and 2 are all in test; for that layout), or a CSV file
    with the header identity,split or person,split."""
    size: int = 256
    """Side of the stored crops in pixels."""
    fps: float = 1.0
    """Frames kept per second, if the input is video."""
    detector: str = DEFAULT_DETECTOR
    """What finds faces: yunet, mtcnn, uniface or yunet:FILE.onnx."""
    min_face: float | None = None
    """Side of the smallest face to find, in pixels; by default 1/64 of a frame's longer side, at least 20. Smaller
    takes longer."""
    videos: Path | None = None
    """Folder of VoxCeleb's original videos, named by their references."""
    speakers: Path | None = None
    """VoxCeleb1's vox1_meta.csv, which has the ids of speakers whose folders have names (for the layout voxceleb)."""
    num_workers: int | None = None
    """Worker processes; by default one per core; 0: no other process."""

    def check(self) -> None:
        """Check the rate, the size, and what belongs to a layout."""
        check_fps(self.fps)
        _ = self.spec
        if self.videos is not None and self.layout not in ("voxceleb", "voxceleb-txt"):
            raise InputError(
                "--videos belongs to --layout voxceleb and voxceleb-txt: leave it out, or name one of these layouts"
            )
        if self.layout == "voxceleb-txt" and (self.videos is None or self.crop != "none"):
            raise InputError("--layout voxceleb-txt needs --videos DIR, the original videos, and takes no --crop")
        if self.layout == "voxceleb":
            if self.crop not in ("none", "voxceleb"):
                raise InputError(f"--layout voxceleb has VoxCeleb's crops: leave --crop {self.crop} out")
        elif self.speakers is not None or str(self.splits) == PUBLISHED:
            raise InputError("--speakers and --splits voxceleb belong to --layout voxceleb: name it, or leave them out")

    @property
    def spec(self) -> CropSpec:
        """How faces are cut out, or how ready crops were."""
        if self.layout == "voxceleb" or self.crop == "voxceleb":
            return replace(VOXCELEB, size=self.size)
        is_unknown = self.crop == "none" and self.layout != "voxceleb-txt"
        return CropSpec(size=self.size, smoothing_s=0.0, framing="unknown" if is_unknown else "detector")
