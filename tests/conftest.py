"""Real material for the tests: the clip that ships, and the shared face data where it exists."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabnet.demonstration import demo_clip


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Processes that are started heed Ctrl-C and the end of their terminal.

    A shell lets what it runs in the background ignore the first, and nohup the second, and children inherit this.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def smiling() -> Path:
    """The clip that ships with fabnet: 4 s of a man who turns his head and smiles, 176 x 192, shown as 192 x 192."""
    return demo_clip()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real face data; tests that ask for it are skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FABNET_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no face data at {folder} (set FABNET_DATA)")
    return folder


@pytest.fixture(scope="session")
def second(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first second of the clip, ten frames a second: quick to track."""
    import av

    from fabnet.video.decode import read_frames

    path = tmp_path_factory.mktemp("clip") / "second.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 192, 192, "yuv420p", 2_000_000
        for frame in list(read_frames(smiling, fps=10.0))[:10]:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image)))
        file.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def eight_videos(second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight videos of one second."""
    folder = tmp_path_factory.mktemp("eight") / "in"
    folder.mkdir()
    for number in range(8):
        shutil.copy(second, folder / f"{number}.mp4")
    return folder


@pytest.fixture(scope="session")
def frames_folder(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IDENTITY/VIDEO/frame.jpg: six "people", each ten real frames of the clip under another colour cast."""
    import cv2
    import numpy as np

    from fabnet.video.decode import read_frames

    folder = tmp_path_factory.mktemp("frames")
    frames = [frame.image for frame in read_frames(smiling)]
    for person in range(6):
        place = folder / f"person{person}" / "0"
        place.mkdir(parents=True)
        gains = np.random.default_rng(person).uniform(0.7, 1.0, 3)
        for number in range(10):
            image = (frames[(10 * person + 7 * number) % len(frames)] * gains).astype(np.uint8)
            cv2.imwrite(str(place / f"{number}.jpg"), image[:, :, ::-1])
    return folder


@pytest.fixture(scope="session")
def store(frames_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real track store: four people to train on, two to validate on."""
    from fabnet.ingest.import_folder import import_folder

    folder = tmp_path_factory.mktemp("store")
    splits = folder / "splits.csv"
    lines = [f"person{person},{'train' if person < 4 else 'val'}" for person in range(6)]
    splits.write_text("\n".join(["identity,split", *lines]) + "\n")
    import_folder(frames_folder, folder / "store", layout="identity/video", splits=splits)
    return folder / "store"


@pytest.fixture(scope="session")
def tiny_run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps."""
    from fabnet.training.train import train

    run = tmp_path_factory.mktemp("run") / "run"
    train(store, run, size=32, width=4, embedding_dim=16, batch_size=8, max_steps=10, num_val_pairs=8, num_workers=0)
    return run


@pytest.fixture(scope="session")
def labelled_photos(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 48 photos of twelve "people", with labels.csv: five points, a class, a unit and a value for each."""
    import cv2
    import numpy as np

    from fabnet.faces.detect.load import load_detector
    from fabnet.video.decode import read_frames

    folder = tmp_path_factory.mktemp("photos")
    find = load_detector()
    frames = [frame.image for frame in read_frames(smiling)]
    lines = ["path,subject,split,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4,side,high,width"]
    faces = [find(frames[2 * number])[0] for number in range(48)]
    middle_x, middle_y = np.median([face.landmarks5_px.mean(axis=0) for face in faces], axis=0)
    for number, face in enumerate(faces):
        name = f"{number}.png"
        cv2.imwrite(str(folder / name), frames[2 * number][:, :, ::-1])
        person = number % 12
        split = "train" if person < 8 else "val" if person < 10 else "test"
        x, y = face.landmarks5_px.mean(axis=0)
        points = ",".join(f"{value:.3f}" for value in face.landmarks5_px.reshape(-1))
        width = face.box_px[2] - face.box_px[0]
        side = "left" if x < middle_x else "right"
        lines.append(f"{name},p{person},{split},{points},{side},{int(y < middle_y)},{width:.2f}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", place], check=True)
