"""Faces and their nearest neighbours, by the cosine of their embeddings: the paper's Figure 5."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib.figure
import numpy as np

from fabnet.encoders.digest import model_digest
from fabnet.errors import InputError, ModelError
from fabnet.faces.picture import decode_picture
from fabnet.files.places import as_place
from fabnet.options import Options, takes
from fabnet.paper.figures.files import BLUE, WIDTH_IN, FigureResult, facts_of, figures_folder, write_figure
from fabnet.paper.figures.panels import panel, say
from fabnet.probes.retrieval.ranking import unit
from fabnet.reporting.pictures import square
from fabnet.retrieval.gallery import Gallery
from fabnet.store.track_store import open_store
from fabnet.training.train import read_run, store_of

__all__ = ["RetrievalOptions", "retrieval_figure"]

NUM_QUERIES = 4
NUM_NEAREST = 7
HEAD_IN, LINE_IN, GAP_IN, APART_IN = 0.2, 0.15, 0.05, 0.14
"""Heights above the rows and under each row, gap between panels, gap after the queries."""
SIDE_IN = (WIDTH_IN - APART_IN) / (NUM_NEAREST + 1) - GAP_IN
SHOWN_PX = 192
WHO = {"train": "training people", "val": "validation people", "test": "test people", "all": "all faces"}

COLUMNS = ("id", "identity", "embedding")

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RetrievalOptions(Options):
    """The options of the figure of nearest neighbours."""

    split: Literal["train", "val", "test", "all"] = "val"
    """Only faces of tracks in this split of the run's store; all: every face of the dataset."""
    sample: int = 10_000
    """Upper bound of faces, which are drawn at random."""
    same_identity: bool = False
    """Rank the query's own person too; by default other people only."""
    query: tuple[str, ...] = ()
    """Ids of query rows; by default some of the sample, drawn at random, each of another person."""
    seed: int = 0
    """Seed of the draws."""
    out: Path | None = None
    """Folder to write to; by default report/figures in the run."""

    def check(self) -> None:
        """Check the number of faces."""
        if self.sample < 2:
            raise InputError(f"sample must be 2 faces or more; got {self.sample}")


@takes(RetrievalOptions)
def retrieval_figure(
    model: str | Path, embeddings: str | Path, options: RetrievalOptions | None = None, **changes: Any
) -> FigureResult:
    """Draw rows of a face and its nearest neighbours.

    Queries and gallery are a random sample of an embeddings dataset. The paper's section 5.3 uses 10,000 test images
    and ranks all others for a query by cosine, of any person (`split="test", same_identity=True`).

    Args:
        model: a run, or the model that the dataset was made with.
        embeddings: a Lance dataset from `fabnet.embed` with this model, with thumbnails.
        options: all options as one object; or give them by name.

    Raises:
        StoreError: there is no such dataset.
        ModelError: it was made with another model, or `split` needs a run and the model is not one.
        InputError: it has no thumbnails, no faces of this split, no other people or no such id; or the model is not a
            run and `out` is None.
        OutputError: a file cannot be written.
    """
    options = RetrievalOptions.of(options, changes)
    folder = figures_folder(model, options.out)
    split, same_identity = options.split, options.same_identity
    gallery = Gallery(embeddings)
    digest = model_digest(model)
    if gallery.model_digest not in (None, digest):
        raise ModelError(
            f"{embeddings} was made with another model ({gallery.model}) than {model}: run fabnet embed ... --model "
            f"{model}"
        )
    if not gallery.has_thumbnails:
        raise InputError(f"{embeddings} has no thumbnails to draw: embed again with thumbnails")
    generator = np.random.default_rng(options.seed)
    numbers = _faces_of(gallery, None if split == "all" else _tracks_of(as_place(model), split))
    if not len(numbers):
        raise InputError(
            f"{embeddings} has no faces of the run's {WHO[split]}: embed the run's store, or give --split all"
        )
    drawn = np.sort(generator.permutation(numbers)[: options.sample])
    taken = gallery.take(drawn.tolist(), COLUMNS)
    rows = [{**row, "number": number} for row, number in zip(taken, drawn.tolist(), strict=True)]
    asked = _named(gallery, options.query) if options.query else _drawn(rows, generator)
    vectors = unit(np.array([row["embedding"] for row in rows], dtype=np.float32))
    lines = [(each, _nearest(each, rows, vectors, same_identity=same_identity)) for each in asked]
    for row in (row for asker, nearest in lines for row in (asker, *nearest)):
        data = row["thumbnail"] if "thumbnail" in row else gallery.take([row["number"]], ["thumbnail"])[0]["thumbnail"]
        row["picture"] = decode_picture(data)
    ranked = "of any person" if same_identity else "of other people"
    caption = [
        f"Faces and their nearest neighbours {ranked}, by the cosine of {Path(model).name}'s embeddings.",
        f"The framed face is the query, the numbers are cosines; {len(rows):,} faces of {Path(embeddings).name} "
        f"({WHO[split]}), drawn at random from {len(numbers):,}, are ranked.",
        "The queries were named." if options.query else "The queries were drawn at random, each of another person.",
    ]
    facts = facts_of(
        "retrieval", model, {"embeddings": embeddings, **vars(options)},
        data=f"{Path(embeddings).name}, {WHO[split]}, {len(rows):,} faces", seed=str(options.seed),
    )  # fmt: skip
    shown = [
        {
            "query": asker["id"],
            "nearest": [
                {"id": row["id"], "identity": row["identity"], "similarity": row["similarity"]} for row in nearest
            ],
        }
        for asker, nearest in lines
    ]
    return write_figure(
        lambda figure: _draw(figure, lines), height_in=HEAD_IN + len(lines) * (SIDE_IN + LINE_IN),
        folder=folder, name="retrieval", caption=caption, facts=facts, shown=shown,
    )  # fmt: skip


