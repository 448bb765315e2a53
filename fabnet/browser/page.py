"""Writes the page that reads faces in the browser: its files, a model with its face reader, the detector, a runtime.

Everything that the page computes with comes from here: `page.json` says what the Python code uses, so that both give
the same numbers.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fabnet.weights
from fabnet.browser.web_runtime import VERSION as RUNTIME_VERSION
from fabnet.browser.web_runtime import take_runtime
from fabnet.encoders import face_reader
from fabnet.encoders.load_encoder import load_for_reading
from fabnet.encoders.onnx_export import export_onnx
from fabnet.faces import quality
from fabnet.faces.crop import CropSpec
from fabnet.faces.detect import detection, photos, tiles, turned, yunet
from fabnet.files.output import written_whole
from fabnet.files.places import as_place, check_free
from fabnet.models.find_model import find_model, onnx_name
from fabnet.models.hub import is_hub_name
from fabnet.models.model_folder import INT8_FILE, NOTICE_FILE, ONNX_FILE, READER_FILE, ModelCard
from fabnet.reading import canonical, follow
from fabnet.reading.options import ReadOptions
from fabnet.runtime.onnx_runtime import onnxruntime
from fabnet.version import VERSION
from fabnet.weights import shipped_models

__all__ = ["export_page", "settings_of"]

STATIC = Path(__file__).parent / "static"
WEIGHTS = Path(fabnet.weights.__file__).parent
RUNTIME = {"ort.wasm.bundle.min.mjs": "ort.js", "ort-wasm-simd-threaded.wasm": "ort.wasm"}
"""Files of the npm package, and their names in the page: some servers do not know what .mjs is."""


def export_page(model: str | Path, out: str | Path, *, runtime: str | Path) -> dict[str, Any]:
    """Write a folder that any static server can serve: a page that reads faces of a camera or a photo in the browser.

    It gives what `read` gives for the largest face. No picture leaves the page, and it loads nothing from other sites.

    Args:
        model: a model with a face reader, as `read` takes it. It is run in int8 if its folder has it in int8.
        out: the folder to write.
        runtime: where ONNX Runtime Web comes from: "npm", which downloads the pinned version of the npm package
            onnxruntime-web (MIT), or the file that `npm pack` made of this version.

    Returns:
        `out`, `encoder` (the file that the page runs), `runtime` (its version), and `bytes` of the whole folder.

    Raises:
        InputError: `out` has something in it, or `runtime` is neither npm nor that file.
        ModelError: the model cannot be loaded, or carries no face reader.
        MissingDependencyError: npm is not installed, or the model has no ONNX file and torch or onnx is missing.
    """
    out = as_place(out)
    check_free(out, advice := "write the page into a new folder")
    encoder = load_for_reading(model, device="cpu")
    encoder.required_reader()
    folder = find_model(model)
    asked = onnx_name(model)
    given = [INT8_FILE, ONNX_FILE] if asked is None else [asked]
    file = next((name for name in given if (folder / name).is_file()), ONNX_FILE)
    name = str(model) if str(model) in shipped_models() or is_hub_name(model) else folder.name
    # Checked again at the end, because another command may have put something there meanwhile.
    with written_whole(out, last="index.html", check=lambda _: check_free(out, advice)) as partial:
        shutil.copytree(STATIC, partial)
        for part in ("models", "ort"):
            (partial / part).mkdir()
        take_runtime(runtime, {given: partial / "ort" / kept for given, kept in RUNTIME.items()})
        models = partial / "models"
        if (folder / file).is_file():
            shutil.copyfile(folder / file, models / file)
        else:
            export_onnx(folder, models / file)
        shutil.copyfile(folder / READER_FILE, models / READER_FILE)
        shutil.copyfile(WEIGHTS / "yunet" / "yunet.onnx", models / "yunet.onnx")
        _copy_licences(folder, partial)
        about = f"Model {name}, fabnet {VERSION}, ONNX Runtime Web {RUNTIME_VERSION}."
        own = {"about": about, "encoder": f"models/{file}", "has_notice": (models / NOTICE_FILE).is_file()}
        settings = own | settings_of(encoder.card)
        (partial / "page.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        size = sum(each.stat().st_size for each in partial.rglob("*") if each.is_file())
    return {"out": str(out), "encoder": file, "runtime": RUNTIME_VERSION, "bytes": size}


def _copy_licences(folder: Path, page: Path) -> None:
    """The terms of all that the page carries; the runtime's are those of the Python package of the same project."""
    notices = folder.parent if folder in shipped_models().values() else folder
    if (notices / NOTICE_FILE).is_file():
        shutil.copyfile(notices / NOTICE_FILE, page / "models" / NOTICE_FILE)
    shutil.copyfile(WEIGHTS / "yunet" / "LICENSE", page / "models" / "LICENSE-yunet.txt")
    source = Path(onnxruntime.__file__).parent
    for name, kept in (("LICENSE", "LICENSE.txt"), ("ThirdPartyNotices.txt", "ThirdPartyNotices.txt")):
        shutil.copyfile(source / name, page / "ort" / kept)


