"""`fabnet embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

from fabnet.files.folder import left_out_lines
from fabnet.reading.embed import EmbedResult, embed
from fabnet.runtime.terminal import console

__all__ = ["run", "show"]


def run(
    inputs: tyro.conf.Positional[tuple[Path, ...]],
    out: Path,
    model: str = "small",
    crop: Literal["detect", "none"] = "detect",
    faces: Literal["largest", "all"] = "largest",
    fps: str = "all",
    format: Literal["lance", "parquet", "csv", "npy"] | None = None,
    detector: str = "mtcnn",
    min_face: float | None = None,
    attributes: bool = False,
    probe: tuple[Path, ...] = (),
    overlay: Path | None = None,
    thumbnails: bool = True,
    batch_size: int = 64,
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
) -> EmbedResult:
    """Turn photos, videos, folders or a store of face-tracks into embeddings: one row per face and frame.

    A frame without a face keeps a row, with an empty embedding and the reason. A file that cannot be read is
    listed at the end and does not stop the rest; the exit code is 0 if anything was embedded. All else that lies in a
    folder is counted by reason.

    Examples:
      fabnet embed photo.jpg --out faces.csv
      fabnet embed photo.jpg --attributes --out attributes.csv
      fabnet embed talk.mp4 --attributes --overlay overlay.mp4 --out talk.parquet
      fabnet embed album/ --faces all --out faces.parquet
      fabnet embed talk.mp4 --fps 5 --out talk.lance
      fabnet embed tracks.lance --model run --out tracks-embedded.lance
      fabnet embed talk.mp4 --model run --probe pose.safetensors --out pose.csv
      fabnet embed /shared/tracks.lance --model /shared/run --out faces.lance --engine ray --ray-address head:6379

    Args:
        inputs: photos, videos, folders of them (hidden files are left out), or a store; no two with the same name.
        out: the output, a Lance dataset or a file; with npy the other columns go to a .csv of the same name.
        model: a shipped name, a run, a checkpoint, an .onnx file, hf:OWNER/NAME, or a baseline
            (see fabnet probe --help).
        crop: detect finds faces first; none takes each picture as a face crop.
        faces: of each picture or frame, the largest or all.
        fps: frames per second taken from a video, or all.
        format: of the output; by default what the name of --out says, else lance.
        detector: what finds faces: mtcnn, yunet, uniface or yunet:FILE.onnx.
        min_face: side of the smallest face looked for, in pixels; by default 1/64 of a photo's longer side, 1/16 of a
            video's, at least 20. Smaller takes longer.
        attributes: read head pose, landmarks, expression, action units, smile, mouth and eyes off the embeddings, by
            the probes that the model carries (small does): further columns, see docs/attributes.md.
        probe: files that fabnet probe --save wrote for this model; what they predict becomes further columns.
        overlay: write the video, the only input, with what was read drawn over its faces to this .mp4, without sound.
        thumbnails: keep a small picture of each face in a Lance dataset, for search to show.
        batch_size: largest number of faces at once.
        device: for models that run on torch: auto, cpu, cuda or cuda:N.
        precision: likewise; auto is bfloat16 where the processor has instructions for it, which is twice as fast.
        engine: this process, or ray: a Ray cluster (docs/cluster.md); the same command goes on after a stop.
        ray_address: HOST:PORT of a running cluster; by default $RAY_ADDRESS, else a Ray of this machine's own.
    """
    from fabnet.errors import InputError

    try:
        rate = None if fps == "all" else float(fps)
    except ValueError:
        raise InputError(f"--fps takes a number or all; got {fps!r}") from None
    return embed(
        list(inputs), out, model=model, crop=crop, faces=faces, fps=rate, file_format=format,
        detector=detector, min_face=min_face, attributes=attributes, probes=probe, overlay=overlay,
        thumbnails=thumbnails, batch_size=batch_size, device=device, precision=precision, engine=engine,
        ray_address=ray_address,
    )  # fmt: skip


def show(result: EmbedResult) -> None:
    """Print what was embedded for people."""
    from rich.table import Table

    table = Table("", "", title=f"embedded into {result.out}", show_header=False, title_justify="left")
    table.add_row("model", f"{result.model} ({result.backend}, {result.precision})")
    table.add_row("rows", f"{result.rows:,}")
    table.add_row("with an embedding", f"{result.embedded:,}")
    table.add_row("without a face", f"{result.without_face:,}")
    table.add_row("faces a second", f"{result.faces_per_s:,.1f}")
    if result.overlay is not None:
        table.add_row("overlay", str(result.overlay))
    for source, reason in result.failed:
        table.add_row(f"failed: {source}", reason)
    terminal = console()
    terminal.print(table)
    for line in left_out_lines(result.left_out):
        terminal.print(line, highlight=False)
