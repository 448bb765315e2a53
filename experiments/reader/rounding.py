"""Writes the int8 form of the encoder that reads faces, and says what rounding costs on faces held out.

The ranges are those of training faces near their canonical windows. Compared are canonical windows of people held out,
read by the reader in the model's folder from float32 and from int8 embeddings.

Run: python experiments/reader/rounding.py MODEL --data DATA --work WORK --out encoder-int8.onnx
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from faces import Pictures, arguments, read_faces
from looks import look

from fabnet.encoders.embedder import Embedder
from fabnet.encoders.encoded_faces import EncodedFaces
from fabnet.encoders.int8 import parity, quantize
from fabnet.encoders.load_encoder import load
from fabnet.encoders.onnx_encoder import onnx_encoder
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import ONNX_FILE

SETS = ("youtube_faces", "clips", "cmu_faces", "mtfl")
MOST_TRAINING, MOST_HELD_OUT = 300, 400
"""Upper bounds of faces of a set."""
SIDE_PX = 128.0


def views_of(encoder: Embedder, data: Path, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3, size, size) float32 windows of training faces, and of faces held out."""
    rng, size, share = np.random.default_rng(0), encoder.card.size, encoder.card.window[2]
    views: dict[str, list[np.ndarray]] = {"near": [], "canonical": []}
    for name in SETS:
        faces, read = read_faces(name, data, work, share), Pictures(name, data, work)
        for kind, at, most in (
            ("near", faces.is_train, MOST_TRAINING), ("canonical", ~faces.is_train, MOST_HELD_OUT)
        ):  # fmt: skip
            places = np.flatnonzero(at)
            for place in rng.choice(places, min(most, len(places)), replace=False):
                window = faces.heads.windows[place]
                views[kind].append(look(read(str(faces.names[place])), window, window[2] / share, kind, rng, size)[0])
    prepared = (np.stack(each).transpose(0, 3, 1, 2) for each in views.values())
    training, held_out = (np.ascontiguousarray(each, np.float32) / 255 for each in prepared)
    return training, held_out


def compared(encoder: Embedder, exact: np.ndarray, rounded: np.ndarray) -> dict[str, object]:
    """How far readings of two precisions differ."""
    reader, count = encoder.required_reader(), len(exact)
    boxes, light = np.tile(np.array([0, 0, SIDE_PX, SIDE_PX], np.float32), (count, 1)), np.full(count, 0.5, np.float32)
    turns = np.zeros(count, np.float32)
    one, other = (
        reader.columns(EncodedFaces(each, boxes, turns, light, light, light, boxes)) for each in (exact, rounded)
    )
    units = [name for task in reader.tasks for name in task.columns if name.startswith("AU")]
    said: dict[str, object] = dict(parity(exact, rounded))
    said["faces"] = count
    said["units that flip"] = float(np.mean([(one[name] > 0.5) != (other[name] > 0.5) for name in units]))
    said["smiles that flip"] = float(np.mean((one["smile"] > 0.5) != (other["smile"] > 0.5)))
    for name in ("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg"):
        far = other[name] - one[name]
        said[name] = {"mean": float(np.abs(far).mean()), "95 % under": float(np.quantile(np.abs(far), 0.95)),
                      "bias": float(far.mean())}  # fmt: skip
    points = np.abs(other["landmarks68_px"] - one["landmarks68_px"]).mean() / SIDE_PX
    said["points, share of the window"] = float(points)
    placed = [reader.placed(reader.where(each), boxes, turns)[0] for each in (exact, rounded)]
    said["window, share of its side"] = float(np.abs(placed[1] - placed[0]).max(axis=1).mean() / SIDE_PX)
    return said


def main() -> None:
    """Quantise and compare."""
    options = arguments(__doc__, "out")
    cv2.setNumThreads(1)
    encoder, exported = load(options.model, backend="onnx"), find_model(options.model) / ONNX_FILE
    training, held_out = views_of(encoder, options.data, options.work)
    quantize(exported, options.out, training)
    exact, rounded = (
        np.concatenate([encode(held_out[i : i + 1]) for i in range(len(held_out))])
        for encode in (onnx_encoder(file, encoder.card) for file in (exported, options.out))
    )
    print(json.dumps({"calibrated on": len(training)} | compared(encoder, exact, rounded), indent=1))


if __name__ == "__main__":
    main()
