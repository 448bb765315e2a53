"""The ways to score a model on a benchmark, which are all used alike, and the choice between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from fabnet.encoders.digest import model_digest
from fabnet.encoders.embedder import Embedder
from fabnet.encoders.load_encoder import load, pinned
from fabnet.encoders.saved_probe import save_probes
from fabnet.errors import InputError
from fabnet.probes.benchmark import Benchmark
from fabnet.probes.cache import Cache
from fabnet.probes.direct import is_direct, load_direct
from fabnet.probes.evaluate import ProbeName, Scored, score_features
from fabnet.probes.faces import FaceCrops
from fabnet.probes.features import embed_faces
from fabnet.probes.keep import last_probe
from fabnet.probes.options import ProbeOptions
from fabnet.probes.parts import Split
from fabnet.probes.retrieval.score import ranked_protocol, score_retrieval
from fabnet.probes.retrieval.variants import Variant
from fabnet.reading.columns import check_attributes

__all__ = ["LinearScorer", "RetrievalScorer", "Scorer", "choose_scorer"]


class Scorer(Protocol):
    """A way to score a model: `LinearScorer`, `RetrievalScorer`, `ScratchScorer` or `LandmarkScorer`."""

    @property
    def encoder(self) -> Embedder | None:
        """The model; None if it has no embedding."""

    @property
    def prefix(self) -> str:
        """Prefix of the protocol's name in reports."""

    @property
    def seeds(self) -> int:
        """Number of seeds in reports."""

    def score(self, benchmark: Benchmark, crops: FaceCrops, split: Split) -> list[Scored]:
        """Score the model.

        Args:
            benchmark: labelled faces.
            crops: their crops.
            split: split to score on.

        Returns:
            One per task and probe, or per task and variant.

        Raises:
            InputError: the benchmark has no such split, or too few labels.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearScorer:
    """Scores an encoder by linear probes on its frozen features, and can save probes for `embed`."""

    encoder: Embedder
    """The encoder."""
    digest: str | None
    """Digest of the encoder's model; None: unknown, so that features are not cached."""
    cache: Cache
    """Cache of features."""
    probes: Sequence[ProbeName]
    """Names of the probes."""
    seeds: int
    """Number of seeds of the paper's probe."""
    save: Path | None = None
    """File for the fitted probes of the last kind in `probes`; None: none."""

    prefix: ClassVar[str] = ""

    def score(self, benchmark: Benchmark, crops: FaceCrops, split: Split) -> list[Scored]:
        """See `Scorer.score`; saves the probes afterwards."""
        features = embed_faces(self.encoder, benchmark, crops, digest=self.digest, cache=self.cache)
        seen_px = crops.seen_px(self.encoder.window)
        scored = []
        for name in self.probes:
            scored += score_features(
                features, benchmark, seen_px, split=split, probe=name, seeds=self.seeds, pca=self.encoder.pca
            )
        if self.save is not None:
            name, digest = self.probes[-1], self.digest or "given"
            fitted = [last_probe(name, task, features, benchmark, seen_px, digest) for task in benchmark.tasks]
            save_probes(fitted, self.save)
        return scored


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalScorer:
    """Scores an encoder by the nearest neighbours of each face among other people."""

    encoder: Embedder
    """The encoder."""
    digest: str | None
    """Digest of the encoder's model; None: unknown, so that features are not cached."""
    cache: Cache
    """Cache of features."""
    variants: Sequence[Variant]
    """Variants of the embedding."""

    prefix: ClassVar[str] = "retrieval:"
    seeds: ClassVar[int] = 1

    def score(self, benchmark: Benchmark, crops: FaceCrops, split: Split) -> list[Scored]:
        """See `Scorer.score`."""
        features = embed_faces(self.encoder, benchmark, crops, digest=self.digest, cache=self.cache)
        return score_retrieval(features, benchmark, split=split, variants=self.variants, pca=self.encoder.pca)


def choose_scorer(
    model: str | Path | Embedder,
    protocol: str,
    benchmark: Benchmark,
    options: ProbeOptions,
    cache: Cache,
) -> Scorer:
    """The way to score a model on a protocol; the model is loaded, and options that do not go together are refused.

    Args:
        model: see `fabnet.probe`.
        protocol: name of the protocol, as given.
        benchmark: its faces.
        options: options of `probe`.
        cache: cache of features.

    Raises:
        InputError: the protocol ranks faces and the model has no embedding, or probes are to be saved and there are
            none that `embed` can use.
        ModelError: the model is missing or corrupt.
    """
    is_ranked = ranked_protocol(protocol) is not None
    if not isinstance(model, Embedder) and is_direct(str(model)):
        if is_ranked:
            raise InputError(f"protocol {protocol}: {model} has no embedding to rank faces by")
        if options.save is not None:
            raise InputError(f"{model} has no embedding, so there is no probe to save")
        return load_direct(str(model), seeds=options.seeds, device=options.device, cache=cache)
    exact = model if isinstance(model, Embedder) else pinned(model)
    encoder = exact if isinstance(exact, Embedder) else load(exact, device=options.device)
    if is_ranked and options.save is not None:
        raise InputError(f"protocol {protocol}: it fits no probe to save")
    if options.save is not None:
        _check_saveable(model, encoder)
        check_attributes([field for task in benchmark.tasks for field in task.fields()])
    digest = None if isinstance(exact, Embedder) else model_digest(exact)
    if is_ranked:
        return RetrievalScorer(encoder=encoder, digest=digest, cache=cache, variants=options.variant)
    return LinearScorer(
        encoder=encoder, digest=digest, cache=cache, probes=options.kinds, seeds=options.seeds, save=options.save
    )


def _check_saveable(model: str | Path | Embedder, encoder: Embedder) -> None:
    """Refuse to save a probe that `embed` cannot use."""
    if encoder.pca is not None:
        raise InputError(f"probes of {model} depend on components of this protocol's faces and cannot be saved")
