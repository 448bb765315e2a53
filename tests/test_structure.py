"""The shape of the project: the way of the data, light imports, public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import fabnet

ROOT = Path(fabnet.__file__).parent
ORDER = [
    "_module_run", "errors", "limits", "cells", "links", "fields", "archives", "numpy_file", "mat_file", "interrupts",
    "children", "cores", "onnx_runtime", "memory", "streams", "terminal", "progress", "sync", "places", "locks",
    "output", "pose", "engine", "video", "tracks", "weights", "sampling", "models", "objectives", "training",
    "embedding", "retrieval", "probes", "reporting", "serving", "upkeep", "summary", "demonstration", "cli", "__main__",
]  # fmt: skip
MODULES = sorted(ROOT.rglob("*.py"))


def place_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_modules_import_only_from_what_stands_before_them(file: Path) -> None:
    own = file.relative_to(ROOT).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fabnet."):
            other = place_of(node.module or "")
            assert ORDER.index(other) <= ORDER.index(own), f"{file} imports {node.module}"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_lists_its_public_names(file: Path) -> None:
    tree = ast.parse(file.read_text())
    lists = [
        node for node in tree.body if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if not {name for name in defined if not name.startswith("_")}:
        return
    assert lists, f"{file} has no __all__"
    names = set(ast.literal_eval(lists[0].value))
    assert not {name for name in names if name.startswith("_")}
    module = import_module("fabnet." + ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    assert all(hasattr(module, name) for name in names)


def test_the_public_names_are_there() -> None:
    for name in fabnet.__all__:
        assert getattr(fabnet, name).__name__ == name
    assert set(fabnet.__all__) <= set(dir(fabnet))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        fabnet.trian  # noqa: B018


def test_importing_fabnet_is_light() -> None:
    code = "import sys, fabnet.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "torch", "cv2", "av", "lance", "pyarrow", "onnxruntime", "tyro", "rich"} & set(loaded)


def test_files_are_short() -> None:
    long = {str(file): lines for file in MODULES if (lines := len(file.read_text().splitlines())) > 400}
    assert long == {}
