"""The track store, and the ways into it: raw videos and folders of frames."""

from __future__ import annotations

from fabnet.tracks.import_folder import ImportReport, import_folder
from fabnet.tracks.index import TrackIndex
from fabnet.tracks.ledger import LedgerEntry
from fabnet.tracks.split import split_of
from fabnet.tracks.store import TrackStore, is_store, open_store
from fabnet.tracks.summary import StoreSummary, store_summary
from fabnet.tracks.track import TrackReport, track

__all__ = [
    "ImportReport",
    "LedgerEntry",
    "StoreSummary",
    "TrackIndex",
    "TrackReport",
    "TrackStore",
    "import_folder",
    "is_store",
    "open_store",
    "split_of",
    "store_summary",
    "track",
]
