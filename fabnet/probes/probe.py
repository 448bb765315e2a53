"""`fabnet probe`: measures what an embedding encodes, by linear probes on frozen features or by nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load
from fabnet.encoders.saved_probe import save_probes
from fabnet.errors import InputError
from fabnet.faces.crop import CropSpec
from fabnet.faces.window import Window
from fabnet.files.places import cache_folder, local
from fabnet.options import takes
from fabnet.probes.cache import Cache
from fabnet.probes.direct import Direct, load_direct
from fabnet.probes.evaluate import Scored, score_features
from fabnet.probes.faces import find_faces
from fabnet.probes.features import embed_faces
from fabnet.probes.intervals import figure_rows
from fabnet.probes.keep import last_probe
from fabnet.probes.options import ProbeOptions
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.retrieval.score import ranked_protocol, score_retrieval, with_identity
from fabnet.reading.rows import check_attributes
from fabnet.version import VERSION, code_commit

__all__ = ["ProbeReport", "probe"]


@dataclass(frozen=True, slots=True, eq=False)
class ProbeReport:
    """The scores of a model on a protocol.

    Attributes:
        protocol: name of the benchmark.
        split: the split that was scored.
        model: name of the model, as given.
        embedding_dim: D; None without an embedding.
        objective: objective that the model was trained with; None without an embedding.
        data: name of the data folder.
        num_faces: number of faces of the benchmark.
        num_not_found: number of faces that the detector did not find, which are scored on the whole image.
        left_out: labelled images that cannot be read: (name, reason).
        seeds: number of seeds of the probe.
        scored: one per task and probe.
        rows: one per figure: task, metric, value, low, high, n, people, probe, headline; n and people count those with
            a label of the task; for points, those whose error is defined.
    """

    protocol: str
    split: str
    model: str
    embedding_dim: int | None
    objective: str | None
    data: str
    num_faces: int
    num_not_found: int
    left_out: tuple[tuple[str, str], ...]
    seeds: int
    scored: tuple[Scored, ...]
    rows: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {
            "protocol": self.protocol,
            "split": self.split,
            "model": self.model,
            "embedding_dim": self.embedding_dim,
            "objective": self.objective,
            "data": self.data,
            "faces": self.num_faces,
            "faces_not_found": self.num_not_found,
            "left_out": [{"file": file, "reason": reason} for file, reason in self.left_out],
            "seeds": self.seeds,
            "date": date.today().isoformat(),
            "commit": code_commit(),
            "fabnet": VERSION,
            "results": list(self.rows),
        }


@takes(ProbeOptions)
def probe(
    model: str | Path | Embedder,
    protocol: str | Path,
    data: str | Path,
    options: ProbeOptions | None = None,
    **changes: Any,
) -> ProbeReport:
    """Score what an encoder's embedding encodes.

    The encoder stays frozen; for each task of a protocol a linear probe is fitted on its features, chosen on other
    people and scored on yet others.

    Args:
        model: a model as in `fabnet.load`, or an encoder from it; or one of `fabnet.probes.direct.DIRECT`, which has no
            embedding and serves as a reference.
        protocol: a name in `fabnet.probes.protocols.PROTOCOLS`, or a CSV file of labels; the prefix "retrieval:" ranks
            its faces for each other instead of fitting probes, and "retrieval" alone ranks those of youtube-faces.
        data: the protocol's folder.
        options: all options as one object; or give them by name.

    Returns:
        The figures, with 95 % intervals by bootstrap over people (faces, if people are unnamed).

    Raises:
        InputError: a file is missing or invalid, or a part of the split is empty.
        ModelError: the model is missing or damaged.
    """
    options = ProbeOptions.of(options, changes)
    save, split, seeds = options.save, options.split, options.seeds
    ranked = ranked_protocol(str(protocol))
    benchmark = read_benchmark(ranked or str(protocol), Path(data))
    if ranked is not None:
        benchmark = with_identity(benchmark)
    kept = Cache(local(options.cache or cache_folder(), "caches"))
    direct = None if isinstance(model, Embedder) else load_direct(str(model), device=options.device)
    encoder = direct or (model if isinstance(model, Embedder) else load(model, device=options.device))
    if ranked is not None and (save is not None or direct is not None):
        lacks = f"{model} has no embedding to rank faces by" if direct is not None else "it fits no probe to save"
        raise InputError(f"protocol {protocol}: {lacks}")
    if save is not None:
        _check_saveable(model, encoder)
        check_attributes([field for task in benchmark.tasks for field in task.fields()])
    crops = find_faces(
        benchmark, detector=options.detector, min_face=options.min_face, cache=kept, num_workers=options.num_workers
    )
    if direct is not None:
        scored = direct.score(benchmark, crops, split=split, seeds=seeds)
    else:
        assert isinstance(encoder, Embedder)
        digest = None if isinstance(model, Embedder) else model_digest(str(model))
        features = embed_faces(encoder, benchmark, crops, digest=digest, cache=kept)
        seen_px = crops.seen_px(Window(*encoder.card.window))
        if ranked is not None:
            scored = score_retrieval(features, benchmark, split=split, variants=options.variant, pca=encoder.pca)
        else:
            scored = [
                each
                for name in options.kinds
                for each in score_features(
                    features, benchmark, seen_px, split=split, probe=name, seeds=seeds, pca=encoder.pca
                )
            ]
        if save is not None:
            fitted = [
                last_probe(options.kinds[-1], task, features, benchmark, seen_px, digest or "given")
                for task in benchmark.tasks
            ]
            save_probes(fitted, save)
    return ProbeReport(
        protocol=benchmark.name if ranked is None else f"retrieval:{benchmark.name}",
        split=split,
        model=str(model) if not isinstance(model, Embedder) else "given",
        embedding_dim=encoder.embedding_dim if isinstance(encoder, Embedder) else None,
        objective=encoder.card.objective if isinstance(encoder, Embedder) else None,
        data=Path(data).resolve().name,
        num_faces=len(benchmark.names),
        num_not_found=crops.num_not_found,
        left_out=benchmark.left_out,
        seeds=seeds if ranked is None else 1,
        scored=tuple(scored),
        rows=tuple(row for each in scored for row in figure_rows(each, benchmark)),
    )


def _check_saveable(model: str | Path | Embedder, encoder: Embedder | Direct) -> None:
    """Refuse to save a probe that `embed` cannot use."""
    if isinstance(encoder, Direct):
        raise InputError(f"{model} has no embedding, so there is no probe to save")
    if encoder.pca is not None:
        raise InputError(f"probes of {model} depend on components of this protocol's faces and cannot be saved")
    own, usual = encoder.card.crop or {}, CropSpec().to_json()
    for name in ("margin", "shift_x", "shift_y"):
        if own.get(name, usual[name]) != usual[name]:
            raise InputError(
                f"{model} was trained on crops of {name} {own[name]}, which embed makes for it, but its probes are "
                f"fitted on crops of {usual[name]}: they cannot be saved. Rebuild its store and train on that"
            )
