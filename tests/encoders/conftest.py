"""Models exported to ONNX; tests that change one copy it first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fabnet.encoders.export import export


@pytest.fixture(scope="session")
def export_result(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The small run as an ONNX file, and what the export says of it."""
    out = tmp_path_factory.mktemp("exported") / "out" / "encoder.onnx"
    return out, export(tiny_run, out)


@pytest.fixture(scope="session")
def exported_run(export_result: tuple[Path, dict[str, Any]]) -> Path:
    """The folder of the small run's ONNX file."""
    return export_result[0].parent


@pytest.fixture(scope="session")
def exported_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the shipped model's ONNX file."""
    out = tmp_path_factory.mktemp("small") / "out" / "encoder.onnx"
    export("small", out)
    return out.parent