def settings_of(card: ModelCard) -> dict[str, Any]:
    """What the page computes with: the numbers of the Python code, of this model."""
    spec = CropSpec.from_json(card.crop or {})
    return {
        "size": card.size,
        "window": list(card.window),
        "crop": {name: asdict(spec)[name] for name in ("margin", "shift_x", "shift_y", "framing")},
        "find": {"tried_deg": canonical.TRIED_DEG, "sure": canonical.SURE, "better": canonical.BETTER},
        "settle": {"tolerance": canonical.TOLERANCE, "looks": canonical.MAX_LOOKS},
        "follow": {
            "tolerance": follow.TOLERANCE, "looks": follow.MAX_LOOKS, "damping": follow.DAMPING,
            "same_face": follow.SAME_FACE, "search_empty": follow.SEARCH_EMPTY,
            "search_every_s": ReadOptions().search_every,
        },
        "reader": {
            "format": face_reader.FORMAT, "first": face_reader.FIRST, "face": face_reader.FACE,
            "covered": face_reader.COVERED, "face_probability": face_reader.FACE_PROBABILITY,
            "pose": face_reader.POSE, "max_roll_deg": face_reader.MAX_ROLL_DEG,
            "max_turn_deg": face_reader.MAX_TURN_DEG, "min_brightness": face_reader.MIN_BRIGHTNESS,
            "min_contrast": face_reader.MIN_CONTRAST, "landmarks": face_reader.LANDMARKS,
            "max_outside": face_reader.MAX_OUTSIDE, "min_detail": face_reader.MIN_DETAIL,
            "least_sharp_px": face_reader.LEAST_SHARP_PX, "stride_px": quality.STRIDE_PX,
        },
        "detector": {
            "min_face_share": detection.MIN_FACE_SHARE, "photo_share": photos.PHOTO_SHARE, "long": detection.LONG,
            "min_face_px": detection.MIN_FACE_PX, "searched_face_px": yunet.SEARCHED_FACE_PX,
            "strides_px": yunet.STRIDES_PX, "tile_px": yunet.TILE_PX, "overlap_px": yunet.OVERLAP_PX,
            "min_cell_score": yunet.MIN_CELL_SCORE, "scores": yunet.SCORES, "min_score": yunet.MIN_SCORE,
            "to_mtcnn_y": yunet.TO_MTCNN_Y, "to_mtcnn_width": yunet.TO_MTCNN_WIDTH,
            "to_mtcnn_height": yunet.TO_MTCNN_HEIGHT, "max_shared": tiles.MAX_SHARED, "min_same": tiles.MIN_SAME,
            "edge_px": tiles.EDGE_PX, "upright_score": turned.UPRIGHT_SCORE, "turned_score": turned.TURNED_SCORE,
        },
    }  # fmt: skip
