"""The functions called on a mutated file: the public ones behind the verbs that would read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import fabnet
from fabnet.encoders.embedder import Embedder
from fabnet.errors import FabnetError
from fabnet.files.media import find_videos
from fabnet.ingest.identities import identities_of
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.store.split import read_splits
from fabnet.store.summary import store_summary
from fabnet.upkeep.verify import verify

__all__ = ["attacked", "files_of"]

LABELS = (".csv", ".txt", ".pts", ".sqlite", ".mat", ".npz", ".npy")
CRASHED = re.compile(r"^\w*(Error|Exception|error): ")
"""How the worker pool reports an error that is not fabnet's: other inputs are unaffected, but it is a finding."""


def files_of(kind: str, sample: Path) -> list[Path]:
    """The files of a sample to mutate."""
    files = sorted(file for file in sample.rglob("*") if file.is_file())
    if kind == "labels":
        return [file for file in files if file.suffix in LABELS]
    if kind == "checkpoint":
        return [
            file for file in files
            if file.suffix in (".safetensors", ".onnx", ".pth") or (file.name == "state.json" and "run" in file.parts)
        ]  # fmt: skip
    if kind == "config":
        return [file for file in files if file.name in ("config.json", "state.json")]
    if kind == "store":
        return [file for file in files if file.suffix not in (".jpg", ".csv") and file.name != "_lock"]
    return files


def attacked(kind: str, sample: Path, file: Path) -> str:
    """Call the functions that read a file.

    Args:
        kind: kind of the file.
        sample: folder of the sample that holds the mutated file.
        file: the mutated file.

    Returns:
        "done", or "refused" if one of the calls raised an error of fabnet's.

    Raises:
        Exception: any error that is not fabnet's: a finding.
    """
    refusals = [_refused(call) for call in CALLS[kind](sample, file)]
    return "refused" if any(refusals) else "done"


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except FabnetError as error:
        if type(error) is FabnetError and CRASHED.match(str(error)):
            raise RuntimeError(f"not told apart: {error}") from error
        return True
    return False


@lru_cache(maxsize=1)
def _pixels() -> Embedder:
    return fabnet.load("pixels")


def _check_reasons(reasons: list[str]) -> None:
    for reason in reasons:
        if CRASHED.match(reason):
            raise RuntimeError(f"not told apart: {reason}")


def _video(sample: Path, file: Path) -> list[Callable[[], object]]:
    def track() -> None:
        report = fabnet.track([file], sample / "out.lance", fps=2.0, size=64, num_workers=0)
        _check_reasons([reason for _, reason in (*report.failed, *report.partial)])

    def embed() -> None:
        result = fabnet.embed([file], sample / "out.csv", model=_pixels(), crop="none")
        _check_reasons([reason for _, reason in result.failed])

    return [track, embed]


def _image(sample: Path, file: Path) -> list[Callable[[], object]]:
    def embed(crop: Any) -> None:
        result = fabnet.embed([file], sample / "out.csv", model=_pixels(), crop=crop)
        _check_reasons([reason for _, reason in result.failed])

    def import_folder() -> None:
        report = fabnet.import_folder(sample, sample / "out.lance", layout="identity/video", size=64, num_workers=0)
        _check_reasons([reason for _, reason in report.failed])

    return [lambda: embed("detect"), lambda: embed("none"), import_folder]


@lru_cache(maxsize=1)
def _crops() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))


def _model(sample: Path, file: Path) -> list[Callable[[], object]]:
    """The calls for a model's file: an encoder's, a run's or the authors'."""
    if (sample / "run").is_dir():
        run, store = sample / "run", sample / "store"
        calls: list[Callable[[], object]] = [
            lambda: fabnet.info(run),
            lambda: fabnet.embed([store], sample / "out.csv", model=run),
        ]
        if not file.name.startswith("model."):  # the weights are read by embed as well
            calls.append(lambda: fabnet.train(store, run, resume=True, max_steps=3, num_workers=0))
        return calls
    model = file if file.suffix in (".onnx", ".pth") else file.parent
    image = sample / "photo.png"
    return [
        *([] if file.suffix == ".pth" else [lambda: fabnet.info(file.parent)]),
        lambda: fabnet.load(model).embed(_crops()),
        lambda: fabnet.embed([image], sample / "out.csv", model=model, crop="none"),
    ]


def _labels(sample: Path, file: Path) -> list[Callable[[], object]]:
    if sample.name == "names":
        for name in ("a.mp4", "b.mp4"):
            (sample / name).touch()
        videos = find_videos([sample]).found
        if file.name == "splits.csv":
            return [lambda: read_splits(file)]
        return [lambda: identities_of(videos, file)]
    if sample.name == "table":
        return [lambda: read_benchmark(str(file), sample)]
    return [lambda: read_benchmark(sample.name.split(".")[0], sample)]


def _store(sample: Path, file: Path) -> list[Callable[[], object]]:
    if (sample / "faces.lance").is_dir():
        faces = sample / "faces.lance"
        return [
            lambda: fabnet.search(faces, "person0/0/0/0", k=3),
            lambda: fabnet.search(faces, "person1/0/0/2"),
            lambda: verify(faces),
        ]
    store = sample / "faces"

    def again() -> None:
        pictures, splits = sample / "pictures", sample / "splits.csv"
        report = fabnet.import_folder(pictures, store, layout="identity/video", splits=splits, size=64, num_workers=0)
        _check_reasons([reason for _, reason in report.failed])

    return [
        lambda: fabnet.info(store),
        lambda: store_summary(store),
        lambda: verify(store),
        lambda: fabnet.embed([store], sample / "out.csv", model=_pixels()),
        again,
    ]


CALLS: dict[str, Callable[[Path, Path], list[Callable[[], object]]]] = {
    "video": _video, "image": _image, "checkpoint": _model, "config": _model, "labels": _labels, "store": _store,
}  # fmt: skip