def _tracks_of(run: Path, split: str) -> set[tuple[str, str, str]]:
    """Identity, video and track of each track in a split of a run's store."""
    try:
        _, store = read_run(run)
    except ModelError as error:
        raise ModelError(
            f"only a run's store knows the faces of split {split} ({error}): give a run, or --split all"
        ) from None
    index = open_store(store_of(run, store)).index(split, min_frames=1)
    return set(zip(index.identity.tolist(), index.video.tolist(), index.track.tolist(), strict=True))


def _faces_of(gallery: Gallery, tracks: set[tuple[str, str, str]] | None) -> np.ndarray:
    """(N,) int64 numbers of the rows with an embedding in one of the tracks (None: in any)."""
    found: list[int] = []
    first = 0
    for batch in gallery.scan(["reason", "identity", "video", "track"]):
        reasons, *names = (batch.column(i).to_pylist() for i in range(4))
        found += [
            first + i
            for i, (reason, *name) in enumerate(zip(reasons, *names, strict=True))
            if not reason and (tracks is None or tuple(name) in tracks)
        ]
        first += batch.num_rows
    return np.array(found, dtype=np.int64)


def _named(gallery: Gallery, ids: tuple[str, ...]) -> list[Row]:
    rows = gallery.rows(ids, [*COLUMNS[1:], "thumbnail"])
    empty = [row["id"] for row in rows if row["embedding"] is None]
    if empty:
        raise InputError(f"row {empty[0]} of {gallery.path} has no embedding, so it cannot be a query")
    return rows


def _drawn(rows: list[Row], generator: np.random.Generator) -> list[Row]:
    """Draw rows at random, each of another person."""
    chosen: dict[str, Row] = {}
    for index in generator.permutation(len(rows)).tolist():
        chosen.setdefault(rows[index]["identity"], rows[index])
        if len(chosen) == NUM_QUERIES:
            break
    return list(chosen.values())


def _nearest(asked: Row, rows: list[Row], vectors: np.ndarray, *, same_identity: bool) -> list[Row]:
    """The rows most similar to a query, in descending order, with their `similarity`."""
    similarity = vectors @ unit(np.array([asked["embedding"]], dtype=np.float32))[0]
    key = "id" if same_identity else "identity"
    is_ranked = np.array([row[key] != asked[key] for row in rows])
    if not is_ranked.any():
        raise InputError(f"all faces are of the query's person, {asked['identity']}; give --same-identity to rank them")
    order = np.argsort(np.where(is_ranked, -similarity, np.inf), kind="stable")[: min(NUM_NEAREST, is_ranked.sum())]
    return [{**rows[index], "similarity": float(similarity[index])} for index in order.tolist()]


def _draw(figure: matplotlib.figure.Figure, lines: list[tuple[Row, list[Row]]]) -> None:
    say(figure, SIDE_IN / 2, 0.09, "query", colour=BLUE, size=7)
    say(figure, SIDE_IN + APART_IN + GAP_IN, 0.09, "nearest, by rank", align="left", size=7)
    for row, (asked, nearest) in enumerate(lines):
        top = HEAD_IN + row * (SIDE_IN + LINE_IN)
        panel(figure, 0.015, top, SIDE_IN - 0.015, _shown(asked["picture"]), frame=BLUE)
        for column, each in enumerate(nearest):
            left = SIDE_IN + APART_IN + GAP_IN + column * (SIDE_IN + GAP_IN)
            panel(figure, left, top, SIDE_IN, _shown(each["picture"]))
            say(figure, left + SIDE_IN / 2, top + SIDE_IN + 0.07, f"{each['similarity']:.3f}", size=6)


def _shown(picture: np.ndarray | None) -> np.ndarray:
    return np.full((SHOWN_PX, SHOWN_PX, 3), 230, np.uint8) if picture is None else square(picture, SHOWN_PX)
