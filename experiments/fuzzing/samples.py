"""Valid files to mutate, of every kind but labels: one folder per sample. The clip is the demo's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

import fabnet
from fabnet.demonstration import demo_clip
from fabnet.encoders.export import export
from fabnet.models.find_model import latest_checkpoint
from fabnet.objectives.fabnet import FabNet
from fabnet.video.decode import read_frames

from .labels import write_labels

__all__ = ["KINDS", "clip_frames", "write_samples"]

WIDTH, HEIGHT = 112, 96
VIDEOS = {
    "h264.mp4": "libx264", "h264.mkv": "libx264", "mpeg4.avi": "mpeg4", "mpeg2.ts": "mpeg2video", "vp8.webm": "libvpx",
    "mjpeg.mov": "mjpeg", "flv.flv": "flv", "wmv.wmv": "wmv2", "h265.mp4": "libx265", "vp9.webm": "libvpx-vp9",
}  # fmt: skip
TINY: dict[str, Any] = {
    "size": 16,
    "width": 4,
    "embedding_dim": 16,
    "batch_size": 4,
    "num_val_pairs": 4,
    "num_workers": 0,
}


def clip_frames(count: int = 12) -> list[np.ndarray]:
    """Frames of a real clip around the face, (96, 112, 3) uint8 RGB, a tenth of a second apart."""
    frames = [cv2.resize(frame.image, (WIDTH, WIDTH)) for frame in read_frames(demo_clip(), fps=10.0)]
    return [frame[8 : 8 + HEIGHT].copy() for frame in frames[:count]]


def _write_video(path: Path, frames: Sequence[np.ndarray], codec: str) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=Fraction(8))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.bit_rate = WIDTH, HEIGHT, 300_000
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        file.mux(stream.encode())


def _videos(place: Path) -> None:
    frames = clip_frames()
    for name, codec in VIDEOS.items():
        (place / name).mkdir(parents=True)
        _write_video(place / name / name, frames, codec)


def _images(place: Path) -> None:
    frame = np.ascontiguousarray(clip_frames(1)[0][:, :, ::-1])
    kinds: dict[str, list[int]] = {
        "baseline.jpg": [cv2.IMWRITE_JPEG_QUALITY, 85], "progressive.jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
        "colour.png": [], "grey.png": [],
        "lossy.webp": [cv2.IMWRITE_WEBP_QUALITY, 80], "lossless.webp": [cv2.IMWRITE_WEBP_QUALITY, 101],
        "colour.bmp": [], "colour.tif": [],
    }  # fmt: skip
    for name, flags in kinds.items():
        (place / name / "person" / "video").mkdir(parents=True)
        image = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if name.startswith("grey") else frame
        assert cv2.imwrite(str(place / name / "person" / "video" / name), image, flags)


def _store(place: Path) -> None:
    """Three tracks with one image per frame, two people to train on and one to validate on."""
    pictures = place.parent / "pictures"
    for person in range(3):
        folder = pictures / f"person{person}" / "0"
        folder.mkdir(parents=True)
        for number, frame in enumerate(clip_frames(4)):
            cv2.imwrite(str(folder / f"{number}.jpg"), frame[:, :, ::-1])
    splits = place.parent / "splits.csv"
    splits.write_text("identity,split\nperson0,train\nperson1,train\nperson2,val\n")
    fabnet.import_folder(pictures, place, layout="identity/video", splits=splits, size=64, num_workers=0)


def _run(place: Path) -> Path:
    """A run of two steps with its store next to it."""
    _store(place / "store")
    fabnet.train(place / "store", place / "run", max_steps=2, validate_every=1, **TINY)
    shutil.rmtree(place / "pictures")
    return place / "run"


def _authors(folder: Path) -> None:
    """A file in the authors' format, in half precision, so that it is small."""
    torch.manual_seed(0)
    state = {
        name.replace("encoder.layers", "encoder").replace("flow_decoder.layers", "decoder"): torch.full(
            value.shape, 0.01, dtype=torch.float16
        )
        for name, value in FabNet(256).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save({"state_dict": state, "epoch": 3}, folder / "zipped.pth")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)


def _photo(folder: Path) -> None:
    folder.mkdir()
    cv2.imwrite(str(folder / "photo.png"), clip_frames(1)[0][:, :, ::-1])


def _exported(place: Path) -> Path:
    """A run, and its encoder as ONNX."""
    run = _run(place / "run")
    _photo(place / "onnx")
    export(latest_checkpoint(run), place / "onnx" / "model" / "encoder.onnx")
    return run


def _checkpoints(place: Path) -> None:
    _exported(place)
    _photo(place / "authors")
    _authors(place / "authors")


def _configs(place: Path) -> None:
    run = _exported(place)
    _photo(place / "folder")
    shutil.copytree(latest_checkpoint(run), place / "folder" / "model")


def _stores(place: Path) -> None:
    faces = place / "store" / "faces"
    _store(faces)
    pending = [next(iter(fabnet.open_store(faces).ledger().values())).to_json()]
    (faces / "_pending.json").write_text(json.dumps(pending))
    fabnet.embed([faces], place / "embeddings" / "faces.lance", model="pixels")


KINDS: dict[str, Callable[[Path], None]] = {
    "video": _videos,
    "image": _images,
    "checkpoint": _checkpoints,
    "config": _configs,
    "labels": write_labels,
    "store": _stores,
}
"""Writers by kind of file; each writes its samples into a folder, one folder per sample."""


def write_samples(kind: str, place: Path) -> None:
    """Write the samples of a kind, whole or not at all; an existing folder is left unchanged."""
    if place.is_dir():
        return
    made = place.with_name(f".{place.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    KINDS[kind](made)
    made.rename(place)
