"""Colours of videos: HDR and wide gamuts become sRGB; sRGB is unchanged."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from fabnet.errors import VideoError
from fabnet.faces.colour import Colours, to_srgb
from fabnet.video.decode import read_frames

BT709, BT2020, P3 = 1, 9, 12
SRGB, PQ, HLG = 13, 16, 18
RGB_TO_XYZ = {
    BT709: [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]],
    BT2020: [[0.6369580, 0.1446169, 0.1688810], [0.2627002, 0.6779981, 0.0593017], [0.0, 0.0280727, 1.0609851]],
    P3: [[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0.0, 0.0451134, 1.0439444]],
}
"""Published matrices of these primaries, white at D65."""
OPTIONS = {
    "libx265": {"preset": "ultrafast", "crf": "4", "x265-params": "log-level=0"},
    "libsvtav1": {"preset": "8", "crf": "5"},
}
PATCHES = np.array(
    [[0, 0, 0], [64, 64, 64], [128, 128, 128], [160, 160, 160],
     [150, 80, 70], [60, 110, 60], [50, 70, 140], [170, 130, 110]]
)  # fmt: skip
"""sRGB colours, no brighter than the light that HDR leaves unchanged."""


def linear(srgb: np.ndarray) -> np.ndarray:
    value = srgb / 255
    return np.asarray(np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4))


def pq(light: np.ndarray) -> np.ndarray:
    """Convert cd/m2 to PQ numbers, by SMPTE ST 2084."""
    power = (light / 10_000) ** (2610 / 16384)
    return np.asarray(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def hlg(light: np.ndarray) -> np.ndarray:
    """Convert cd/m2 on a display of 1,000 to HLG numbers, by BT.2100."""
    shown = light / 1000
    luma = shown @ np.array(RGB_TO_XYZ[BT2020])[1]
    scene = shown * np.where(luma > 0, np.maximum(luma, 1e-12) ** (1 / 1.2 - 1), 0)[..., None]
    logs = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-12)) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), logs))


def in_primaries(patches: np.ndarray, primaries: int) -> np.ndarray:
    """Convert linear sRGB to other primaries."""
    return np.asarray(linear(patches) @ (np.linalg.inv(RGB_TO_XYZ[primaries]) @ np.array(RGB_TO_XYZ[BT709])).T)


def encoded(patches: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Numbers in 0..1 that show these colours."""
    light = np.clip(in_primaries(patches, primaries), 0, None)
    if transfer == PQ:
        return pq(203 * light)
    if transfer == HLG:
        return hlg(203 * light)
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def written(
    path: Path, numbers: np.ndarray, codec: str, pix_fmt: str, *, transfer: int, primaries: int, matrix: int,
    color_range: int = 1, options: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """Write a video of patches side by side, 32 px each."""
    image = np.rint(np.clip(numbers, 0, 1) * 65535).astype(np.uint16)
    image = np.ascontiguousarray(np.repeat(np.repeat(image[None], 64, 0), 32, 1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], pix_fmt
        context = stream.codec_context
        context.color_trc, context.color_primaries = transfer, primaries
        context.colorspace, context.color_range = matrix, color_range
        picture = av.VideoFrame.from_ndarray(image, format="rgb48le")
        picture = picture.reformat(
            format=pix_fmt, dst_colorspace=Colorspace.BT2020 if matrix == 9 else Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG if color_range == 1 else ColorRange.JPEG,
        )  # fmt: skip
        for number in range(3):
            picture.pts, picture.time_base = number, Fraction(1, 25)
            picture.color_trc, picture.color_primaries, picture.colorspace = transfer, primaries, matrix
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def shown(path: Path, count: int) -> np.ndarray:
    """The colours in the middle of the patches."""
    image = next(read_frames(path)).image
    return image[32, 16 : 32 * count : 32].astype(int)


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(
    ("codec", "pix_fmt", "ending"),
    [
        ("libx265", "yuv420p10le", ".mp4"),
        ("libx265", "yuv444p10le", ".mkv"),
        ("libsvtav1", "yuv420p10le", ".webm"),
        ("ffv1", "yuv422p10le", ".mkv"),
        ("prores_ks", "yuv422p10le", ".mov"),
    ],
)
def test_hdr_shows_the_graded_colours(tmp_path: Path, transfer: int, codec: str, pix_fmt: str, ending: str) -> None:
    path = written(
        tmp_path / f"a{ending}", encoded(PATCHES, transfer, BT2020), codec, pix_fmt,
        transfer=transfer, primaries=BT2020, matrix=9, options=OPTIONS.get(codec),
    )  # fmt: skip
    np.testing.assert_allclose(shown(path, len(PATCHES)), PATCHES, atol=3 if codec == "ffv1" else 4)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_highlights_are_compressed_and_keep_their_order(transfer: int) -> None:
    ramp = np.rint(np.linspace(0, 65535, 1024)).astype(np.uint16)
    grey = to_srgb(np.repeat(ramp[None, :, None], 3, axis=2), Colours(transfer, Colours.by_number(PQ, 9).primaries))  # type: ignore[union-attr]
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 0] == grey[..., 2]).all()
    steps = np.diff(grey[0, :, 0].astype(int))
    assert steps.min() >= 0
    assert steps.max() <= 2
    assert (grey[0, 0, 0], grey[0, -1, 0]) == (0, 255)


