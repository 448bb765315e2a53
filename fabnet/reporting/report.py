"""`fabnet report`: a run as one self-contained page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from fabnet.errors import InputError
from fabnet.faces.picture import png_bytes
from fabnet.faces.window import decode_jpeg
from fabnet.files.links import check_links
from fabnet.files.output import output_errors, written_whole
from fabnet.files.places import as_place, is_remote, local
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import read_card
from fabnet.options import Options, takes
from fabnet.reporting.charts import AXIS_IN, EDGE_IN, NARROW_IN, WIDE_IN, training_chart
from fabnet.reporting.names import track_name
from fabnet.reporting.pictures import data_uri, flow_legend, side_by_side, square
from fabnet.reporting.reconstructions import Strip, reconstructions
from fabnet.reporting.timeline import video_timeline
from fabnet.store.evenly import evenly
from fabnet.store.summary import store_summary
from fabnet.store.track_store import TrackStore, open_store
from fabnet.training.advice import HARDLY, data_notes, result_notes
from fabnet.training.run_log import read_metrics
from fabnet.training.train import read_run, store_of

__all__ = ["ReportOptions", "ReportResult", "report"]

SAMPLE_TRACKS = 12
SAMPLE_FACES = 8
SAMPLE_PX = 96


@dataclass(frozen=True)
class ReportResult:
    """The files of a report.

    Attributes:
        page: the HTML file, self-contained.
        pictures: the reconstructions of unseen people as PNG files, best first; with confidence maps for several
            sources.
    """

    page: Path
    pictures: list[Path]

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {"page": str(self.page), "pictures": [str(picture) for picture in self.pictures]}


@dataclass(frozen=True, kw_only=True)
class ReportOptions(Options):
    """The options of `report`."""

    out: Path | None = None
    """Folder to write index.html and reconstructions/ to; by default report in the run."""
    video: Path | None = None
    """A video to follow over time."""
    probe: tuple[Path, ...] = ()
    """Files that fabnet probe --save wrote for this run; their predictions on the video are drawn over time."""


@takes(ReportOptions)
def report(run: str | Path, options: ReportOptions | None = None, **changes: Any) -> ReportResult:
    """Show a run: its tracks, its training curve, reconstructions of unseen people, and a video over time.

    Args:
        run: a run folder.
        options: all options as one object; or give them by name.

    Returns:
        The files of the report.

    Raises:
        InputError: a probe belongs to another model, or other files are in the folder of the reconstructions.
        ModelError: the folder is not a run, or has no checkpoint.
        StoreError: the run's store is missing.
        VideoError: the video cannot be read.
        OutputError: the page cannot be written.
    """
    options = ReportOptions.of(options, changes)
    run = as_place(run).absolute()  # absolute: a run may share its name with a shipped model
    folder = options.out or run / "report"
    pictures = folder / "reconstructions"
    if not is_remote(folder):
        if options.out is None:
            check_links(run, "a run folder", only=(folder.name,))
        check_links(folder, "a report", only=(pictures.name, "index.html"))
    _check_own(pictures)
    video = None if options.video is None else local(options.video, "videos")
    config, store_path = read_run(run)
    model = find_model(run)
    store = open_store(store_of(run, store_path))
    metrics, training = read_metrics(run), read_card(model).training
    environment = Environment(loader=PackageLoader("fabnet.reporting", "."), autoescape=True, undefined=StrictUndefined)
    environment.filters["data_uri"] = data_uri
    made = reconstructions(model, store)
    content = environment.get_template("page.html").render(
        run=run.resolve().name,
        config=config.to_json(),
        input_px=config.input_size,
        training=training,
        notes=[*result_notes(training), *data_notes(store, config)],
        last=metrics[-1] if metrics else {},
        store=store_summary(store).to_json(),
        is_moments=store.settings.get("splits") == "moments",
        chart=training_chart(metrics),
        margins=[(100 * AXIS_IN / width, 100 * EDGE_IN / width) for width in (WIDE_IN, NARROW_IN)],
        tracks=_sample_tracks(store),
        made=made,
        hardly=HARDLY,
        legend=data_uri(flow_legend()),
        video=None if video is None else video.name,
        timeline=None if video is None else video_timeline(video, run, probes=options.probe),
    )
    page = folder / "index.html"
    with written_whole(page) as partial:
        partial.write_text(content, encoding="utf-8")
    return ReportResult(page, _write_strips(pictures, made.strips) if made else [])


def _check_own(pictures: Path) -> None:
    """Refuse to replace a folder with other files than reconstructions and the hidden files of file managers."""
    names = sorted(entry.name for entry in pictures.iterdir()) if pictures.is_dir() else []
    others = [name for name in names if not re.fullmatch(r"\..*|\d+-(best|middle|worst)\.png", name)]
    if others:
        raise InputError(
            f"{pictures} holds other files ({others[0]} ...), which the report would delete: choose another --out"
        )


def _write_strips(folder: Path, strips: list[Strip]) -> list[Path]:
    names = [f"{number:02d}-{strip.label}.png" for number, strip in enumerate(strips)]
    with written_whole(folder) as partial:
        partial.mkdir()
        for name, strip in zip(names, strips, strict=True):
            row = side_by_side([picture for _, picture in strip.pictures])
            with output_errors(partial / name):
                (partial / name).write_bytes(png_bytes(row))
    return [folder / name for name in names]


def _sample_tracks(store: TrackStore) -> list[dict[str, Any]]:
    """Some tracks, spread evenly over the store, each as a row of faces spread evenly over the track."""
    index = store.index(min_frames=1)
    tracks = []
    for number in evenly(len(index), SAMPLE_TRACKS).tolist():
        start, length = int(index.starts[number]), int(index.lengths[number])
        rows = start + evenly(length, SAMPLE_FACES)
        images = [np.ascontiguousarray(decode_jpeg(data)[:, :, ::-1]) for data in store.read_images(rows)]
        pictures = [data_uri(square(image, SAMPLE_PX)) for image in images]
        tracks.append(
            {
                "name": track_name(index, number),
                "split": str(index.split[number]),
                "faces": length,
                "pictures": pictures,
            }
        )
    return tracks
