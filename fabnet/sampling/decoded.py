"""Decoded images of a store, kept in a file while a run lasts, so that each is decoded once on a machine.

All processes on the machine share the file: each image is written once it was decoded, and read as memory, of which
the system keeps what fits. The images have one size, that of the store's crops, or the half, quarter or eighth of it
at which `decode_jpeg` decodes them; others are not kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.errors import first_line
from fabnet.faces.picture import jpeg_size
from fabnet.faces.window import shrink_of
from fabnet.files.places import make_folder
from fabnet.runtime.terminal import say

__all__ = ["DecodedImages", "decoded_images"]

MAX_SHARE_OF_DISK = 0.5
"""Upper bound of the size of all machines' files together, as a share of what is free on the disk of each."""


class DecodedImages:
    """The file. It can be pickled: every process opens it at its first use.

    It begins with a byte for each image at each scale, 1 once the image is whole.

    Args:
        file: the file, made by `make`.
        side: side of the stored images in pixels.
        shrinks: the scales that are kept: 1, 2, 4 or 8 for the whole side, a half and so on.
        num_rows: number of rows of the store.
    """

    def __init__(self, file: Path, *, side: int, shrinks: Sequence[int], num_rows: int) -> None:
        self._file, self._side, self._num_rows = file, side, num_rows
        self._places: dict[int, tuple[int, int]] = {}
        self.num_bytes = num_rows * len(shrinks)
        for number, shrink in enumerate(shrinks):
            self._places[shrink] = (number, self.num_bytes)
            self.num_bytes += 3 * num_rows * (-(-side // shrink)) ** 2
        self._open: dict[int, tuple[np.ndarray, np.ndarray]] | None = None
        self._is_full = False

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": None}

    def make(self) -> None:
        """Make the file, without any image.

        Raises:
            OSError: it cannot be written, or exists, or its file system refuses to map it as memory.
        """
        with self._file.open("xb") as stream:
            stream.write(bytes(self._num_rows * len(self._places)))
            stream.truncate(self.num_bytes)
        self._mapped()

    def close(self) -> None:
        """Let go of the file in this process."""
        self._open = None

    def get(self, row: int, min_side: float) -> np.ndarray | None:
        """The image of a row as `decode_jpeg` decodes it for `min_side`, (H, W, 3) uint8 BGR; None: it is not kept."""
        found = self._arrays().get(shrink_of(self._side, min_side))
        if found is None or not found[0][row]:
            return None
        image: np.ndarray = found[1][row]
        return image

    def put(self, row: int, min_side: float, data: bytes, image: np.ndarray) -> None:
        """Keep an image, if it is a JPEG of the stored side and the disk has room for it.

        Args:
            row: its row.
            min_side: side that it was decoded for.
            data: the JPEG.
            image: what `decode_jpeg` made of it.
        """
        shrink = shrink_of(self._side, min_side)
        found = self._arrays().get(shrink)
        if found is None or self._is_full or jpeg_size(data) != (self._side, self._side):
            return
        if image.shape != found[1].shape[1:]:
            return
        # Written as a file: where the disk is full, this fails, and writing as to memory would kill the process.
        try:
            with self._file.open("r+b", buffering=0) as stream:
                stream.seek(self._places[shrink][1] + row * image.nbytes)
                if stream.write(np.ascontiguousarray(image).data) == image.nbytes:
                    found[0][row] = 1
        except OSError:
            self._is_full = True

    def _arrays(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """For each scale, which images are whole, and the images."""
        if self._open is None:
            self._open = {}
            with suppress(OSError, ValueError):  # the process that made it has ended, or the system refuses
                self._open = self._mapped()
        return self._open

    def _mapped(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        arrays = {}
        for shrink, (number, place) in self._places.items():
            whole = np.memmap(self._file, np.uint8, "r+", number * self._num_rows, (self._num_rows,))
            side = -(-self._side // shrink)
            images = np.memmap(self._file, np.uint8, "r", place, (self._num_rows, side, side, 3))
            arrays[shrink] = (whole.view(np.ndarray), images.view(np.ndarray))
        return arrays


@contextmanager
def decoded_images(
    file: Path,
    *,
    num_rows: int,
    side: int | None,
    min_sides: Sequence[float],
    limit_bytes: int,
    num_machines: int = 1,
    is_maker: bool = True,
    agree: Callable[[bool], bool] = bool,
    is_silent: bool = False,
) -> Iterator[DecodedImages | None]:
    """Keep decoded images in a file while the block runs, and say how large it can become, or why there is none.

    Args:
        file: the file to make, in a folder of its own; one that a killed run left is replaced. The file is removed at
            the end, and the folder with it.
        num_rows: number of rows of the store.
        side: side of the stored images in pixels; None: unknown, and nothing is kept.
        min_sides: the smallest and the largest side that images are decoded for, in any order, and any between.
        limit_bytes: upper bound of the size of all machines' files together; 0: no file.
        num_machines: number of machines with a file of this size each, which may all be on the same disk.
        is_maker: whether this process makes the file, and removes it at the end; the others on its machine use it.
        agree: tells the other processes on the machine whether the maker made the file: every process calls it with
            what it knows, and gets what the maker knows.
        is_silent: whether to say nothing.

    Yields:
        The kept images; None: there is no file.
    """
    made, reason, is_made = None, None, False
    if side and limit_bytes:
        first, last = (shrink_of(side, min_side) for min_side in (max(min_sides), min(min_sides)))
        shrinks = [shrink for shrink in (1, 2, 4, 8) if first <= shrink <= last]
        made = DecodedImages(file, side=side, shrinks=shrinks, num_rows=num_rows)
        if is_maker:
            reason = _made(made, file, limit_bytes, num_machines)
        is_made = agree(reason is None)
        if not is_silent and reason is not None:
            say(f"images are decoded at every use: {reason}", to_stderr=True)
        elif not is_silent:
            most = _gb(num_machines * made.num_bytes)
            say(f"each image is decoded once{_on(num_machines)}, into {file.parent}: at most {most}", to_stderr=True)
    try:
        yield made if is_made else None
    finally:
        if made is not None:
            made.close()
        if is_maker:
            with suppress(OSError):  # Windows removes no file that a process still maps; the next run does
                file.unlink(missing_ok=True)
            with suppress(OSError):  # other machines of the run may still have theirs there
                file.parent.rmdir()


def _made(images: DecodedImages, file: Path, limit_bytes: int, num_machines: int) -> str | None:
    """Make the file; if it cannot be, say why."""
    try:
        with suppress(FileNotFoundError):
            file.unlink()
        reason = _reason_against(file, images.num_bytes, limit_bytes, num_machines)
        if reason is None:
            make_folder(file.parent)
            images.make()
        return reason
    except (OSError, ValueError) as error:
        return (
            f"{file} cannot be written and mapped as memory ({getattr(error, 'strerror', None) or first_line(error)})"
        )


def _reason_against(file: Path, num_bytes: int, limit_bytes: int, num_machines: int) -> str | None:
    num_bytes *= num_machines
    would_take = f"decoded once{_on(num_machines)}, they would take {_gb(num_bytes)}"
    if num_bytes > limit_bytes:
        return f"{would_take}; the limit is {_gb(limit_bytes)} (--decoded-gb)"
    place = next(folder for folder in file.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if num_bytes > MAX_SHARE_OF_DISK * free:
        return f"{would_take} of the {_gb(free)} free at {place}"
    return None


def _on(num_machines: int) -> str:
    return "" if num_machines == 1 else f" on each of {num_machines} machines"


def _gb(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.2g} GB" if num_bytes < 1e10 else f"{num_bytes / 1e9:,.0f} GB"
