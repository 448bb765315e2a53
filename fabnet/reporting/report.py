"""`fabnet report`: a run as one self-contained page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from fabnet.embedding.embedder import find_model
from fabnet.models.model_folder import read_card
from fabnet.output import written_whole
from fabnet.reporting.pictures import beside, data_uri, flow_legend, svg
from fabnet.reporting.reconstructions import reconstruction_strips
from fabnet.reporting.timeline import video_timeline
from fabnet.sampling.window import decode_jpeg
from fabnet.tracks import TrackStore, open_store
from fabnet.training import read_run
from fabnet.training.run_log import read_metrics

__all__ = ["ReportResult", "report"]

SAMPLE_TRACKS = 12
SAMPLE_FACES = 8
SAMPLE_PX = 64


@dataclass(frozen=True)
class ReportResult:
    """Where the page is.

    Attributes:
        page: the HTML file; it needs nothing else.
    """

    page: Path

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"page": str(self.page)}


def report(run: str | Path, *, out: str | Path | None = None, video: str | Path | None = None) -> ReportResult:
    """Show a run: its tracks, its training curve, what it makes of unseen people, and a video over time.

    Args:
        run: a run folder.
        out: folder to write `index.html` to; None: `report` in the run.
        video: a video to follow over time; None: none.

    Returns:
        Where the page is.

    Raises:
        ModelError: the folder is no run, or has no checkpoint.
        StoreError: the run's store is missing.
        VideoError: the video cannot be read.
        OutputError: the page cannot be written.
    """
    run = Path(run)
    config, store_path = read_run(run)
    model = find_model(run)
    store = open_store(store_path)
    summary = store.summary()
    environment = Environment(loader=PackageLoader("fabnet.reporting", "."), autoescape=True, undefined=StrictUndefined)
    content = environment.get_template("page.html").render(
        run=run.name,
        config=config.to_json(),
        training=read_card(model).training,
        store=summary,
        is_moments=store.settings.get("splits") == "moments",
        curve=_curve(read_metrics(run)),
        tracks=_sample_tracks(store),
        strips=reconstruction_strips(model, store),
        legend=data_uri(flow_legend()),
        video=None if video is None else Path(video).name,
        timeline=[] if video is None else video_timeline(Path(video), run),
    )
    page = (run / "report" if out is None else Path(out)) / "index.html"
    with written_whole(page) as partial:
        partial.write_text(content, encoding="utf-8")
    return ReportResult(page)


def _curve(metrics: list[dict[str, float]]) -> str:
    """Training and validation loss over pairs seen, as SVG."""
    figure = matplotlib.figure.Figure(figsize=(8, 3.2))
    axes = figure.subplots()
    for name, colour, label in (
        ("train_loss", "#94a3b8", "training"),
        ("val_loss", "#2563eb", "validation"),
        ("val_loss_unwarped", "#ef4444", "validation, source left as it is"),
    ):
        points = [(row["pairs_seen"], row[name]) for row in metrics if name in row and np.isfinite(row[name])]
        if points:
            pairs, losses = zip(*points, strict=True)
            axes.plot(pairs, losses, color=colour, label=label, marker="." if name != "train_loss" else None)
    axes.set_xlabel("pairs seen")
    axes.set_ylabel("mean absolute difference")
    axes.legend(frameon=False, labelcolor="#777777")
    return svg(figure)


def _sample_tracks(store: TrackStore) -> list[dict[str, Any]]:
    """Some tracks, evenly over the store, each as a row of faces evenly over the track."""
    index = store.index(min_frames=1)
    chosen = np.linspace(0, len(index.starts) - 1, min(SAMPLE_TRACKS, len(index.starts))).round().astype(int)
    tracks = []
    for place in chosen.tolist():
        start, length = int(index.starts[place]), int(index.lengths[place])
        rows = start + np.linspace(0, length - 1, min(SAMPLE_FACES, length)).round().astype(int)
        images = [np.ascontiguousarray(decode_jpeg(data)[:, :, ::-1]) for data in store.read_images(rows)]
        name = " / ".join(str(names[place]) for names in (index.identity, index.video, index.track))
        split = str(index.split[place])
        picture = data_uri(beside(images, side=SAMPLE_PX))
        tracks.append({"name": name, "split": split, "faces": length, "picture": picture})
    return tracks
