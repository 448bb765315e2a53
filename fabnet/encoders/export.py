"""Exports models: an ONNX file to run without torch, a model folder to publish, one to ship with the package."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import save_file

from fabnet.encoders.digest import file_digest
from fabnet.encoders.int8 import parity, quantize, read_crops
from fabnet.encoders.load_encoder import load
from fabnet.encoders.model_card import model_card
from fabnet.encoders.onnx_export import export_onnx
from fabnet.errors import InputError
from fabnet.files.limits import MAX_WEIGHTS_BYTES, check_file, read_bytes, read_text
from fabnet.files.links import check_links
from fabnet.files.output import written_whole
from fabnet.files.places import as_place, check_free, is_remote
from fabnet.models.find_model import find_model
from fabnet.models.model_folder import (
    CONFIG_FILE,
    INT8_FILE,
    NOTICE_FILE,
    ONNX_FILE,
    READER_FILE,
    README_FILE,
    WEIGHTS_FILE,
    ModelCard,
    read_card,
    write_card,
)
from fabnet.objectives.model_io import load_objective
from fabnet.weights import shipped_models

__all__ = ["export", "ship"]


def export(model: str | Path, out: str | Path, *, int8: str | Path | None = None) -> dict[str, Any]:
    """Export a model: its encoder to an ONNX file, with its `config.json` beside it, or all of it to a model folder.

    A model folder has the form of a repository on the Hugging Face Hub: `model.safetensors`, `config.json`,
    `encoder.onnx` and the model card, `README.md`. The weights stay as they are, so that probes of the model fit; its
    face reader goes with it, but for the encoder in int8, which it was not fitted on.

    Args:
        model: as `fabnet.load` takes it, but no baseline.
        out: an ONNX file, in a folder of its own, where the name ends in .onnx; else the folder to write.
        int8: a folder of face crops or a track store to calibrate on: the encoder is quantised to eight bits, which
            makes it faster and smaller and a little less exact; None: it stays float32.

    Returns:
        `out`, `precision`, and how near the embeddings are to torch's. Of float32: what
        `fabnet.encoders.onnx_export.export_onnx` gives. Of int8: `calibrated_on` and `compared_on`, counts of crops
        (every second one is kept for the comparison), and what `fabnet.encoders.int8.parity` gives.

    Raises:
        InputError: the ending .onnx is not in lower case, beside `out` lies the `config.json` or the face reader of
            something else, `out` is a folder that is not empty, or there are no crops to calibrate on.
        ModelError: the model cannot be loaded, or the file gives something else than torch.
        MissingDependencyError: onnx or onnxscript is not installed.
    """
    folder, out = find_model(model), as_place(out)
    if out.suffix.lower() == ".onnx" != out.suffix:
        raise InputError(f"--out {out} ends in {out.suffix}; expected .onnx in lower case")
    if out.suffix != ".onnx":
        if int8 is not None:
            raise InputError(f"--int8 exports only an ONNX file; expected --out FILE.onnx, got {out}")
        return _export_folder(folder, out)
    if not is_remote(out):
        check_links(out.parent, "the folder of an ONNX file", only=(CONFIG_FILE, READER_FILE))
    for name in (CONFIG_FILE, READER_FILE):
        if (out.parent / name).exists() and (int8 or not _is_left_over(name, folder, out.parent)):
            raise InputError(f"{out.parent} already contains a {name}; export into a folder of its own")
    if int8 is not None:
        return _export_int8(folder, out, as_place(int8))
    facts = export_onnx(folder, out)
    card = read_card(folder)
    weights = folder if folder.is_file() else folder / WEIGHTS_FILE
    _copy(READER_FILE, folder, out.parent)
    write_card(out.parent, replace(card, training=card.training | {"weights_sha256": file_digest(weights)}))  # last
    return {"out": str(out), "precision": "float32"} | facts


def _export_int8(folder: Path, out: Path, source: Path) -> dict[str, Any]:
    exact = load(folder, backend="torch", device="cpu", precision="float32")
    crops = read_crops(source, exact)
    calibrating, comparing = crops[::2], crops[1::2]
    with TemporaryDirectory() as scratch:
        exported = Path(scratch) / ONNX_FILE
        export_onnx(folder, exported)
        with written_whole(out) as partial:
            quantize(exported, partial, exact.prepare(calibrating))
    facts = {"precision": "int8", "calibrated_on": len(calibrating)}
    # The hash of the float32 weights is dropped, because int8 gives other features and needs other probes.
    training = {name: value for name, value in exact.card.training.items() if name != "weights_sha256"}
    write_card(out.parent, replace(exact.card, training=training | facts))
    made = load(out, backend="onnx")
    return (
        {"out": str(out)}
        | facts
        | {"compared_on": len(comparing)}
        | parity(exact.embed(comparing), made.embed(comparing))
    )


def _export_folder(folder: Path, out: Path) -> dict[str, Any]:
    check_free(out, advice := "export into a new folder")
    card = read_card(folder)

    def write_weights(file: Path) -> None:
        if (folder / WEIGHTS_FILE).is_file():
            check_file(folder / WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
            shutil.copyfile(folder / WEIGHTS_FILE, file)
        else:
            state = load_objective(folder)[0].state_dict()
            save_file({name: value.contiguous() for name, value in state.items()}, file)

    # Checked again at the end, because another command may have put something there meanwhile.
    with written_whole(out, last=CONFIG_FILE, check=lambda _: check_free(out, advice)) as partial:
        facts = _write_model(partial, card, write_weights)
        for name in (READER_FILE, INT8_FILE):
            _copy(name, folder, partial)
        # Shipped models share one notice, in their parent folder.
        notices = folder.parent if folder in shipped_models().values() else folder
        said = read_text(partial / NOTICE_FILE) if _copy(NOTICE_FILE, notices, partial) else None
        if not _copy(README_FILE, folder, partial):
            has_reader = (partial / READER_FILE).is_file()
            text = model_card(out.resolve().name, card, notice=said, has_reader=has_reader)
            (partial / README_FILE).write_text(text, encoding="utf-8")
    return {"out": str(out), "precision": "float32"} | facts


def _is_left_over(name: str, source: Path, target: Path) -> bool:
    """Whether an export of the same model wrote a file and was killed before it wrote `config.json`, its last."""
    if name == CONFIG_FILE or (target / CONFIG_FILE).exists() or not (source / name).is_file():
        return False
    return file_digest(source / name) == file_digest(target / name)


def _copy(name: str, source: Path, target: Path) -> bool:
    """Copy a file from one folder to another; False if the first does not have it."""
    if not (source / name).is_file():
        return False
    content = read_bytes(source / name, MAX_WEIGHTS_BYTES)
    with written_whole(target / name, is_internal=True) as partial:
        partial.write_bytes(content)
    return True


def _write_model(folder: Path, card: ModelCard, write_weights: Callable[[Path], None]) -> dict[str, Any]:
    """Write a model folder: the weights, their card, and the ONNX encoder of these weights; return its parity."""
    folder.mkdir()
    write_weights(folder / WEIGHTS_FILE)
    write_card(folder, card)
    return export_onnx(folder, folder / ONNX_FILE)


def ship(model: str | Path, out: Path, **facts: object) -> float:
    """Write a model folder to ship: a run's weights in half precision, and the ONNX encoder of these weights.

    Args:
        model: a run or checkpoint.
        out: the model folder to write.
        facts: entries to add to the training section of the card.

    Returns:
        The largest difference between the torch and ONNX embeddings of random images.

    Raises:
        ModelError: the model cannot be loaded, or the two encoders differ by more than 1e-3.
    """
    objective, card = load_objective(find_model(model))
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in objective.state_dict().items()
    }
    with written_whole(out) as partial:
        made = _write_model(
            partial, replace(card, training=card.training | facts), lambda file: save_file(weights, file)
        )
    return float(made["max_difference"])
