"""Where a run's metrics go beside `metrics.csv` and TensorBoard: Weights & Biases, MLflow, or a function of the user's.

A log is a function of a step and a dict of metrics. The two that are ready are context managers that give one. They use
no network unless the user names it: W&B is offline unless $WANDB_MODE says otherwise, MLflow writes where
$MLFLOW_TRACKING_URI or `mlflow.set_tracking_uri` say, and both send no reports on their use.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from fabnet.errors import FabnetError, InputError, first_line
from fabnet.files.limits import MAX_CONFIG_BYTES, read_text
from fabnet.files.output import written_whole
from fabnet.files.places import is_remote, workplace
from fabnet.runtime.packages import package_folder
from fabnet.runtime.terminal import say
from fabnet.training.stopping import InterruptedRunError
from fabnet.version import VERSION

__all__ = ["IDS_FILE", "WANDB", "MetricLog", "check_logs", "opened"]

MetricLog = Callable[[int, dict[str, float]], None]
"""Called with the step and the metrics of each row of `metrics.csv`."""
IDS_FILE, WANDB = "logs.json", "wandb"
"""The ids of a run in W&B and MLflow, with which a resumed run continues there; W&B's folder."""
EXPERIMENT = "fabnet"


def check_logs(given: str | MetricLog | Sequence[str | MetricLog]) -> tuple[str | MetricLog, ...]:
    """The logs of a call as a tuple.

    Raises:
        InputError: one is neither a known name nor a function.
        MissingDependencyError: a package is not installed.
    """
    logs = (given,) if isinstance(given, str) or callable(given) else tuple(given)
    for log in logs:
        if callable(log):
            continue
        if log not in LOGS:
            raise InputError(
                f"log must be {' or '.join(map(repr, LOGS))}, or a function of a step and a dict; got {log!r}"
            )
        package_folder(log, needed_by=f"log {log}", install=f"pip install 'fabnet[{log}]'")
    return logs


@contextmanager
def opened(
    logs: Sequence[str | MetricLog], run: Path, config: Mapping[str, Any], *, is_resumed: bool
) -> Iterator[MetricLog]:
    """A function that passes metrics on to all logs, within a `with` block.

    Args:
        logs: from `check_logs`.
        run: the run folder.
        config: the configuration of the run, plain values.
        is_resumed: whether the run goes on, so that it also goes on in W&B and MLflow.

    Raises:
        InputError: W&B or MLflow cannot be used as they are set up.
    """
    ids = _read_ids(run) if is_resumed else {}
    before = dict(ids)
    with ExitStack() as stack:
        functions: list[MetricLog] = []
        for log in logs:
            if isinstance(log, str):
                with _refusals(log):
                    functions.append(stack.enter_context(LOGS[log](run, config, ids)))
            else:
                functions.append(log)
        if ids != before:
            with written_whole(run / IDS_FILE) as partial:
                partial.write_text(json.dumps(ids) + "\n")

        def write(step: int, metrics: dict[str, float]) -> None:
            for function in functions:
                function(step, dict(metrics))

        yield write


def _read_ids(run: Path) -> dict[str, str]:
    """The ids of the run's former starts, by log; none if there is no readable file."""
    try:
        content = json.loads(read_text(run / IDS_FILE, MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError, FabnetError):
        return {}
    return {name: each for name, each in content.items() if isinstance(each, str)} if isinstance(content, dict) else {}


@contextmanager
def _refusals(log: str) -> Iterator[None]:
    try:
        yield
    except FabnetError:
        raise
    except Exception as error:
        raise InputError(f"log {log} cannot be started: {first_line(error).strip()}") from error


@contextmanager
def _wandb(run: Path, config: Mapping[str, Any], ids: dict[str, str]) -> Iterator[MetricLog]:
    mode = os.environ.get("WANDB_MODE", "offline")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    ids.setdefault("wandb", secrets.token_hex(4))
    started = wandb.init(
        project=os.environ.get("WANDB_PROJECT", EXPERIMENT), name=run.name, id=ids["wandb"], resume="allow",
        dir=str(workplace(run) if is_remote(run) else run), mode=mode, config={**config, "fabnet": VERSION},
        settings=wandb.Settings(
            console="off", silent=True, symlink=False, disable_git=True, disable_code=True, reinit="create_new"
        ),
    )  # fmt: skip
    folder, is_offline = Path(started.dir).parent, bool(started.offline)
    code = 1
    try:
        yield lambda step, metrics: started.log(metrics, step=step)
        code = 0
    finally:
        started.finish(exit_code=code)
        if is_offline:
            say(f"W&B was offline; to upload this run: wandb sync {folder}", to_stderr=True)


@contextmanager
def _mlflow(run: Path, config: Mapping[str, Any], ids: dict[str, str]) -> Iterator[MetricLog]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    own = ids.get("mlflow")
    if own is not None:
        try:
            client.update_run(own, status="RUNNING")
        except MlflowException:  # of another tracking store
            own = None
    if own is None:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = client.get_experiment_by_name(name)
        number = client.create_experiment(name) if experiment is None else experiment.experiment_id
        own = ids["mlflow"] = client.create_run(number, run_name=run.name, tags={"fabnet": VERSION}).info.run_id
        client.log_batch(own, params=[Param(name, str(value)) for name, value in config.items()])
    is_working = True

    def write(step: int, metrics: dict[str, float]) -> None:
        nonlocal is_working
        if not is_working:
            return
        now = int(time.time() * 1000)
        try:
            client.log_batch(own, metrics=[Metric(name, value, now, step) for name, value in metrics.items()])
        except MlflowException as error:
            is_working = False
            say(f"MLflow is not written to any more, and training goes on: {first_line(error)}", to_stderr=True)

    status = "FAILED"
    try:
        yield write
        status = "FINISHED"
    except (KeyboardInterrupt, InterruptedRunError):
        status = "KILLED"
        raise
    finally:
        with suppress(MlflowException):
            client.set_terminated(own, status)


LOGS = {"wandb": _wandb, "mlflow": _mlflow}
