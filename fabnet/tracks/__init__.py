"""Face-tracks: the store, and how videos and folders of frames come into it."""

from __future__ import annotations

from fabnet.tracks.import_folder import ImportResult, import_folder
from fabnet.tracks.index import TrackIndex
from fabnet.tracks.store import TrackStore, create_store, open_store

__all__ = ["ImportResult", "TrackIndex", "TrackStore", "create_store", "import_folder", "open_store"]
