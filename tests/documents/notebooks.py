"""Runs the notebooks of the documents: ``python -m tests.documents.notebooks``, or ``make notebooks``.

They ask a service with a copy of the committed models, and are written back with what they show.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient

from tests.support.server import ROOT, Server, running

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@contextmanager
def serving(place: Path) -> Iterator[Server]:
    """A service whose repository may be written to, since one notebook trains."""
    shutil.copytree(ROOT / "models" / "repository", place / "models")
    with running(place, models=place / "models") as server:
        server.wait_until_ready()
        yield server


def run(path: Path, server: Server, place: Path) -> nbformat.NotebookNode:
    """Run a notebook beside the service's models; return it with what it shows.

    Raises ``CellExecutionError``.
    """
    notebook = nbformat.read(path, as_version=4)
    told = {
        "SNN_URL": server.address,
        "SNN_MODELS": str(place / "models"),
        "SNN_STATE": str(place / "state"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    resources = {"metadata": {"path": str(place)}}
    with patch.dict(os.environ, told):
        NotebookClient(notebook, timeout=300, startup_timeout=120, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which are others at every run
    return notebook


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    """The text that each cell of code shows."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


def main() -> int:
    """Run all of them, and write them back."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        for path in NOTEBOOKS:
            notebook = run(path, server, Path(folder))
            path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
