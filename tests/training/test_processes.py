"""Training in several real processes: the same result as with one, and a clear error when one dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fabnet.models.find_model import latest_checkpoint, list_checkpoints

FLAGS = [
    "--size=16", "--width=4", "--embedding-dim=16", "--batch-size=8", "--num-val-pairs=15", "--num-workers=0",
    "--warmup-steps=2", "--sources=2", "--curriculum", "--curriculum-patience=0", "--precision=float32",
    "--optimizer=sgd", "--learning-rate=0.01",
]  # fmt: skip
# Runs fabnet with what the curriculum chose written down, and with a last checkpoint that takes its time to write.
RECORDING = """
import json, os, sys, time
import fabnet.training.trainer as trainer
from fabnet.cli import main
from fabnet.training.curriculum import LossPercentileCurriculum
select, chosen = LossPercentileCurriculum.select, []
def recorded(self, losses):
    made = select(self, losses)
    chosen.append([self.shifts, *made.tolist()])
    return made
LossPercentileCurriculum.select = recorded
save = trainer.save_checkpoint
def slowly(run, objective, optimizer, state, *values, **options):
    time.sleep(2 * (state.step == 20))
    return save(run, objective, optimizer, state, *values, **options)
trainer.save_checkpoint = slowly
file = sys.argv.pop(1)
code = main()
open(f"{file}-{os.environ.get('RANK', 0)}.json", "w").write(json.dumps(chosen))
sys.exit(code)
"""


# Runs fabnet with the number of pictures that were decoded written down.
COUNTING = """
import os, sys
import fabnet.sampling.loader as loader
from fabnet.cli import main
decode, count = loader.decode_jpeg, 0
def counted(data, *, min_side):
    global count
    count += 1
    return decode(data, min_side=min_side)
loader.decode_jpeg = counted
file = sys.argv.pop(1)
code = main()
open(f"{file}-{os.environ.get('RANK', 0)}.txt", "w").write(str(count))
sys.exit(code)
"""


# Runs fabnet with checkpoints that take their time, and writes down when each was written and how each process ended.
SLOW = """
import os, sys, time
import fabnet.training.trainer as trainer
from fabnet.cli import main
save = trainer.save_checkpoint
def slowly(*values, **options):
    time.sleep(2)
    made = save(*values, **options)
    open(f"{file}-saved.txt", "w").write(str(time.time()))
    return made
trainer.save_checkpoint = slowly
file = sys.argv.pop(1)
code = main()
open(f"{file}-{os.environ['RANK']}.txt", "w").write(f"{time.time()} {code}")
sys.exit(code)
"""


def torchrun(count: int) -> list[str]:
    return [
        sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0", f"--nproc-per-node={count}",
    ]  # fmt: skip


def alone() -> dict[str, str]:
    """The environment with one thread for each process."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def quiet() -> dict[str, str]:
    return alone() | {"PYTHONWARNINGS": "ignore"}


