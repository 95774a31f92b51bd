"""One browser and one JupyterLab server for all tests here; both end with the last of them, whatever happened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from . import chromium
from .chromium import Listener
from .lab import Lab, served
from .notebook_page import NotebookPage

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
REQUIRED = "KAYGRAPH_VIZ_BROWSER"  # =required: a browser that is missing is a failure


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there is no browser, leave one test that says so."""
    here = Path(__file__).parent
    if chromium.missing():
        left_out = [item for item in items if item.path.parent == here and item.name != "test_there_is_a_browser"]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="package")
def _has_browser() -> None:
    if why := chromium.missing():
        (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(why)


@pytest.fixture(scope="package")
def _lab_that_starts(_has_browser, tmp_path_factory) -> Iterator[Lab]:
    with served(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="package")
def browser(_has_browser):
    """Chromium, as playwright's Browser."""
    with chromium.launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def lab(_lab_that_starts, browser) -> Lab:
    """A JupyterLab server; the browser starts meanwhile."""
    _lab_that_starts.wait()
    return _lab_that_starts


@pytest.fixture(scope="package")
def _context(browser):
    size = {"width": chromium.WIDTH, "height": chromium.HEIGHT}
    with browser.new_context(viewport=size) as context:
        yield context


@pytest.fixture(scope="package")
def listener(_context) -> Listener:
    """What the pages of the browser asked for, and their dialogs."""
    return Listener(_context)


@pytest.fixture(autouse=True)
def _nothing_leaves_this_computer(listener) -> Iterator[None]:
    """Fail a test that sends a request to another computer, or opens a dialog of the browser."""
    yield
    foreign, dialogs = listener.foreign, list(listener.dialogs)
    listener.requests.clear()
    listener.dialogs.clear()
    assert (foreign, dialogs) == ([], [])


@pytest.fixture(scope="package")
def open_page(_context, listener):
    """Open an address in a page of its own, which the caller closes."""

    def open_page(address: str):
        page = _context.new_page()
        page.goto(address)
        return page

    return open_page


@pytest.fixture(scope="package")
def _open(lab, listener, open_page) -> Callable[[Path], NotebookPage]:
    listener.allowed += (lab.address, lab.address.replace("http", "ws"))

    def open_copy(path: Path) -> NotebookPage:
        return NotebookPage(open_page(lab.url(path.name)))

    return open_copy


@pytest.fixture(scope="module")
def open_notebook(lab, _open) -> Iterator[Callable[[str], NotebookPage]]:
    """Open a copy of one of our notebooks, by its name, as it is stored. Its kernel ends with the module."""
    opened = []

    def open_notebook(name: str) -> NotebookPage:
        opened.append(_open(Path(shutil.copy(NOTEBOOKS / f"{name}.ipynb", lab.notebooks))))
        return opened[-1]

    yield open_notebook
    for notebook in opened:
        notebook.close()


@pytest.fixture
def open_cells(lab, _open, request) -> Iterator[Callable[..., NotebookPage]]:
    """Open a new notebook with the code cells that are given. Its kernel ends with the test."""
    opened = []

    def open_cells(*sources: str) -> NotebookPage:
        path = lab.notebooks / f"new_{len(list(lab.notebooks.iterdir()))}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, path)
        opened.append(_open(path))
        return opened[-1]

    yield open_cells
    for notebook in opened:
        notebook.close()
