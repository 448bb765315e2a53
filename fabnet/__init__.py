"""fabnet: a facial-attribute embedding learned from raw face videos, without labels.

After FAb-Net (Wiles, Koepke, Zisserman: Self-supervised learning of a facial attribute embedding from video,
BMVC 2018). The names below load what they need when first used; importing fabnet itself is light.
"""

import sys

if sys.argv[:1] == ["-m"]:  # a package is being imported that `python -m` is to run: fabnet, or one that imports it
    from fabnet.runtime.module_run import leave_working_folder

    leave_working_folder()

from importlib import import_module
from typing import TYPE_CHECKING

from fabnet.version import VERSION

if TYPE_CHECKING:
    from fabnet.browser.page import export_page
    from fabnet.demonstration import demo
    from fabnet.encoders.embedder import Embedder
    from fabnet.encoders.export import export
    from fabnet.encoders.load_encoder import load
    from fabnet.faces.find import crop_faces
    from fabnet.ingest.import_folder import import_folder
    from fabnet.ingest.track import track
    from fabnet.over_time.courses import courses
    from fabnet.over_time.summary import summary
    from fabnet.over_time.synchrony import synchrony
    from fabnet.paper.table import table
    from fabnet.plotting.confusion import plot_confusion
    from fabnet.plotting.course import plot_course
    from fabnet.plotting.face import plot_face
    from fabnet.plotting.neighbours import plot_neighbours
    from fabnet.probes.probe import probe
    from fabnet.reading.attributes import attributes
    from fabnet.reading.embed import embed
    from fabnet.reading.face_embedder import FaceEmbedder
    from fabnet.reading.read import read, read_to
    from fabnet.reporting.report import report
    from fabnet.retrieval.search import search
    from fabnet.serving.serve import serve
    from fabnet.store.track_store import open_store
    from fabnet.teaching.teach import teach
    from fabnet.training.train import train
    from fabnet.upkeep.compact import compact
    from fabnet.upkeep.info import info
    from fabnet.upkeep.remove import remove
    from fabnet.upkeep.verify import verify
    from fabnet.watching.live import live

__version__ = VERSION

__all__ = [
    "Embedder",
    "FaceEmbedder",
    "attributes",
    "compact",
    "courses",
    "crop_faces",
    "demo",
    "embed",
    "export",
    "export_page",
    "import_folder",
    "info",
    "live",
    "load",
    "open_store",
    "plot_confusion",
    "plot_course",
    "plot_face",
    "plot_neighbours",
    "probe",
    "read",
    "read_to",
    "remove",
    "report",
    "search",
    "serve",
    "summary",
    "synchrony",
    "table",
    "teach",
    "track",
    "train",
    "verify",
]

_HOMES = {
    "Embedder": "fabnet.encoders.embedder",
    "FaceEmbedder": "fabnet.reading.face_embedder",
    "attributes": "fabnet.reading.attributes",
    "compact": "fabnet.upkeep.compact",
    "courses": "fabnet.over_time.courses",
    "crop_faces": "fabnet.faces.find",
    "demo": "fabnet.demonstration",
    "embed": "fabnet.reading.embed",
    "export": "fabnet.encoders.export",
    "export_page": "fabnet.browser.page",
    "import_folder": "fabnet.ingest.import_folder",
    "info": "fabnet.upkeep.info",
    "leave_working_folder": "fabnet.runtime.module_run",
    "live": "fabnet.watching.live",
    "load": "fabnet.encoders.load_encoder",
    "open_store": "fabnet.store.track_store",
    "plot_confusion": "fabnet.plotting.confusion",
    "plot_course": "fabnet.plotting.course",
    "plot_face": "fabnet.plotting.face",
    "plot_neighbours": "fabnet.plotting.neighbours",
    "probe": "fabnet.probes.probe",
    "read": "fabnet.reading.read",
    "read_to": "fabnet.reading.read",
    "remove": "fabnet.upkeep.remove",
    "report": "fabnet.reporting.report",
    "search": "fabnet.retrieval.search",
    "serve": "fabnet.serving.serve",
    "summary": "fabnet.over_time.summary",
    "synchrony": "fabnet.over_time.synchrony",
    "table": "fabnet.paper.table",
    "teach": "fabnet.teaching.teach",
    "track": "fabnet.ingest.track",
    "train": "fabnet.training.train",
    "verify": "fabnet.upkeep.verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fabnet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
