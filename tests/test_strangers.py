"""Nothing runs that lies beside the input, and nothing is asked of the network."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fabnet

NAMES = (
    "multiprocessing", "pickle", "signal", "numpy", "cv2", "av", "lance", "pyarrow", "json", "logging", "random",
    "socket", "struct", "selectors", "queue", "threading", "tempfile", "torch", "rich", "fabnet", "onnxruntime",
    "sitecustomize", "usercustomize", "copyreg", "typing", "dataclasses", "tyro", "safetensors", "filelock",
    "encodings", "site", "ray", "scipy", "sklearn", "matplotlib", "tensorboard",
)  # fmt: skip
BEFORE_PYTHON_M = {"fabnet"}
"""Python itself looks for these in the working folder before `python -m fabnet` has begun."""
PLANTED = 'import os\nopen(os.environ["FABNET_TEST_MARKS"], "a").write(__name__ + "\\n")\n'
SCRIPT = """
import os, sys, time
from fabnet.cli import main
if __name__ == "__main__":
    code = main()
    time.sleep(float(os.environ.get("FABNET_TEST_LINGER", "0")))
    sys.exit(code)
"""
TRAIN = [
    "--size=16", "--width=4", "--embedding-dim=16", "--batch-size=8", "--num-val-pairs=8", "--num-workers=1",
    "--max-steps=2",
]  # fmt: skip
CI = {"CI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "TF_BUILD", "TRAVIS", "CIRCLECI", "JENKINS_URL"}
"""ONNX Runtime's telemetry is silent where one of these is set."""
DEFAULT = ("track", "train", "embed")
VERBS: dict[str, list[str]] = {
    "track": ["track", "second.mp4", "--out=tracks.lance", "--num-workers=1", "--fps=2", "--size=64"],
    "import": ["import", "frames", "--out=imported.lance", "--layout=identity/video", "--num-workers=1"],
    "train": ["train", "store", "--out=trained", *TRAIN],
    "embed": ["embed", "frames/person0", "--out=embedded.csv", "--crop=none"],
    "info": ["info", "store"],
    "compact": ["compact", "store"],
    "search": ["search", "faces.lance", "--query=frames/person1/0/0.jpg", "--crop=none"],
    "probe": ["probe", "--model=pixels", "--protocol=labels.csv", "--data=frames", "--seeds=1"],
    "report": ["report", "run", "--out=report"],
    "export": ["export", "run", "--out=model.onnx"],
    "table": ["table", "1"],
    "demo": ["demo", "--out=demo", "--minutes=0.2"],
}


@pytest.fixture(scope="module")
def fabnet_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command as pip installs it, which stays for a while where it is told to."""
    script = tmp_path_factory.mktemp("bin") / "fabnet"
    script.write_text(SCRIPT)
    return script


@pytest.fixture(scope="module")
def inputs(
    second: Path, frames_folder: Path, store: Path, tiny_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with an input for every verb."""
    place = tmp_path_factory.mktemp("inputs")
    shutil.copy(second, place / "second.mp4")
    for name, source in (("frames", frames_folder), ("store", store), ("run", tiny_run)):
        shutil.copytree(source, place / name)
    fabnet.embed([place / "store"], place / "faces.lance", model="small", crop="none")
    faces = [f"person{person}/0/{number}.jpg" for person in range(6) for number in range(10)]
    rows = [f"{face},{face.split('/')[0]},{number % 7 / 7}" for number, face in enumerate(faces)]
    (place / "labels.csv").write_text("\n".join(["path,subject,value", *rows]) + "\n")
    return place


@pytest.fixture
def folder(inputs: Path, tmp_path: Path) -> Path:
    """A working folder of a test's own with the inputs."""
    return Path(shutil.copytree(inputs, tmp_path / "work"))


def plant(folder: Path, names: tuple[str, ...] | set[str]) -> dict[str, str]:
    """Put modules into a folder that write their names down when they are imported; the environment that says where."""
    for name in names:
        (folder / f"{name}.py").write_text(PLANTED)
    (folder / "matplotlibrc").write_text("text.usetex: True\n")  # would start LaTeX
    marks = folder.parent / "marks"
    marks.write_text("")
    return os.environ | {"FABNET_TEST_MARKS": str(marks), "OMP_NUM_THREADS": "1"}


def run(start: list[str], verb: str, folder: Path, environment: dict[str, str]) -> None:
    command = [*start, *VERBS[verb]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (folder.parent / "marks").read_text() == ""


def slow_but(names: tuple[str, ...]) -> list[object]:
    return [verb if verb in names else pytest.param(verb, marks=pytest.mark.slow) for verb in VERBS]


@pytest.mark.parametrize("verb", slow_but(DEFAULT))
def test_modules_beside_the_input_do_not_run(verb: str, fabnet_script: Path, folder: Path) -> None:
    run([sys.executable, str(fabnet_script)], verb, folder, plant(folder, NAMES))


@pytest.mark.parametrize("verb", slow_but(("track",)))
def test_modules_beside_the_input_do_not_run_by_python_m(verb: str, folder: Path) -> None:
    run([sys.executable, "-m", "fabnet"], verb, folder, plant(folder, set(NAMES) - BEFORE_PYTHON_M))


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["track", "import", "train", "embed"])
@pytest.mark.parametrize("name", NAMES)
def test_no_single_module_beside_the_input_runs(name: str, verb: str, fabnet_script: Path, folder: Path) -> None:
    run([sys.executable, str(fabnet_script)], verb, folder, plant(folder, {name}))


