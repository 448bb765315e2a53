"""Executes notebooks, each in an empty folder of its own, and writes the outputs back: `scripts/docs --notebooks`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["execute"]


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of its cells, without progress and notes (stderr), run in a folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(folder)}}, record_timing=False)
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return notebook


if __name__ == "__main__":
    for place in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as empty:
            nbformat.write(execute(place, Path(empty)), place)
