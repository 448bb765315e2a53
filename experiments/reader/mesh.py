"""Labels of every face by MediaPipe's face mesh: 478 points, on the sets that the face reader is fitted to.

Writes WORK/mesh-SET.npz: `names` (N,), `points` (N, 478, 3) float32 in pixels of the picture (x right, y down, z away
from the camera, in the same unit), NaN where no face is found. Frames of clips are written to WORK/frames first, 10 per
second.

MediaPipe is not among fabnet's requirements: run this in an environment of its own with mediapipe==0.10.21 and av.

Run: python experiments/reader/mesh.py --data DATA --work WORK
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import mediapipe  # type: ignore[import-not-found]
import numpy as np

SETS = ("youtube_faces", "clips", "cmu_faces", "mtfl", "ferplus", "ckplus48")
FRAMES_PER_S = 10.0
PAD, LEAST_SIDE = 0.25, 320
"""Pictures get a border of repeated pixels, in shares of their sides, and are enlarged to at least this side."""


def pictures(name: str, data: Path, work: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names and BGR pictures of a set: relative paths, PART/INDEX of ferplus, SPLIT_PERSON_CLIP/FRAME_TIME of clips."""
    if name == "ferplus":
        content = np.load(data / "ferplus" / "ferplus48.npz")
        for part in ("train", "val"):
            for index, image in enumerate(content[f"{part}_images"]):
                yield f"{part}/{index}", np.repeat(image[:, :, None], 3, axis=2)
        return
    if name == "clips":
        write_frames(data, work / "frames")
        folder = work / "frames"
    else:
        folder = data / name / {"youtube_faces": "frames", "cmu_faces": "frames"}.get(name, "images")
    only = None
    if name == "mtfl":
        with (data / "mtfl" / "labels.csv").open() as file:
            only = {row["path"] for row in csv.DictReader(file) if row["split"] == "train"}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        relative = path.relative_to(folder).as_posix()
        if only is None or relative in only:
            image = cv2.imread(str(path))
            assert image is not None, path
            yield relative, image


def write_frames(data: Path, folder: Path) -> None:
    """Write the frames of the clips as JPEG."""
    if folder.exists():
        return
    with (data / "splits_clips.csv").open() as file:
        clips = [row for row in csv.DictReader(file) if row["set"] != "cmu_faces"]
    for row in clips:
        place = folder / f"{row['split']}_{row['person']}_{row['item']}"
        place.mkdir(parents=True)
        last_s = -1.0
        with av.open(str(data / row["set"] / row["item"])) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if (frame.time or 0.0) - last_s >= 1 / FRAMES_PER_S - 0.001:
                    last_s = frame.time or 0.0
                    image = frame.to_ndarray(format="bgr24")
                    cv2.imwrite(str(place / f"{index:05d}_{last_s:.3f}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 97])


def points_of(image: np.ndarray, mesh: mediapipe.solutions.face_mesh.FaceMesh) -> np.ndarray:
    """(478, 3) points of the face in a picture; NaN if none is found."""
    height, width = image.shape[:2]
    times = max(1, -(-LEAST_SIDE // max(height, width)))
    top, left = int(height * PAD), int(width * PAD)
    large = cv2.copyMakeBorder(image, top, top, left, left, cv2.BORDER_REPLICATE)
    large = cv2.resize(large, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    found = mesh.process(np.ascontiguousarray(large[:, :, ::-1])).multi_face_landmarks
    if not found:
        return np.full((478, 3), np.nan, np.float32)
    points = np.array([[each.x, each.y, each.z] for each in found[0].landmark], np.float32)
    points *= np.array([large.shape[1], large.shape[0], large.shape[1]]) / times
    return points - np.array([left, top, 0], np.float32)


def main() -> None:
    """Label every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3
    )
    for name in SETS:
        labelled = [(each, points_of(image, mesh)) for each, image in pictures(name, options.data, options.work)]
        names, points = zip(*labelled, strict=True)
        np.savez(options.work / f"mesh-{name}.npz", names=np.array(names), points=np.array(points))
        print(f"{name}: {len(names):,} pictures, {np.isfinite(np.array(points)[:, 0, 0]).mean():.1%} with a face")


if __name__ == "__main__":
    main()
