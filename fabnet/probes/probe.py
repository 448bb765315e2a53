"""`fabnet probe`: measures what an embedding encodes, by linear probes on frozen features or by nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from fabnet.encoders.embedder import Embedder
from fabnet.faces.crop import CropSpec, framing_note
from fabnet.files.places import cache_folder, local
from fabnet.options import takes
from fabnet.probes.cache import Cache
from fabnet.probes.evaluate import Scored
from fabnet.probes.faces import find_faces
from fabnet.probes.intervals import figure_rows
from fabnet.probes.options import ProbeOptions
from fabnet.probes.protocols.registry import read_benchmark
from fabnet.probes.retrieval.score import ranked_protocol
from fabnet.probes.scorers import choose_scorer
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
        num_not_found: number of faces that the detector did not find.
        num_on_label: the ones of these that are scored on a crop of their labelled box; the others, on the whole image.
        left_out: labelled images that cannot be read: (name, reason).
        notes: remarks on the test set and the crop.
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
    num_on_label: int
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
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
            "faces_on_label": self.num_on_label,
            "left_out": [{"file": file, "reason": reason} for file, reason in self.left_out],
            "notes": list(self.notes),
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
    protocol = str(protocol)
    benchmark = read_benchmark(ranked_protocol(protocol) or protocol, Path(data))
    cache = Cache(local(options.cache or cache_folder(), "caches"))
    scorer = choose_scorer(model, protocol, benchmark, options, cache)
    spec = scorer.encoder.crop_spec if scorer.encoder else CropSpec()
    crops = find_faces(
        benchmark, detector=options.detector, min_face=options.min_face, cache=cache, num_workers=options.num_workers,
        spec=spec,
    )  # fmt: skip
    card = scorer.encoder.card if scorer.encoder and benchmark.seen_px is None else None
    note = framing_note(card.crop, card.window[1]) if card else None
    scored = scorer.score(benchmark, crops, options.split)
    return ProbeReport(
        protocol=scorer.prefix + benchmark.name,
        split=options.split,
        model=str(model) if not isinstance(model, Embedder) else "given",
        embedding_dim=scorer.encoder.embedding_dim if scorer.encoder else None,
        objective=scorer.encoder.card.objective if scorer.encoder else None,
        data=Path(data).resolve().name,
        num_faces=len(benchmark.names),
        num_not_found=crops.num_not_found,
        num_on_label=crops.num_on_label,
        left_out=benchmark.left_out,
        notes=benchmark.notes + ((note,) if note else ()),
        seeds=scorer.seeds,
        scored=tuple(scored),
        rows=tuple(row for each in scored for row in figure_rows(each, benchmark)),
    )
