"""fabnet: a facial-attribute embedding learned from raw face videos, without labels.

After FAb-Net (Wiles, Koepke, Zisserman: Self-supervised learning of a facial attribute embedding from video,
BMVC 2018). The names below load what they need when first used; importing fabnet itself is light.
"""

import sys

if sys.argv[:1] == ["-m"]:  # a package is being imported that `python -m` is to run: fabnet, or one that imports it
    from fabnet._module_run import leave_working_folder

    leave_working_folder()

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fabnet.demonstration import demo
    from fabnet.embedding.embed import embed
    from fabnet.embedding.embedder import Embedder
    from fabnet.embedding.export import export
    from fabnet.embedding.load_encoder import load
    from fabnet.probes.probe import probe
    from fabnet.reporting.report import report
    from fabnet.reporting.table import table
    from fabnet.retrieval.search import search
    from fabnet.serving.serve import serve
    from fabnet.summary import info
    from fabnet.tracks.import_folder import import_folder
    from fabnet.tracks.store import open_store
    from fabnet.tracks.track import track
    from fabnet.training.train import train
    from fabnet.upkeep.compact import compact
    from fabnet.upkeep.remove import remove
    from fabnet.upkeep.verify import verify
    from fabnet.video.faces import crop_faces

__version__ = "0.1.0"

__all__ = [
    "Embedder",
    "compact",
    "crop_faces",
    "demo",
    "embed",
    "export",
    "import_folder",
    "info",
    "load",
    "open_store",
    "probe",
    "remove",
    "report",
    "search",
    "serve",
    "table",
    "track",
    "train",
    "verify",
]

_HOMES = {
    "Embedder": "fabnet.embedding",
    "compact": "fabnet.upkeep",
    "crop_faces": "fabnet.video",
    "demo": "fabnet.demonstration",
    "embed": "fabnet.embedding",
    "export": "fabnet.embedding.export",
    "import_folder": "fabnet.tracks",
    "info": "fabnet.summary",
    "load": "fabnet.embedding",
    "open_store": "fabnet.tracks",
    "probe": "fabnet.probes",
    "remove": "fabnet.upkeep",
    "report": "fabnet.reporting",
    "search": "fabnet.retrieval",
    "serve": "fabnet.serving",
    "table": "fabnet.reporting",
    "track": "fabnet.tracks",
    "train": "fabnet.training",
    "verify": "fabnet.upkeep",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fabnet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
