"""Writes a HEIC like a phone's, one HEVC frame in boxes, because no wheel contains a HEIC encoder."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import numpy as np

__all__ = ["heic"]


def heic(
    image: np.ndarray,
    *,
    quarter_turns: int = 0,
    pix_fmt: str = "yuv420p",
    says: tuple[int, int] = (0, 0),
    profile: bytes = b"",
) -> bytes:
    """Encode an (H, W, 3) uint8 RGB image as a HEIC.

    Args:
        image: sides even.
        quarter_turns: counter-clockwise, by which it is to be shown (`irot`).
        pix_fmt: of the frame.
        says: the size that the header gives; (0, 0): the image's.
        profile: its ICC profile.
    """
    height, width = image.shape[:2]
    config, frame = _hevc(image, pix_fmt)
    wide, high = says if says != (0, 0) else (width, height)
    properties = [_box(b"hvcC", config), _box(b"ispe", struct.pack(">III", 0, wide, high))]
    if quarter_turns:
        properties.append(_box(b"irot", bytes([quarter_turns])))
    if profile:
        properties.append(_box(b"colr", b"prof" + profile))
    associated = bytes(number + 1 | (0x80 if number != 1 else 0) for number in range(len(properties)))
    owned = struct.pack(">IIHB", 0, 1, 1, len(associated)) + associated
    head = _box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(offset: int) -> bytes:
        parts = [
            _box(b"hdlr", bytes(8) + b"pict" + bytes(13)),
            _box(b"pitm", struct.pack(">IH", 0, 1)),
            _box(b"iloc", struct.pack(">IBBHHHHII", 0, 0x44, 0, 1, 1, 0, 1, offset, len(frame))),
            _box(b"iinf", struct.pack(">IH", 0, 1) + _box(b"infe", b"\x02\0\0\0\0\x01\0\0hvc1\0")),
            _box(b"iprp", _box(b"ipco", b"".join(properties)) + _box(b"ipma", owned)),
        ]
        return _box(b"meta", bytes(4) + b"".join(parts))

    return head + meta(len(head) + len(meta(0)) + 8) + _box(b"mdat", frame)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _hevc(image: np.ndarray, pix_fmt: str) -> tuple[bytes, bytes]:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream(
            "libx265",
            rate=25,
            options={"x265-params": "log-level=none:pools=none:frame-threads=1:bframes=0", "crf": "10"},
        )
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], pix_fmt
        frame = av.VideoFrame.from_ndarray(image)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        for packet in (*stream.encode(frame), *stream.encode()):
            packet.pts = packet.dts = 0  # of a single frame, the encoder's own time of decoding may be anything
            out.mux(packet)
    file.seek(0)
    with av.open(file) as back:
        assert isinstance(back, av.container.InputContainer)
        video = back.streams.video[0]
        packet = next(packet for packet in back.demux(video) if packet.size)
        return bytes(video.codec_context.extradata or b""), bytes(packet)
