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
    "errors", "version", "weights", "runtime", "files", "options", "store", "models", "faces", "video", "sampling",
    "objectives", "training", "ingest", "encoders", "reading", "over_time", "retrieval", "upkeep", "probes", "teaching",
    "plotting", "reporting", "paper", "serving", "watching", "browser", "demonstration", "cli", "__main__",
]  # fmt: skip
MODULES = sorted(ROOT.rglob("*.py"))


def name_of(file: Path) -> str:
    return ".".join(("fabnet", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


NAMES = {name_of(file): file for file in MODULES}


def imports_of(file: Path, *, only_at_once: bool = False) -> set[str]:
    """The modules of the package that a module imports, anywhere in it; or only those that it imports at once, when it
    is loaded itself."""
    found, tree = set[str](), ast.parse(file.read_text())
    for node in tree.body if only_at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in NAMES else node.module for name in names}
    return {name for name in found if name.split(".")[0] == "fabnet"}


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_modules_import_only_from_rooms_below_their_own(file: Path) -> None:
    own = file.relative_to(ROOT).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imports_of(file):
        assert name != "fabnet" or own == "cli", f"{file} imports the whole package"
        other = (name.split(".") + [own])[1]
        assert ORDER.index(other) <= ORDER.index(own), f"{file} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {
        name: imports_of(file) & NAMES.keys() - {name, "fabnet"} for name, file in NAMES.items() if name != "fabnet"
    }
    while free := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in free}
    assert not left, f"in circles, or above one: {sorted(left)}"


def loaded_with(name: str) -> set[str]:
    """The modules of the package that importing one loads, itself included."""
    found, left = set[str](), [name]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += imports_of(NAMES[name], only_at_once=True) & NAMES.keys()
    return found


@pytest.mark.parametrize(
    ("verb", "needless"),
    [
        ("training.train", ["faces.detect", "faces.find", "video", "ingest", "encoders", "runtime.cluster"]),
        ("ingest.track", ["models", "sampling", "objectives", "training", "encoders"]),
        ("reading.embed", ["sampling", "objectives", "training", "ingest", "probes"]),
        ("over_time.verb", ["models", "faces", "video", "sampling", "store", "encoders", "reading", "files.lance"]),
        ("retrieval.search", ["sampling", "objectives", "training", "video", "store", "reading", "runtime.cluster"]),
        ("probes.probe", ["objectives", "training", "video", "store.track_store", "files.lance", "runtime.cluster"]),
    ],
)
def test_a_verb_loads_nothing_that_it_does_not_need(verb: str, needless: list[str]) -> None:
    loaded = {name.removeprefix("fabnet.") for name in loaded_with(f"fabnet.{verb}")}
    assert not [name for name in loaded for part in needless if name == part or name.startswith(f"{part}.")]


@pytest.mark.parametrize("room", sorted({file.parent for file in MODULES if file.parent != ROOT}))
def test_every_room_says_what_is_in_it(room: Path) -> None:
    tree = ast.parse((room / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    if room.name not in ("cli", "weights"):
        assert len(tree.body) == 1, f"{room}/__init__.py imports: other modules would pay for it"


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


def test_tests_lie_in_the_rooms_that_they_concern() -> None:
    own = Path(__file__).parent
    folders = {file.parent.relative_to(own) for file in own.rglob("test_*.py")} - {Path("."), Path("faults")}
    misplaced = [str(each) for each in folders if not ((ROOT / each).is_dir() or (ROOT / f"{each}.py").is_file())]
    assert misplaced == []
