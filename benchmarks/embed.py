"""Speed and memory of embedding, beside the plain encoder and the machine's matrix product.

memory: crops in memory, cut and encoded, against `reference.PlainEncoder` (the network alone, eager float32).
files: from JPEG files, a store and a video of crops to a written dataset, against decoding alone and encoding alone.
growth: the peak memory of embedding stores of 10,000 and 100,000 rows.

Run: python benchmarks/embed.py STORE [--cases memory files growth]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import lance
import numpy as np
import pyarrow as pa
import torch
from measure import Timing, interleaved, ratio
from reference import PlainEncoder, matrix_ceiling
from safetensors.torch import save_file
from torch import nn

import fabnet
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.export import export
from fabnet.faces.window import decode_jpeg
from fabnet.models.model_folder import WEIGHTS_FILE, ModelCard, write_card
from fabnet.objectives.fabnet import FabNet
from fabnet.reading.inputs import Failure, Input, Item, Remark, decoded, list_inputs, read_items
from fabnet.reading.options import EmbedOptions
from fabnet.runtime.threads import batched, in_threads
from fabnet.store.track_store import open_store
from fabnet.video.decode import read_frames
from fabnet.weights import shipped_models

WIDTH = 32
NUM_CROPS = {256: 64, 64: 512}
NUM_FILES = {256: 256, 64: 1024}


def encoders_of(size: int, store: Path, scratch: Path) -> dict[str, Embedder]:
    """The encoder in each form: `small` as it ships, the paper's network with the weights it starts from."""
    folder = shipped_models()["small"] if size == 64 else scratch / "model256"
    if size != 64 and not folder.exists():
        folder.mkdir()
        torch.manual_seed(0)
        save_file(FabNet(size, WIDTH).state_dict(), folder / WEIGHTS_FILE)
        architecture = {"size": size, "width": WIDTH, "embedding_dim": 256}
        write_card(folder, ModelCard(objective="fabnet", architecture=architecture, window=(0.5, 0.5, 190 / 256)))
    onnx, int8 = scratch / f"onnx{size}" / "encoder.onnx", scratch / f"int8{size}" / "encoder.onnx"
    if not int8.exists():
        export(folder, onnx)
        near = export(folder, int8, int8=store)
        print(f"{size} px: int8 on crops it was not calibrated on: cosine {near['cosine']:.5f}, with the mean face "
              f"taken off {near['centred_cosine']:.5f}")  # fmt: skip
    return {
        "torch float32": fabnet.load(folder, backend="torch", precision="float32"),
        "torch bfloat16": fabnet.load(folder, backend="torch", precision="bfloat16"),
        "onnx float32": fabnet.load(onnx),
        "onnx int8": fabnet.load(int8),
    }


def crops_of(store: Path, count: int) -> list[np.ndarray]:
    rows = np.arange(count) % open_store(store).num_rows
    images = open_store(store).read_images(rows)
    return [np.ascontiguousarray(decode_jpeg(data)[:, :, ::-1]) for data in images]


def flop(size: int) -> float:
    """Of an image in the encoder."""
    layers = [layer for layer in PlainEncoder(size, WIDTH) if isinstance(layer, nn.Conv2d)]
    return float(sum(2 * layer.weight.numel() * (size >> i + 1) ** 2 for i, layer in enumerate(layers)))


def plainly(size: int, batch_size: int) -> Callable[[], object]:
    encoder, images = PlainEncoder(size, WIDTH).eval(), torch.rand(batch_size, 3, size, size)
    return torch.no_grad()(partial(encoder, images))


def in_memory(store: Path, scratch: Path, rounds: int) -> None:
    ceilings = {"float32": matrix_ceiling(), "bfloat16": matrix_ceiling(torch.bfloat16)}
    print("matrix product:", ", ".join(f"{name} {value / 1e9:.0f} GFLOP/s" for name, value in ceilings.items()))
    for size, count in NUM_CROPS.items():
        crops = crops_of(store, count)
        plain = {f"plain encoder, {each} at once": (plainly(size, each), each) for each in (8, 32)}
        ours = {
            name: (partial(encoder.embed, crops), count) for name, encoder in encoders_of(size, store, scratch).items()
        }
        work = plain | ours
        timings = interleaved({name: call for name, (call, _) in work.items()}, rounds=rounds)
        each = {name: Timing(tuple(s / work[name][1] for s in timing.seconds)) for name, timing in timings.items()}
        for name, timing in each.items():
            line = f"{size} px, {name}: {timing.rate(1)} faces/s"
            if name in ours:
                line += ", " + ", ".join(f"{ratio(each[other], timing)} of the {other}" for other in plain)
            precision = name.split()[-1] if name in ours else "float32"
            of = "bfloat16" if precision == "int8" else precision
            print(f"{line}; {flop(size) / timing.median / ceilings[of]:.2f} of the {of} matrix product", flush=True)