@pytest.mark.slow
def test_modules_beside_the_input_do_not_run_by_torchrun(fabnet_script: Path, folder: Path) -> None:
    fabnet_script.write_text(f"#!{sys.executable}\n{SCRIPT}")
    fabnet_script.chmod(0o755)
    torchrun = "import sys; from torch.distributed.run import main; main()"  # as the command does, in a safe folder
    (folder.parent / "torchrun").write_text(torchrun)
    start = [
        sys.executable, str(folder.parent / "torchrun"), "--nnodes=1", "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0", "--nproc-per-node=2", "--no-python", str(fabnet_script),
    ]  # fmt: skip
    run(start, "train", folder, plant(folder, NAMES) | {"PYTHONWARNINGS": "ignore"})


def test_a_call_from_a_prompt_starts_workers_without_the_working_folder(folder: Path) -> None:
    code = "import fabnet, os; "
    code += "[open(f'{name}.py', 'w').write(os.environ['PLANTED']) for name in os.environ['NAMES'].split()]; "
    code += "found = fabnet.track(['second.mp4'], 't.lance', num_workers=1, fps=2.0, size=64)\nprint(found.num_videos)"
    environment = plant(folder, set()) | {"PLANTED": PLANTED, "NAMES": "multiprocessing pickle signal socket"}
    # Imported before they are planted.
    names = "fabnet.ingest.track multiprocessing.spawn multiprocessing.popen_spawn_posix"
    code = "".join(f"import {name}; " for name in names.split()) + code
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert (folder.parent / "marks").read_text() == ""


def test_a_script_and_its_neighbours_still_start_workers(folder: Path) -> None:
    (folder / "settings.py").write_text("SIZE = 64\n")
    script = "import fabnet, settings\nif __name__ == '__main__':\n"
    script += "    found = fabnet.track(['second.mp4'], 't.lance', num_workers=1, fps=2.0, size=settings.SIZE)\n"
    script += "    print(found.num_videos)\n"
    (folder / "track_it.py").write_text(script)
    done = subprocess.run([sys.executable, "track_it.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_a_script_from_a_pipe_starts_workers(folder: Path) -> None:
    script = "import fabnet\n"
    script += "print(fabnet.track(['second.mp4'], 't.lance', num_workers=1, fps=2.0, size=64).num_videos)\n"
    done = subprocess.run([sys.executable, "-"], cwd=folder, input=script, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.parametrize("verb", slow_but(("track", "embed")))
def test_no_verb_asks_anything_of_the_network(verb: str, fabnet_script: Path, folder: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = folder.parent / "calls"
    start = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(log), sys.executable]
    tried = subprocess.run([*start, "-c", ""], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"strace cannot be used here: {tried.stderr.strip()}")
    environment = {name: value for name, value in plant(folder, set()).items() if name not in CI}
    if verb != "track":  # ONNX Runtime sends what it has gathered nine seconds after its start
        environment["FABNET_TEST_LINGER"] = "12"
    run([*start, str(fabnet_script)], verb, folder, environment)
    assert [line for line in log.read_text().splitlines() if re.search(r"AF_INET6?\b", line)] == []


def test_onnx_runtime_is_imported_in_one_place() -> None:
    places = []
    for file in Path(fabnet.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            places += [file.name for name in names if name.partition(".")[0] == "onnxruntime"]
    assert places == ["onnx_runtime.py"]


WITHOUT_STREAMS = """
import multiprocessing, os, sys
import fabnet

def tracked(number):
    return fabnet.track(["second.mp4"], f"t{number}.lance", num_workers=2, fps=2.0, size=64).num_videos

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(tracked, [0]), flush=True)
    kept, sys.stdout, sys.stderr = sys.stdout, None, None
    kept.write(str(tracked(1)))
"""


def test_calls_from_a_pools_worker_and_from_a_program_without_streams(folder: Path) -> None:
    (folder / "pooled.py").write_text(WITHOUT_STREAMS)
    done = subprocess.run([sys.executable, "pooled.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "[1]\n1"), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the working folder of a process")
def test_a_working_folder_that_was_deleted_is_one_line(fabnet_script: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = [str(fabnet_script), "track", str(folder / "second.mp4"), "--out", str(tmp_path / "t.lance")]
    line = 'rmdir "$PWD" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, *command], cwd=tmp_path / "gone", capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (
        2,
        "fabnet track: the working folder was deleted: start from another one\n",
    )
