"""Searching a million embeddings: build time, memory, time a query, recall@10 against exact; FAISS on the same vectors.

How the million is made: every crop of the store is embedded under 12 random augmentations (shifted by up to 7 % of its
side each way, scaled by 0.86 to 1.16, mirrored half of the time, colours gained by 0.63 to 1.43 and shifted by up to
20 of 255). One of the 12 is kept for queries. A vector of the gallery is one of the other 11 of a crop, plus the
difference between two of the 11 of another crop: a real embedding, moved as a real augmentation moves embeddings.

Each thing that is measured runs in a process of its own, so that its peak memory is its own.

Run: python benchmarks/search.py STORE --work DIR [--rows 1000000]     (the augmented embeddings stay in DIR)
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import lance
import numpy as np
import pyarrow as pa
from measure import memory_mib

import fabnet
from fabnet.faces.window import Window, decode_jpeg, view
from fabnet.retrieval.filters import not_of
from fabnet.retrieval.gallery import PROBED, REFINED, ROWS_A_PARTITION, SAMPLE_RATE, SUB_VECTOR, Gallery
from fabnet.runtime.progress import progress

AUGMENTED = 12
CROP_PX = 128
ROWS_AT_ONCE = 20_000
K = 10
NUM_WARM = 5
Result = TypeVar("Result")


def augmented(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A crop, (H, W, 3) uint8, to (128, 128, 3) uint8: moved, scaled, mirrored, other colours."""
    shift_x, shift_y = generator.uniform(-0.07, 0.07, 2).tolist()
    scale = float(np.exp(generator.uniform(-0.15, 0.15)))
    window = Window(0.5, 0.5, 1.0).moved(shift_x, shift_y, scale)
    cut = view(image, window, CROP_PX, flip=bool(generator.random() < 0.5))
    gains, offset = generator.uniform(0.7, 1.3) * generator.uniform(0.9, 1.1, 3), generator.uniform(-20, 20)
    return np.asarray((cut * gains + offset).clip(0, 255).astype(np.uint8))


def real_embeddings(store: Path, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, 12, D) float32 of a store's crops, and their (N,) identities; embedded once."""
    tracks = fabnet.open_store(store)
    everything = range(tracks.num_rows)
    identities = np.array(tracks.read_rows(everything, ["identity"]).column("identity").to_pylist())
    file = work / "augmented.npy"
    if not file.is_file():
        encoder, generator, parts = fabnet.load("small"), np.random.default_rng(0), []
        with progress("embedding augmented crops", total=len(everything) * AUGMENTED, unit="crops") as bar:
            for first in range(0, len(everything), 32):
                stored = tracks.read_images(everything[first : first + 32])
                crops = [decode_jpeg(data, min_side=CROP_PX)[:, :, ::-1] for data in stored]
                views = [augmented(crop, generator) for crop in crops for _ in range(AUGMENTED)]
                parts.append(encoder.embed(views).reshape(len(crops), AUGMENTED, -1))
                bar.advance(len(views))
        np.save(file, np.concatenate(parts))
    return np.load(file), identities