def test_the_processes_of_a_machine_share_what_they_decode(store: Path, tmp_path: Path) -> None:
    script = tmp_path / "counting.py"
    script.write_text(COUNTING)
    counts = {}
    for name, start in (("one", [sys.executable]), ("two", torchrun(2))):
        flags = [*FLAGS, "--max-steps=40", "--validate-every=20", f"--out={tmp_path / name}"]
        done = subprocess.run(
            [*start, str(script), str(tmp_path / name), "train", str(store), *flags],
            capture_output=True, text=True, env=alone(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("each image is decoded once") == 1
        assert not (tmp_path / name / "_frames").exists()
        counts[name] = [int(file.read_text()) for file in tmp_path.glob(f"{name}-*.txt")]
    assert len(counts["two"]) == 2
    assert min(counts["two"]) > 0
    assert sum(counts["two"]) < 1.3 * sum(counts["one"])  # both may decode an image at the same time


def test_two_processes_give_the_result_of_one_and_wait_for_each_other(store: Path, tmp_path: Path) -> None:
    script = tmp_path / "recording.py"
    script.write_text(RECORDING)
    made, best = {}, {}
    for name, start in (("one", [sys.executable]), ("two", torchrun(2))):
        flags = [*FLAGS, "--max-steps=20", "--validate-every=4", f"--out={tmp_path / name}", "--json"]
        command = [*start, str(script), str(tmp_path / name), "train", str(store), *flags]
        done = subprocess.run(command, capture_output=True, text=True, env=alone())
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        # Only the first process prints.
        said = json.loads(done.stdout)
        assert said["steps"] == 20
        best[name] = Path(said["model"]).relative_to(tmp_path / name)
        made[name] = load_file(latest_checkpoint(tmp_path / name) / "model.safetensors")
    assert best["one"] == best["two"]
    chosen = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one-0", "two-0", "two-1")]
    assert chosen[0] == chosen[1] == chosen[2]
    assert len({shifts for shifts, *_ in chosen[0]}) > 1
    for name, value in made["one"].items():
        if value.is_floating_point():
            # Rounding depends on the processor; it is largest in the flow's last layer, which begins near zero: 1.2e-4.
            difference = (made["two"][name] - value).norm() / value.norm().clamp(min=1e-3)
            assert difference < 1e-3, (name, float(difference))


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def test_a_stopped_process_waits_until_the_first_has_saved(store: Path, tmp_path: Path) -> None:
    script, run = tmp_path / "slow.py", tmp_path / "run"
    script.write_text(SLOW)
    flags = [*FLAGS, "--max-steps=100000", "--validate-every=20", f"--out={run}"]
    process = subprocess.Popen(
        [*torchrun(2), str(script), str(run), "train", str(store), *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet(),
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list_checkpoints(run):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(children(process.pid)[0], signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert f"stopped at step {int(latest_checkpoint(run).name[5:])}; " in errors
    saved = float((tmp_path / "run-saved.txt").read_text())
    for rank in (0, 1):
        ended, code = (tmp_path / f"run-{rank}.txt").read_text().split()
        assert float(ended) > saved
        assert code == "130"


@pytest.mark.parametrize("kills", [pytest.param(1, id="few"), pytest.param(20, id="many", marks=pytest.mark.slow)])
def test_a_run_ends_when_a_process_dies_and_can_resume(store: Path, tmp_path: Path, kills: int) -> None:
    run = tmp_path / "run"
    steady = [
        "--schedule=plateau",
        "--plateau-patience=1000",
    ]  # a rate independent of the number of steps
    start = [*torchrun(2), "-m", "fabnet", "train", str(store), *FLAGS, *steady, "--validate-every=20"]
    command = [*start, "--max-steps=3000", f"--out={run}"]
    random = np.random.default_rng(0)
    reached = [0]
    for number in range(kills):
        flags = [f"--num-workers={1 - number % 2}", *(["--resume"] if reached[-1] else [])]
        process = subprocess.Popen(
            [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet()
        )
        deadline = time.monotonic() + 300
        while not (found := list_checkpoints(run)) or int(found[-1].name[5:]) <= reached[-1]:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.3))
        os.kill(children(process.pid)[int(random.integers(2))], signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
        assert process.returncode != 0
        said = [line for line in errors.splitlines() if line.startswith("fabnet train")]
        assert len(said) == 1, errors
        assert "--resume" in said[0]
        assert "[rank" not in errors  # how torch begins each line of a traceback
        reached.append(int(latest_checkpoint(run).name[5:]))
    assert reached == sorted(set(reached))
    steps = f"--max-steps={reached[-1] + 20}"
    for flags in ([steps, "--resume", f"--out={run}"], [steps, f"--out={tmp_path / 'whole'}"]):
        done = subprocess.run([*start, *flags], capture_output=True, text=True, env=quiet())
        assert done.returncode == 0, done.stderr
    rows = (run / "metrics.csv").read_text().splitlines()
    written = [int(float(row.split(",")[0])) for row in rows[1:]]
    assert written == sorted(set(written))
    assert set(range(20, reached[-1] + 21, 20)) <= set(written)
    ended, whole = (load_file(latest_checkpoint(tmp_path / name) / "model.safetensors") for name in ("run", "whole"))
    assert all(torch.equal(ended[name], value) for name, value in whole.items())
