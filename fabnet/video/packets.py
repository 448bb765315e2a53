"""Decodes a video's packets to pictures, and reports what was lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av

from fabnet.errors import VideoError
from fabnet.video.clock import AHEAD_S, USUAL_FPS, Clock
from fabnet.video.container import OpenVideo, first_words, stated_frames
from fabnet.video.extent import is_cut

__all__ = ["Pictures"]

THEORA_HEADER = 0x80
"""Bit of the first byte that is set in a header and not in a frame."""
MOST_DELAYED = 4
"""Packets within which a gap in MPEG-TS's numbering shows in the time stamps: FFmpeg's parsers hold some back."""
MOST_LOST = 0.02
"""Share of the stated frames that may be missing without a complaint, because some counts are estimates."""


class Pictures:
    """The decoded pictures of a video, in display order.

    Three things do not count as damage, because intact files have them:

    - empty packets, which AVI writes for frames that the camera dropped; the previous picture stays on screen;
    - packets before the first key frame, as in a recording cut from a running stream;
    - headers among the packets, as in joined Ogg files.

    Args:
        video: the video to decode.
    """

    def __init__(self, video: OpenVideo) -> None:
        self._container, self._stream, self._start = video.container, video.stream, video.start
        self.num_pictures = 0
        """Number of pictures decoded."""
        self.damage = ""
        """First error; empty if there was none."""
        self.end = 0
        """Offset of the byte after the last packet."""
        self._num_packets = self._num_empty = self._num_leading = self._num_failed = self._num_spoilt = 0
        self._has_begun = self._has_clean = False
        self._first_error = ""
        self._expected: int | None = None
        self._suspect = 0
        self._end_s = 0.0

    def __iter__(self) -> Iterator[av.VideoFrame]:
        codec = self._stream.codec_context
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.EOFError):
                break
            except (av.FFmpegError, OSError, ValueError) as error:
                self.damage = self.damage or first_words(error)
                break
            except IndexError:  # PyAV looks up a packet's stream in a list made before that stream appeared
                self.damage = self.damage or "a packet of a stream that is not listed"
                continue
            if codec.name == "theora" and packet.size and bytes(packet)[0] & THEORA_HEADER:
                continue
            if packet.size == 0:  # a decoder would take it for the end of the stream
                self._num_empty += packet.dts is not None or packet.pts is not None
                continue
            self._look_for_gap(packet)
            if packet.pts is not None:
                self._end_s = max(self._end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            self._num_packets += not packet.is_discard
            self._has_begun |= packet.is_keyframe
            self.end = max(self.end, (packet.pos or 0) + packet.size)
            yield from self._decoded(codec, packet)
        yield from self._decoded(codec, None)

    def _look_for_gap(self, packet: av.Packet) -> None:
        """Detect lost MPEG-TS packets: their numbers jump, and soon afterwards the time does too.

        In joined files only the numbers jump, or the time starts again.
        """
        self._suspect = MOST_DELAYED if packet.is_corrupt else self._suspect - 1
        if packet.dts is None:
            return
        length = packet.duration or round(1 / (self._stream.guessed_rate or USUAL_FPS) / packet.time_base)
        gap = 0 if self._expected is None else packet.dts - self._expected
        if self._suspect > 0 and length / 2 < gap < AHEAD_S / packet.time_base:
            self.damage = self.damage or "packets are missing"
        self._expected = packet.dts + length

    def _decoded(self, codec: av.VideoCodecContext, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
        try:
            pictures = codec.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            self._failed(first_words(error))
            return
        for picture in pictures:
            self._has_begun = True
            self._has_clean |= not picture.is_corrupt
            self._num_spoilt += picture.is_corrupt and self._has_clean
            self.num_pictures += 1
            yield picture

    def _failed(self, reason: str) -> None:
        self._first_error = self._first_error or reason
        if self._has_begun:
            self.damage = self.damage or reason
            self._num_failed += 1
        else:
            self._num_leading += 1

    def complaints(self, path: Path, clock: Clock) -> list[str]:
        """Describe what was lost.

        Args:
            path: the file.
            clock: the clock that timed the pictures.

        Returns:
            One sentence; empty if the file is intact.

        Raises:
            VideoError: no picture could be decoded.
        """
        if not self.num_pictures:
            raise self.none_came(path)
        is_about, num_lost = self._num_lost(path, clock)
        if not (num_lost or self.damage or self._num_spoilt):
            return []
        what = f"is corrupt ({self.damage})" if self.damage else "is truncated or corrupt"
        decoded = f"{self.num_pictures} frames could be decoded"
        spoilt = f", {self._num_spoilt} of them with errors" if self._num_spoilt else ""
        lost = f"; {'about ' if is_about else ''}{num_lost} were lost" if num_lost else ""
        return [f"{path} {what}: {decoded}{spoilt}, up to {clock.reached_s:.1f} s{lost}"]

    def none_came(self, path: Path) -> VideoError:
        """The error for a file in which no picture can be decoded."""
        why = self.damage or self._first_error or "no data"
        return VideoError(f"{path} has no frame that can be decoded ({why}); is the file complete?")

    def _num_lost(self, path: Path, clock: Clock) -> tuple[bool, int]:
        """Whether the number of missing frames is estimated from the time, and that number."""
        is_damaged = bool(self.damage or self._num_spoilt)
        name = self._container.format.name
        stated = self._num_stated()
        if stated:
            num_lost = stated - self._num_empty - self._num_leading - self.num_pictures
            num_unread = stated - self._num_empty - self._num_packets if "mp4" in name else 0
            is_short = is_damaged or num_lost > MOST_LOST * stated + 2
            return False, max(num_lost if is_short else 0, num_unread, self._num_failed)
        num_lost = max(self._num_failed, clock.num_missing if is_damaged else 0)
        if not clock.may_jump and (is_damaged or is_cut(path, name, self._start) or self._ends_early(clock)):
            stated_s = max(
                float(self._container.duration or 0) / av.time_base,
                stated_frames(self._container, self._stream) * clock.frame_s,
            )
            num_lost += max(0, round((stated_s - clock.reached_s + clock.start_s) / clock.frame_s))
        return True, num_lost

    def _ends_early(self, clock: Clock) -> bool:
        """Whether a Matroska file with one stream ends before its stated duration; FFmpeg skips what it cannot read."""
        if not self._container.format.name.startswith("matroska") or len(self._container.streams) > 1:
            return False
        stated_s = float(self._container.duration or 0) / av.time_base
        return stated_s - self._end_s > MOST_LOST * stated_s + 2 * clock.frame_s

    def _num_stated(self) -> int:
        """Number of frames that should be decoded; 0 if the file does not say.

        In an MP4, `frames` also counts those that an edit list hides, which the index marks or leaves out. An AVI also
        counts frames that the camera dropped.
        """
        name = self._container.format.name
        stated = stated_frames(self._container, self._stream)
        if stated and "mp4" in name:
            return sum(not entry.is_discard for entry in self._stream.index_entries)
        return 0 if name == "avi" else stated
