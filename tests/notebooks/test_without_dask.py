"""Lesson 9 without Dask: the notebook runs whole, and says what to install."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.cases import PATHS

(LESSON,) = (path for path in PATHS if path.stem.startswith("09_"))
MISSING = "import sys\nsys.modules['distributed'] = sys.modules['dask'] = None"


def shown(cell):
    return "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")


@pytest.mark.processes
@pytest.mark.thorough
def test_a_notebook_without_dask_runs_whole_and_says_what_to_install(tmp_path):
    book = nbformat.read(LESSON, as_version=4)
    book.cells.insert(0, nbformat.v4.new_code_cell(MISSING))
    NotebookClient(book, timeout=60, resources={"metadata": {"path": tmp_path}}).execute()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    needing = [cell for cell in code if "dask_is_here()" in cell.source]
    assert len(needing) >= 5
    assert [cell.source for cell in needing[:-1] if "%pip install distributed" not in shown(cell)] == []
    assert "checks: 6/6" in shown(code[-1])
