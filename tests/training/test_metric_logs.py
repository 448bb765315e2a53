"""Where a run's metrics go beside its folder."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fabnet
from fabnet.cli import main
from fabnet.errors import InputError, MissingDependencyError
from fabnet.training.metric_logs import IDS_FILE, check_logs
from fabnet.training.run_log import read_metrics

TINY: dict[str, Any] = {
    "size": 32, "width": 4, "embedding_dim": 16, "batch_size": 4, "num_val_pairs": 4, "num_workers": 0, "decoded_gb": 0,
    "validate_every": 2,
}  # fmt: skip


def flags(**changes: Any) -> list[str]:
    return [text for name, value in (TINY | changes).items() for text in (f"--{name.replace('_', '-')}", str(value))]


def ids(run: Path) -> dict[str, str]:
    return dict(json.loads((run / IDS_FILE).read_text()))


def test_a_function_gets_every_row_of_the_run(store: Path, tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    run = tmp_path / "run"
    fabnet.train(store, run, max_steps=4, log=lambda step, metrics: rows.append({"step": step, **metrics}), **TINY)
    assert [row["step"] for row in rows] == [2, 4]
    for row, written in zip(rows, read_metrics(run), strict=True):
        assert row.keys() == written.keys()
        assert all(math.isclose(row[name], written[name]) for name in row)
    assert not (run / IDS_FILE).exists()
    assert "log" not in (run / "config.json").read_text()


def test_an_error_of_a_function_ends_the_run_which_can_go_on(store: Path, tmp_path: Path) -> None:
    def fail(step: int, metrics: dict[str, float]) -> None:
        if step == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fabnet.train(store, tmp_path / "run", max_steps=6, log=[fail, print], **TINY)
    done = fabnet.train(store, tmp_path / "run", resume=True)
    assert done.steps == 6


@pytest.mark.parametrize("given", ["tensorboard", [3], ["mlflow", None]])
def test_an_unknown_log_is_one_line(given: Any, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabnet.training.metric_logs.package_folder", lambda *args, **more: None)
    with pytest.raises(InputError, match="log must be 'wandb' or 'mlflow', or a function of a step and a dict; got"):
        fabnet.train(store, tmp_path / "run", log=given, max_steps=2, **TINY)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_one_line(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError):
        check_logs((name,))
    assert main(["train", str(store), "--out", str(tmp_path / "run"), "--log", name]) == 9
    assert capsys.readouterr().err == (
        f"fabnet train: log {name} needs the package {name}: pip install 'fabnet[{name}]'\n"
    )


def mlflow_file(monkeypatch: pytest.MonkeyPatch, place: Path) -> Any:
    """A client of a local store of MLflow, which the environment names."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.as_uri())
    return mlflow.MlflowClient(tracking_uri=place.as_uri())


def test_mlflow_gets_the_configuration_and_the_metrics_and_goes_on_with_the_run(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, run = mlflow_file(monkeypatch, tmp_path / "mlruns"), tmp_path / "my-run"

    def fail(step: int, metrics: dict[str, float]) -> None:
        if step == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fabnet.train(store, run, max_steps=6, log=["mlflow", fail], **TINY)
    own = ids(run)["mlflow"]
    assert client.get_run(own).info.status == "FAILED"
    fabnet.train(store, run, resume=True, log="mlflow", max_steps=8)
    assert ids(run) == {"mlflow": own}
    found = client.get_run(own)
    assert (found.info.run_name, found.info.status) == ("my-run", "FINISHED")
    assert (found.data.params["batch_size"], found.data.params["objective"]) == ("4", "fabnet")
    assert client.get_experiment(found.info.experiment_id).name == "fabnet"
    history = {each.step: each.value for each in client.get_metric_history(own, "val_loss")}
    written = {int(row["step"]): row["val_loss"] for row in read_metrics(run)}
    assert history.keys() == written.keys() == {2, 4, 6, 8}
    assert all(math.isclose(history[step], written[step]) for step in history)


def test_a_run_that_mlflow_does_not_know_is_begun_there(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow_file(monkeypatch, tmp_path / "mlruns")
    run = tmp_path / "run"
    fabnet.train(store, run, max_steps=2, log="mlflow", **TINY)
    before = ids(run)["mlflow"]
    client = mlflow_file(monkeypatch, tmp_path / "others")
    fabnet.train(store, run, resume=True, log="mlflow", max_steps=4)
    assert ids(run)["mlflow"] != before
    assert client.get_run(ids(run)["mlflow"]).info.status == "FINISHED"


def test_mlflow_that_cannot_be_used_is_one_line(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow_file(monkeypatch, tmp_path / "mlruns")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "carrier-pigeon://loft")
    args = ["train", str(store), "--out", str(tmp_path / "run"), "--log", "mlflow", *flags(max_steps=2)]
    assert main(args) == 2
    assert re.fullmatch(r"fabnet train: log mlflow cannot be started: .*carrier-pigeon.*\n", capsys.readouterr().err)


def test_wandb_is_offline_and_lies_in_the_run(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    pytest.importorskip("wandb")
    run = tmp_path / "run"
    fabnet.train(store, run, max_steps=2, log="wandb", **TINY)
    own = ids(run)["wandb"]
    (first,) = (run / "wandb").glob(f"offline-run-*-{own}")
    said = capfd.readouterr()
    assert f"W&B was offline; to upload this run: wandb sync {first}" in said.err
    assert said.out == ""
    content = (first / f"run-{own}.wandb").read_bytes()
    for name in (b"val_loss_unwarped", b"train_loss", b"learning_rate", b"jitter_scale_max"):
        assert name in content
    assert sorted(each.name for each in (first / "files").iterdir()) == ["requirements.txt"]
    shutil.rmtree(first)
    fabnet.train(store, run, resume=True, log="wandb", max_steps=4)
    assert ids(run)["wandb"] == own
    assert len(list((run / "wandb").glob(f"offline-run-*-{own}"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_no_log_asks_anything_of_the_network(name: str, store: Path, tmp_path: Path) -> None:
    pytest.importorskip(name)
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "calls"
    start = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(log), sys.executable]
    if subprocess.run([*start, "-c", ""], capture_output=True).returncode:
        pytest.skip("strace cannot be used here")
    dropped = ("CI", "WANDB_MODE", "MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING", "PYTEST_CURRENT_TEST")
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    environment |= {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_TRACKING_URI": (tmp_path / "mlruns").as_uri()}
    command = [*start, "-m", "fabnet", "train", str(store), "--out", str(tmp_path / "run"), "--log", name]
    done = subprocess.run([*command, *flags(max_steps=4)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [line for line in log.read_text().splitlines() if re.search(r"AF_INET6?\b", line)] == []
