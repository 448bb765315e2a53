"""The options of `embed` and `read`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fabnet.encoders.embedder import Embedder, Precision
from fabnet.errors import InputError
from fabnet.faces.detect.load import DEFAULT_DETECTOR
from fabnet.options import Options
from fabnet.video.rate import check_fps

__all__ = ["FORMATS", "EmbedOptions", "Format", "ReadOptions"]

Format = Literal["lance", "parquet", "csv", "npy"]
FORMATS: tuple[Format, ...] = ("lance", "parquet", "csv", "npy")


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(Options):
    """The options of `embed`."""

    model: str | Path | Embedder = "small"
    """A shipped name, a run, a checkpoint, an .onnx file, hf:OWNER/NAME, or a baseline (see fabnet probe --help); in
    Python also an encoder from load."""
    crop: Literal["detect", "none"] = "detect"
    """detect: find the faces first; none: take each picture or frame as a face crop."""
    faces: Literal["largest", "all"] = "largest"
    """Faces of each picture or frame: the largest or all."""
    fps: float | Literal["all"] = "all"
    """Frames per second taken from a video, or all."""
    split: Literal["train", "val", "test"] | None = None
    """Embed only the rows of a store that are in this split."""
    sample: int | None = None
    """Embed only so many rows of a store (of its split), drawn at random."""
    seed: int = 0
    """Seed of the sample."""
    format: Format | None = None
    """Format of the output; by default what the ending of --out says, else lance."""
    detector: str = DEFAULT_DETECTOR
    """What finds faces: yunet, mtcnn, uniface or yunet:FILE.onnx."""
    min_face: float | None = None
    """Side of the smallest face to find, in pixels; by default 1/64 of a photo's longer side, 1/16 of a video's, at
    least 20. Smaller takes longer."""
    attributes: bool = False
    """Add head pose, landmarks, expression, action units, smile, mouth and eyes, each with how sure it is, as further
    columns. They are those of fabnet read, or the model's own if it has learned them by fabnet teach: see
    docs/reading.md."""
    probe: tuple[Path, ...] = ()
    """Files that fabnet probe --save wrote for this model; their predictions become further columns."""
    overlay: Path | None = None
    """An .mp4 file to write the video to, which must be the only input, with what was read drawn over its faces,
    without sound."""
    thumbnails: bool = True
    """Keep a small picture of each face in a Lance dataset, for search to show."""
    batch_size: int = 64
    """Upper bound of faces in one batch."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N. auto is CUDA, if there is one, for models that run on torch, and the CPU for the rest.
    With cuda, the detectors yunet and mtcnn run there too if onnxruntime-gpu is installed."""
    precision: Precision = "auto"
    """For models that run on torch; auto is bfloat16 if the processor has instructions for it, which is twice as
    fast."""
    engine: Literal["local", "ray"] = "local"
    """This process, or ray: a Ray cluster (docs/cluster.md), each of whose machines must see the inputs and the model
    under the same paths. The same command resumes after a stop."""
    ray_address: str | None = None
    """HOST:PORT of a running cluster; by default $RAY_ADDRESS, else a Ray cluster on this machine that ends with the
    command."""

    def check(self) -> None:
        """Check the rate, the sample and the batch size."""
        check_fps(self.fps)
        if self.seed < 0 or (self.sample is not None and self.sample < 1):
            raise InputError(f"sample must be 1 or more, and seed 0 or more; got {self.sample} and {self.seed}")
        if self.batch_size < 1:
            raise InputError(f"batch_size must be 1 or more; got {self.batch_size}")

    @property
    def rate(self) -> float | None:
        """Frames per second taken from a video; None: all."""
        return check_fps(self.fps)


@dataclass(frozen=True, kw_only=True)
class ReadOptions(Options):
    """The options of `read`."""

    model: str | Path = "base"
    """The encoder, with the face reader that it carries: a shipped name, or a run or model folder that fabnet teach
    was given."""
    faces: Literal["largest", "all"] = "largest"
    """The faces of each picture or frame: the largest, or all."""
    fps: float | Literal["all"] = "all"
    """Frames kept per second of video, or all."""
    detector: str = DEFAULT_DETECTOR
    """What finds faces: yunet, mtcnn, uniface or yunet:FILE.onnx."""
    min_face: float | None = None
    """Side of the smallest face to find, in pixels; by default 1/64 of a photo's longer side, 1/16 of a video's, at
    least 20. Smaller takes longer."""
    search_every: float = 1.0
    """Seconds of video after which the detector looks for new faces. In between, faces are followed."""
    people: str | Path = "track"
    """Who is who. track: each track is a person of its own, in a store its identity; video: each video or photo shows
    one person; folder: the folder of a file is the person; a CSV file with the header video,person or
    video,track,person; or a face-recognition model that links the tracks of one person: dlib-identity, vgg-face:FILE
    or FILE.onnx (docs/reading.md)."""
    people_distance: float | None = None
    """Cosine distance (0 to 2) up to which such a model takes two tracks for one person; smaller makes fewer wrong
    links and leaves more people in two. By default 0.06 for dlib-identity; other models have no default."""
    columns: Literal["fabnet", "openface", "py-feat"] = "fabnet"
    """The names of the columns: fabnet's, or those of another tool for the quantities that both have."""
    overlay: Path | None = None
    """An .mp4 file to write the video to, which must be the only input, with what was read drawn over its faces,
    without sound."""
    embedding: bool = False
    """Add the 256 numbers of the canonical crop."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N. auto is CUDA, if there is one, for models that run on torch, and the CPU for the rest.
    With cuda, the detectors yunet and mtcnn run there too if onnxruntime-gpu is installed."""
    num_threads: int | None = None
    """Threads that read; by default one per core. The result does not depend on it."""

    def check(self) -> None:
        """Check the rates and the counts."""
        check_fps(self.fps)
        if not 0.1 <= self.search_every <= 60:
            raise InputError(f"search_every must be 0.1 to 60 seconds; got {self.search_every}")
        if self.people_distance is not None and not 0 < self.people_distance <= 2:
            raise InputError(f"people_distance must be above 0 and at most 2; got {self.people_distance}")
        if self.num_threads is not None and self.num_threads < 1:
            raise InputError(f"num_threads must be 1 or more; got {self.num_threads}")

    @property
    def rate(self) -> float | None:
        """Frames kept per second; None: all."""
        return check_fps(self.fps)