def from_files(store: Path, scratch: Path, rounds: int) -> None:
    for size, count in NUM_FILES.items():
        inputs = sources(store, scratch / f"crops{size}", count)
        crops = crops_of(store, count)
        for name, encoder in encoders_of(size, store, scratch).items():
            if name == "onnx float32":
                continue
            for kind, source in inputs.items():
                out = scratch / "out.lance"
                timings = interleaved(
                    {
                        "decode": partial(decode, kind, source, encoder),
                        "encode": partial(encoder.embed, crops),
                        "both": partial(fabnet.embed, [source], out, model=encoder, crop="none"),
                    },
                    rounds=rounds, warm_up=1, at_least_s=0,
                )  # fmt: skip
                slower = max(timings["decode"], timings["encode"], key=lambda timing: timing.median)
                one_by_one = Timing(tuple(map(sum, zip(timings["decode"].seconds, timings["encode"].seconds))))  # noqa: B905
                alone = {each: f"{count / timings[each].median:.0f}" for each in ("decode", "encode")}
                print(
                    f"{size} px, {name}, from {kind}: {timings['both'].rate(count)} faces/s; decoding alone "
                    f"{alone['decode']}, encoding alone {alone['encode']}; {ratio(slower, timings['both'])} of the "
                    f"slower, {ratio(one_by_one, timings['both'])} of one after the other, each on all cores",
                    flush=True,
                )


def sources(store: Path, folder: Path, count: int) -> dict[str, Path]:
    """The same crops as JPEG files, as a store and as a video."""
    files, video = folder / "files", folder / "crops.mp4"
    files.mkdir(parents=True)
    repeat(store, folder / "store", count)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), 25, (256, 256))
    for i, data in enumerate(open_store(folder / "store").read_images(range(count))):
        (files / f"{i:05d}.jpg").write_bytes(data)
        writer.write(decode_jpeg(data))
    writer.release()
    return {"files": files, "a store": folder / "store", "a video": video}


def decode(kind: str, source: Path, encoder: Embedder) -> None:
    """Read and decode, as `fabnet.embed` does, and no more."""
    if kind == "a video":
        for _ in read_frames(source):
            pass
        return
    inputs: list[Input] = list(list_inputs([source]).found)
    items = read_items(inputs, EmbedOptions(crop="none"), spec=encoder.crop_spec)

    def pictures(batch: list[Item | Failure | Remark]) -> list[Item | Failure]:
        return [decoded(each, min_side=encoder.sharp_side) for each in batch if isinstance(each, Item)]

    for batch in in_threads(pictures, batched(items, encoder.at_once(64))):
        assert not any(isinstance(each, Failure) for each in batch)


def repeat(store: Path, out: Path, count: int) -> None:
    """A store of `count` rows, the first ones of another over and over."""
    dataset = lance.dataset(str(store))

    def batches() -> Iterator[pa.RecordBatch]:
        left = count
        while left:
            for batch in dataset.to_batches(batch_size=512, scan_in_order=True):
                part = batch.slice(0, min(left, batch.num_rows))
                left -= part.num_rows
                if part.num_rows:
                    yield part

    lance.write_dataset(pa.RecordBatchReader.from_batches(dataset.schema, batches()), str(out))


EMBED = """
import resource, sys, fabnet
done = fabnet.embed([sys.argv[1]], sys.argv[2])
print(done.embedded, done.faces_per_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def growth(store: Path, scratch: Path) -> None:
    for count in (10_000, 100_000):
        repeat(store, scratch / "many", count)
        command = [sys.executable, "-c", EMBED, str(scratch / "many"), str(scratch / "many-embedded.lance")]
        done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        print(f"a store of {done[0]} rows: peak memory {float(done[2]):.0f} MiB, {done[1]} faces/s", flush=True)
        shutil.rmtree(scratch / "many")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="a track store of real crops")
    parser.add_argument(
        "--cases", nargs="+", choices=("memory", "files", "growth"), default=["memory", "files", "growth"]
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if "memory" in options.cases:
            in_memory(options.store, Path(folder), options.rounds)
        if "files" in options.cases:
            from_files(options.store, Path(folder), options.rounds)
        if "growth" in options.cases:
            growth(options.store, Path(folder))


if __name__ == "__main__":
    main()