def gallery_vectors(real: np.ndarray, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of crops (n,) and vectors (n, D) float32, as the head of this file says."""
    generator = np.random.default_rng(1)
    for first in range(0, rows, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, rows - first)
        crop, other = generator.integers(0, len(real), (2, count))
        one, begin = generator.integers(1, AUGMENTED, (2, count))
        end = (begin - 1 + generator.integers(1, AUGMENTED - 1, count)) % (AUGMENTED - 1) + 1  # another than begin
        yield crop, real[crop, one] + real[other, end] - real[other, begin]


def write_gallery(real: np.ndarray, identities: np.ndarray, rows: int, path: Path) -> None:
    schema = pa.schema(
        [(name, pa.string()) for name in ("id", "identity", "video")]
        + [("embedding", pa.list_(pa.float32(), real.shape[2]))]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        place = 0
        for crop, vectors in gallery_vectors(real, rows):
            names = pa.array([str(each) for each in range(place, place + len(crop))])
            people = pa.array(identities[crop])
            embeddings = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
            yield pa.RecordBatch.from_arrays([names, people, people, embeddings], schema=schema)
            place += len(crop)

    shutil.rmtree(path, ignore_errors=True)
    lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), str(path))


class Queries(NamedTuple):
    """Embeddings of augmented crops that are not in the gallery, (Q, D), and whose they are, (Q,)."""

    vectors: np.ndarray
    identities: np.ndarray


class Answers(NamedTuple):
    """(Q, 10) rows found, (Q,) seconds that each took, and the process's peak memory in MiB."""

    rows: np.ndarray
    seconds: np.ndarray
    peak_mib: float


def asked(ask: Callable[[np.ndarray, str], list[int]], queries: Queries) -> Answers:
    """Ask one query after another; the first few once more before, to warm up."""
    found, seconds = [], []
    for number in [*range(NUM_WARM), *range(len(queries.vectors))]:
        began = time.perf_counter()
        found.append(ask(queries.vectors[number], str(queries.identities[number])))
        seconds.append(time.perf_counter() - began)
    return Answers(np.array(found[NUM_WARM:]), np.array(seconds[NUM_WARM:]), memory_mib())


def build(path: Path) -> tuple[float, float, float]:
    """Seconds, peak memory in MiB, and the size of the indices in MiB."""
    seconds = Gallery(path).build_index()
    size = sum(file.stat().st_size for file in (path / "_indices").rglob("*") if file.is_file())
    return seconds, memory_mib(), size / 2**20


def ask_gallery(path: Path, queries: Queries, use_index: bool, others: bool) -> Answers:
    gallery = Gallery(path)

    def ask(vector: np.ndarray, identity: str) -> list[int]:
        where = not_of([identity]) if others else None
        return [int(row["id"]) for row in gallery.nearest(vector, K, where=where, use_index=use_index)]

    return asked(ask, queries)


class FaissAnswers(NamedTuple):
    """Seconds to build, and answers by method: "exact" and "index", without and with the filter."""

    build_s: float
    answers: dict[str, Answers]


def ask_faiss(real: Path, identities: np.ndarray, rows: int, queries: Queries) -> FaissAnswers:
    """FAISS: flat, and IVF-PQ of the same partitions, codes, probes and exact re-ranking."""
    import faiss

    parts = list(gallery_vectors(np.load(real), rows))
    crops, vectors = np.concatenate([crop for crop, _ in parts]), np.concatenate([part for _, part in parts])
    del parts
    faiss.normalize_L2(vectors)
    owners = identities[crops]
    dim = vectors.shape[1]
    flat = faiss.IndexFlatIP(dim)
    flat.add(vectors)
    num_lists = round(rows / ROWS_A_PARTITION)
    began = time.monotonic()
    coarse = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFPQ(coarse, dim, num_lists, dim // SUB_VECTOR, 8, faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(2).choice(rows, min(rows, max(SAMPLE_RATE * num_lists, 10_000)), replace=False)
    index.train(vectors[sample])
    index.add(vectors)
    build_s = time.monotonic() - began
    refined = faiss.IndexRefineFlat(index, faiss.swig_ptr(vectors))
    selectors = {}
    for name in np.unique(queries.identities):
        own = np.flatnonzero(owners == name)
        selectors[str(name)] = faiss.IDSelectorNot(faiss.IDSelectorBatch(own))

    def ask_flat(vector: np.ndarray, identity: str, others: bool) -> list[int]:
        params = faiss.SearchParameters(sel=selectors[identity]) if others else None
        return list(flat.search(unit(vector), K, params=params)[1][0])

    def ask_index(vector: np.ndarray, identity: str, others: bool) -> list[int]:
        chosen = {"sel": selectors[identity]} if others else {}
        inner = faiss.SearchParametersIVF(nprobe=PROBED, **chosen)
        params = faiss.IndexRefineSearchParameters(k_factor=REFINED, base_index_params=inner)
        return list(refined.search(unit(vector), K, params=params)[1][0])

    answers = {}
    for method, ask in (("exact", ask_flat), ("index", ask_index)):
        for others in (False, True):
            name = f"{method}, other identities" if others else method
            answers[name] = asked(partial(ask, others=others), queries)
    return FaissAnswers(build_s, answers)


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)[None]


def apart(call: Callable[..., Result], *args: object) -> Result:
    """Call in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *args).result()


def line(name: str, answers: Answers, truth: Answers | None = None) -> None:
    milliseconds = 1e3 * answers.seconds
    text = f"{name}: {np.median(milliseconds):.1f} ms a query (95 % under {np.percentile(milliseconds, 95):.1f})"
    if truth is not None:
        shared = [len(set(one) & set(other)) / K for one, other in zip(answers.rows, truth.rows, strict=True)]
        text += f", recall@{K} {np.mean(shared):.3f}"
    print(f"{text}, peak {answers.peak_mib:,.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=40)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    real, identities = real_embeddings(options.store, options.work)
    chosen = np.random.default_rng(3).integers(0, len(real), options.queries)
    queries = Queries(real[chosen, 0], identities[chosen])
    path = options.work / "gallery.lance"
    began = time.monotonic()
    write_gallery(real, identities, options.rows, path)
    print(f"{options.rows:,} rows of {real.shape[2]} numbers from {real[:, 1:, 0].size:,} real embeddings, ", end="")
    print(f"written in {time.monotonic() - began:.1f} s")
    seconds, peak, size = apart(build, path)
    print(f"index built in {seconds:.1f} s, peak {peak:,.0f} MiB, {size:.0f} MiB on disk", flush=True)
    truths = {}
    for others in (False, True):
        name = ", other identities" if others else ""
        truths[name] = apart(ask_gallery, path, queries, False, others)
        line(f"exact{name}", truths[name])
        line(f"index{name}", apart(ask_gallery, path, queries, True, others), truths[name])
    if importlib.util.find_spec("faiss") is None:
        print("faiss is not installed: pip install faiss-cpu to compare")
        return
    faiss_build_s, answers = apart(ask_faiss, options.work / "augmented.npy", identities, options.rows, queries)
    print(f"FAISS: index built in {faiss_build_s:.1f} s")
    for name, answer in answers.items():
        line(f"FAISS {name}", answer, truths[name.removeprefix("exact").removeprefix("index")])


if __name__ == "__main__":
    main()
