"""Names of tracks on a page."""

from __future__ import annotations

from fabnet.store.index import TrackIndex

__all__ = ["track_name"]


def track_name(index: TrackIndex, number: int) -> str:
    """Identity, video and track; without the identity if it is a path prefix of the video's name or the reverse."""
    identity, video, track = (str(names[number]) for names in (index.identity, index.video, index.track))
    is_said = identity == video or video.startswith(f"{identity}/") or identity.startswith(f"{video}/")
    return f"{video}, track {track}" if is_said else f"{identity}: {video}, track {track}"
