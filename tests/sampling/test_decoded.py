"""Images that are decoded once: the same frames, a bounded file, nothing left behind."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.faces.window import Window
from fabnet.sampling.decoded import DecodedImages, decoded_images
from fabnet.sampling.loader import TrainingSteps, frames_of, next_frames, step_loader
from fabnet.sampling.pairs import Jitter, draw, draw_fixed

STARTS, LENGTHS = np.arange(0, 20, 5), np.full(4, 5)
JITTER = Jitter((0.85, 1.25), 0.1, True)
WINDOW = Window(0.5, 0.5, 0.5)
SIDES = [16 / 0.5 / scale for scale in (0.85, 1.25)]


class Pictures:
    """Images of 64 px that count how often they are read; row 3 is of another size, and row 4 a PNG."""

    def __init__(self) -> None:
        self.read = 0
        generator = np.random.default_rng(0)
        sides = [64, 64, 64, 48, *[64] * 16]
        pictures = [cv2.resize(generator.integers(0, 256, (9, 9, 3), np.uint8), (side, side)) for side in sides]
        self._images = [
            cv2.imencode(".png" if row == 4 else ".jpg", image)[1].tobytes() for row, image in enumerate(pictures)
        ]

    def read_images(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        self.read += len(rows)
        return [self._images[row] for row in rows]


def kept_at(file: Path, **changes: object) -> object:
    options: dict[str, object] = {"num_rows": 20, "side": 64, "min_sides": SIDES, "limit_bytes": 10**6}
    return decoded_images(file, **options | changes)  # type: ignore[arg-type]


def test_frames_are_the_same_and_images_are_decoded_once(tmp_path: Path) -> None:
    pictures, plain = Pictures(), Pictures()
    with kept_at(tmp_path / "_frames" / "0") as kept:  # type: ignore[attr-defined]
        for _ in range(2):
            odd, before = 0, pictures.read
            for step in range(30):
                drawn = draw(STARTS, LENGTHS, seed=0, step=step, batch_size=8, jitter=JITTER)
                made = frames_of(drawn, pictures, window=WINDOW, size=16, kept=kept)
                assert np.array_equal(made, frames_of(drawn, plain, window=WINDOW, size=16))
                odd += int(np.isin(drawn.rows, (3, 4)).sum())
        assert pictures.read - before == odd
        for row in (3, 4):
            assert kept.get(row, 32) is None
        assert (tmp_path / "_frames" / "0").stat().st_size == kept.num_bytes == 20 * 2 + 20 * 3 * (64**2 + 32**2)
    assert list(tmp_path.iterdir()) == []


def test_workers_share_the_file(tmp_path: Path) -> None:
    val = draw_fixed(STARTS, LENGTHS, num_samples=10)
    steps, plain = (
        TrainingSteps(
            Pictures(), STARTS, LENGTHS, size=16, window=WINDOW, jitter=JITTER, batch_size=8, num_sources=1, seed=0,
            val=val,
        )
        for _ in range(2)
    )  # fmt: skip
    with kept_at(tmp_path / "0") as steps.kept:  # type: ignore[attr-defined]
        items: list[int | slice] = [0, 1, 2, 3, *plain.val_parts, 4, 5]
        with step_loader(steps, first_step=0, num_workers=2, val_every=4) as frames:
            for item in items:
                assert np.array_equal(next_frames(frames), plain[item])
        assert isinstance(steps.kept, DecodedImages)
        assert sum(steps.kept.get(row, 32) is not None for row in range(20)) > 10


def test_a_killed_runs_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"\x01" * 10**6)
    with kept_at(tmp_path / "0") as kept:  # type: ignore[attr-defined]
        assert all(kept.get(row, 32) is None for row in range(20))


@pytest.mark.parametrize(
    ("changes", "free", "said"),
    [
        ({}, 10**9, "each image is decoded once, into {}: at most 0.00031 GB"),
        ({"limit_bytes": 300_000}, 10**9, "they would take 0.00031 GB; the limit is 0.0003 GB (--decoded-gb)"),
        ({}, 600_000, "they would take 0.00031 GB of the 0.0006 GB free"),
        (
            {"num_machines": 2}, 10**9,
            "each image is decoded once on each of 2 machines, into {}: at most 0.00061 GB",
        ),
        (
            {"num_machines": 2, "limit_bytes": 600_000}, 10**9,
            "once on each of 2 machines, they would take 0.00061 GB; the limit is 0.0006 GB",
        ),
        ({"num_machines": 2}, 1_200_000, "they would take 0.00061 GB of the 0.0012 GB free"),
        ({"limit_bytes": 0}, 10**9, ""),
        ({"side": None}, 10**9, ""),
        ({"is_silent": True}, 10**9, ""),
    ],
)  # fmt: skip
def test_it_is_bounded_and_says_so(  # type: ignore[no-untyped-def]
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes, free: int, said: str
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(free))
    with kept_at(tmp_path / "_frames" / "0", **changes) as kept:  # type: ignore[attr-defined]
        assert (kept is not None) == (said.startswith("each") or "is_silent" in changes)
    assert said.format(tmp_path / "_frames") in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_stops_the_keeping_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, drawn = Pictures(), draw_fixed(STARTS, LENGTHS, num_samples=8)
    with kept_at(tmp_path / "0") as kept:  # type: ignore[attr-defined]

        def full(self: Path, *mode: object, **options: object) -> None:
            raise OSError(28, "No space left on device")

        kept.get(0, 32)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "open", full)
            made = frames_of(drawn, pictures, window=WINDOW, size=16, kept=kept)
        assert np.array_equal(made, frames_of(drawn, pictures, window=WINDOW, size=16))
        assert all(kept.get(row, 32) is None for row in range(20))


def refused(*given: object, **options: object) -> None:
    raise OSError(22, "Invalid argument")


def test_a_file_system_that_maps_no_files_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(np, "memmap", refused)
    with kept_at(tmp_path / "0") as kept:  # type: ignore[attr-defined]
        assert kept is None
    assert "decoded at every use" in (said := capsys.readouterr().err)
    assert "(Invalid argument)" in said


def test_a_process_that_cannot_map_the_file_decodes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, drawn = Pictures(), draw_fixed(STARTS, LENGTHS, num_samples=8)
    with kept_at(tmp_path / "0") as kept:  # type: ignore[attr-defined]
        monkeypatch.setattr(np, "memmap", refused)
        made = frames_of(drawn, pictures, window=WINDOW, size=16, kept=kept)
    assert np.array_equal(made, frames_of(drawn, pictures, window=WINDOW, size=16))
