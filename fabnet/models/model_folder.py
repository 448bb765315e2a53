"""A model on disk: a folder with `config.json` and `model.safetensors`, `encoder.onnx` if it was exported, and
`reader.safetensors` if a face reader comes with it (`fabnet.encoders.face_reader`), then perhaps with
`encoder-int8.onnx`, the encoder in int8, for reading faces.

A model repository on the Hugging Face Hub has the same layout; its `README.md` is the model card for people.

`config.json` describes the network and how its input is cropped:

    {"format": "fabnet-model", "format_version": 1, "objective": "fabnet",
     "architecture": {"size": 64, "width": 32, "embedding_dim": 256, "num_sources": 1},
     "window": [0.5, 0.5, 0.742], "crop": {...}, "pairs_seen": 270016, ...}

Nothing in the folder is unpickled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fabnet.errors import ModelError
from fabnet.files.fields import check_fields
from fabnet.files.limits import MAX_CONFIG_BYTES, read_text
from fabnet.files.output import written_whole

__all__ = [
    "AUTHORS_CARD",
    "AUTHORS_SUFFIXES",
    "CONFIG_FILE",
    "FORMAT_VERSION",
    "INT8_FILE",
    "MODEL_FILES",
    "NOTICE_FILE",
    "ONNX_FILE",
    "READER_FILE",
    "README_FILE",
    "WEIGHTS_FILE",
    "ModelCard",
    "input_size",
    "read_card",
    "write_card",
]

FORMAT_VERSION = 1
CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE = "config.json", "model.safetensors", "encoder.onnx"
READER_FILE, INT8_FILE = "reader.safetensors", "encoder-int8.onnx"
README_FILE, NOTICE_FILE = "README.md", "NOTICE.md"
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE, READER_FILE, INT8_FILE, README_FILE, NOTICE_FILE)


def input_size(size: int, looks: int) -> int:
    """Side of a network's input in pixels; two looks of `size` share an input of one and a half times that side."""
    return size if looks == 1 else size * 3 // 2


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The content of a model folder's `config.json`.

    Attributes:
        objective: name of the objective it was trained with.
        architecture: the objective's arguments: size, width, embedding_dim and any others.
        window: centre x, centre y and side of the inner window, in shares of a stored crop's side.
        crop: the crop specification of the track store it was trained on; None if it had none.
        training: facts about the run: steps, pairs_seen, val_loss and so on.
    """

    objective: str
    architecture: dict[str, Any]
    window: tuple[float, float, float]
    crop: dict[str, Any] | None = None
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Height and width of the network's input in pixels."""
        return input_size(int(self.architecture["size"]), int(self.architecture.get("looks", 1)))


AUTHORS_SUFFIXES = (".pth", ".pt", ".tar")
AUTHORS_CARD = ModelCard(
    objective="fabnet",
    architecture={"size": 256, "width": 32, "embedding_dim": 256},
    window=(0.5, 0.5, 190 / 256),
    training={"by": "the authors of FAb-Net"},
)
"""The authors' released models. Their window is centred on the face, as in this package's crops."""


def write_card(folder: Path, card: ModelCard) -> None:
    """Write `config.json` into an existing folder."""
    content = {
        "format": "fabnet-model",
        "format_version": FORMAT_VERSION,
        "objective": card.objective,
        "architecture": card.architecture,
        "window": list(card.window),
        "crop": card.crop,
        "training": card.training,
    }
    with written_whole(folder / CONFIG_FILE, is_internal=True) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def read_card(folder: Path) -> ModelCard:
    """Read `config.json` of a model folder.

    Args:
        folder: the model folder, or a file of the authors' release.

    Raises:
        ModelError: the file is missing, corrupt, incomplete or of another version.
    """
    if folder.suffix in AUTHORS_SUFFIXES and folder.is_file():
        return AUTHORS_CARD
    file = folder / CONFIG_FILE
    try:
        content = json.loads(read_text(file, MAX_CONFIG_BYTES))
    except FileNotFoundError:
        raise ModelError(f"{folder} is not a model folder: it has no {CONFIG_FILE}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read ({error}); expected JSON") from None
    if not isinstance(content, dict) or content.get("format") != "fabnet-model":
        raise ModelError(f'{file} does not describe a fabnet model; expected "format": "fabnet-model"')
    if content.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{folder} has model format {content.get('format_version')!r}; this fabnet reads {FORMAT_VERSION}: "
            "install the fabnet that wrote it"
        )
    try:
        centre_x, centre_y, side = (float(value) for value in content["window"])
        if not (0 <= centre_x <= 1 and 0 <= centre_y <= 1 and 0 < side <= 2):
            raise ValueError(f"the window {content['window']}")
        architecture = content["architecture"]
        check_fields(
            {name: architecture[name] for name in ("size", "embedding_dim")} | {"looks": architecture.get("looks", 1)},
            {"size": int, "embedding_dim": int, "looks": Literal[1, 2]},
        )
        return ModelCard(
            objective=str(content["objective"]),
            architecture=dict(architecture),
            window=(centre_x, centre_y, side),
            crop=content.get("crop"),
            training=dict(content.get("training") or {}),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{file} is corrupt: {type(error).__name__} at {error}") from None
