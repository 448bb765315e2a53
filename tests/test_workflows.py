"""The project's own machinery: workflows, templates, hooks, the image, and the locked sets of packages."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(file for file in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if file.stem != "config")
SCRIPTS = sorted(file for file in (ROOT / "scripts").iterdir() if file.name != "environment" and file.is_file())
INPUTS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
"""The kinds of a field in an issue form."""


def parsed(file: Path) -> Any:
    """Return the content of a YAML file. YAML 1.1 reads a workflow's key `on` as true."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def jobs(file: Path) -> dict[str, Any]:
    found = parsed(file)["jobs"]
    assert isinstance(found, dict)
    return found


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(file).values() for step in job["steps"]]


def pins(file: Path) -> dict[str, str]:
    """The versions in a locked set, by name as an index writes it."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.partition(";")[0].strip().split("==")
            found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return found


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_step_of_a_workflow_runs_a_script_of_this_project(file: Path) -> None:
    for step in steps(file):
        assert len({"run", "uses"} & step.keys()) == 1
        if "run" in step:
            script = str(step["run"]).split()[0]
            assert (ROOT / script).is_file(), script
            assert script.startswith("scripts/")
            tests = [word for word in str(step["run"]).split()[1:] if word.startswith("tests/")]
            assert [name for name in tests if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_of_one_major_version_and_jobs_end(file: Path) -> None:
    used = {str(step["uses"]) for step in steps(file) if "uses" in step}
    assert [each for each in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", each)] == []
    assert len({each.partition("@")[0] for each in used}) == len(used)
    for job in jobs(file).values():
        assert 0 < job["timeout-minutes"] <= 90
    assert parsed(file)["permissions"] == {"contents": "read"}


def test_the_tests_run_on_every_system_and_python_that_is_promised() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    matrix = jobs(ROOT / ".github/workflows/tests.yml")["tests"]["strategy"]["matrix"]
    promised = [each.split()[-1] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert matrix["python"] == promised
    assert [each.partition("-")[0] for each in matrix["os"]] == ["ubuntu", "macos", "windows"]


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.name)
def test_issue_forms_are_whole(file: Path) -> None:
    form = parsed(file)
    assert {"name", "description", "body"} <= form.keys()
    named = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(named) == len(set(named)) > 0
    for field in form["body"]:
        assert field["type"] in INPUTS
        assert ("value" if field["type"] == "markdown" else "label") in field["attributes"]
        if field["type"] == "dropdown":
            assert all(isinstance(option, str) for option in field["attributes"]["options"])


def test_the_hooks_use_the_locked_ruff_and_nothing_from_elsewhere() -> None:
    (repo,) = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    ruff = pins(ROOT / "requirements/full.txt")["ruff"]
    for hook in repo["hooks"]:
        assert hook["additional_dependencies"] == [f"ruff=={ruff}"]
        assert hook["entry"].startswith("ruff ")


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_can_be_run(file: Path) -> None:
    assert file.stat().st_mode & 0o111
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first in ("#!/usr/bin/env bash", "#!/usr/bin/env python3")
    if first.endswith("bash") and shutil.which("bash"):
        subprocess.run(["bash", "-n", file], check=True)


@pytest.mark.parametrize("name", ["full", "demo", "lowest"])
def test_locked_sets_respect_the_bounds(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = pins(ROOT / f"requirements/{name}.txt")
    extras = {"demo": [], "lowest": ["train", "heic", "elan", "serve", "export", "hub", "dlib"]}
    bounds = list(project["dependencies"])
    for extra in extras.get(name, [*extras["lowest"], "dev"]):
        bounds += project["optional-dependencies"][extra]
    for bound in bounds:
        match = re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?>=([0-9.]+)", bound)
        assert match, f"{bound} has no lower bound"
        key = re.sub(r"[-_.]+", "-", match[1]).lower()
        assert key in locked, f"requirements/{name}.txt lacks {match[1]}"
        have, least = ([int(part) for part in re.findall(r"\d+", text)] for text in (locked[key], match[2]))
        if name == "lowest" and key != "torch":
            assert have[: len(least)] == least, f"{bound}, but {locked[key]} is locked: run scripts/lowest"
        else:
            assert have >= least


def test_the_image_is_built_from_files_that_exist_and_as_no_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == set(copied)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1:] == ["fabnet"]