@pytest.mark.parametrize("value", [0.1, 0.25, 0.5])
def test_hlg_by_hand(value: float) -> None:
    # BT.2100: scene light E = value^2 / 3, display light 1000 E^1.2; 203 cd/m2 is white.
    light = 1000 * (value**2 / 3) ** 1.2 / 203
    expected = 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)
    image = np.full((2, 2, 3), round(65535 * value), np.uint16)
    colours = Colours.by_number(HLG, BT2020)
    assert colours is not None
    assert abs(float(to_srgb(image, colours).mean()) - expected) <= 1


@pytest.mark.parametrize("primaries", [BT2020, P3])
def test_wide_primaries_of_sdr(tmp_path: Path, primaries: int) -> None:
    path = written(
        tmp_path / "a.mkv", encoded(PATCHES, SRGB, primaries), "ffv1", "yuv444p10le",
        transfer=BT709, primaries=primaries, matrix=9 if primaries == BT2020 else 1,
    )  # fmt: skip
    np.testing.assert_allclose(shown(path, len(PATCHES)), PATCHES, atol=2)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuva420p", "bgr0", "gray"])
@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 2, 5])
def test_sdr_is_unchanged_bit_for_bit(tmp_path: Path, pix_fmt: str, color_range: int, matrix: int) -> None:
    path = written(
        tmp_path / "a.mkv", PATCHES / 255, "ffv1", pix_fmt,
        transfer=1, primaries=1 if matrix == 1 else matrix, matrix=matrix, color_range=color_range,
    )  # fmt: skip
    with av.open(str(path)) as container:
        plain = next(container.decode(video=0)).to_ndarray(format="rgb24", threads=1)
    np.testing.assert_array_equal(next(read_frames(path)).image, plain)


def test_hdr_agrees_with_zimg(tmp_path: Path) -> None:
    program = shutil.which("ffmpeg")
    filters = subprocess.run([program, "-filters"], capture_output=True, text=True).stdout if program else ""
    if program is None or " zscale " not in filters:
        pytest.skip("no ffmpeg with zscale")
    rng = np.random.default_rng(0)
    numbers = encoded(rng.integers(0, 170, (12, 3)), PQ, BT2020)
    path = written(tmp_path / "a.mkv", numbers, "ffv1", "yuv444p10le", transfer=PQ, primaries=BT2020, matrix=9)
    chain = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,zscale=t=iec61966-2-1:m=gbr:r=pc,format=gbrp"
    command = [program, "-v", "error", "-i", str(path), "-vf", chain, "-frames:v", "1"]
    raw = subprocess.run([*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    theirs = np.frombuffer(raw, np.uint8).reshape(64, -1, 3)[32, 16::32].astype(int)
    np.testing.assert_allclose(shown(path, 12), theirs, atol=2)


@pytest.mark.parametrize("matrix", [8, 10, 14])
def test_a_matrix_that_cannot_be_converted_is_refused(tmp_path: Path, matrix: int) -> None:
    numbers = encoded(PATCHES, BT709, BT709)
    path = written(tmp_path / "a.mp4", numbers, "libx264", "yuv420p", transfer=BT709, primaries=BT709, matrix=matrix)
    if matrix == 10:  # BT.2020 with constant luminance, taken for the usual one
        assert len(list(read_frames(path))) > 0
        return
    with pytest.raises(VideoError, match=rf"its colours \(yuv420p, matrix {matrix} of H.273\) cannot be converted"):
        list(read_frames(path))
