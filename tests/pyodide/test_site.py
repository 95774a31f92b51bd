"""The site of the lessons in a browser tab: each runs whole, its panel answers, and it shows what it shows elsewhere.

Each notebook gets one more cell, which prints a digest of every simulated run. It runs with an installed Python, too.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Iterator

import nbformat
import pytest
from nbclient import NotebookClient

from tests.browser import chromium
from tests.browser.chromium import Listener
from tests.browser.notebook_page import NotebookPage

from . import distribution
from .site import build

pytestmark = [pytest.mark.processes, pytest.mark.thorough]
WITH_PANELS = ("00_start_here", "03_batch_processing", "05_pipeline", "08_when_things_fail")
OTHERS = (
    "01_parallel_validation", "02_data_enrichment", "04_map_reduce", "06_async_coordination", "07_how_many_workers",
    "09_beyond_one_machine", "10_your_own_code", "11_streams_and_recovery", "12_capacity", "13_sharing",
    "14_limited_services", "15_capstone_report",
)  # fmt: skip
SKIPPED = "This cell is skipped here: "
MEASURED = "computer that ran this"  # cells that show what they measured say so
DIGESTS = """
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

with TemporaryDirectory() as a_folder:
    for a_name, a_trace in sorted(globals().copy().items()):
        if isinstance(a_trace, kv.Trace) and a_trace.machine.is_simulated and a_name[0] != "_":
            a_file = a_trace.save(Path(a_folder, "trace.jsonl"))
            print(a_name, hashlib.sha256(a_file.read_bytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    """The notebooks with the cell that prints digests."""
    folder = tmp_path_factory.mktemp("notebooks")
    for path in (distribution.ROOT / "notebooks").glob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cell = {"cell_type": "code", "id": "digests", "metadata": {}, "outputs": [], "execution_count": None}
        notebook["cells"].append({**cell, "source": DIGESTS})
        (folder / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def open_lesson(tmp_path_factory, notebooks) -> Iterator:
    """Open a lesson of the site, by its name, from the link at its head in the pages of the documentation."""
    if distribution.found() is None:
        pytest.skip(distribution.MISSING)
    if importlib.util.find_spec("jupyterlite_core") is None:
        pytest.skip('no JupyterLite: pip install -e ".[lite]"')
    if why := chromium.missing():
        pytest.skip(why)
    build(folder := tmp_path_factory.mktemp("site") / "lite", notebooks)
    size = {"width": chromium.WIDTH, "height": chromium.HEIGHT}
    with (
        distribution.served(folder) as address,
        chromium.launched() as browser,
        browser.new_context(viewport=size) as context,
    ):
        listener = Listener(context)
        listener.allowed += (address,)

        def open_lesson(name):
            page = context.new_page()
            page.goto(f"{address}/lab/index.html?path={name}.ipynb")
            return NotebookPage(page)

        yield open_lesson
        assert (listener.foreign, listener.dialogs) == ([], [])
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=WITH_PANELS)
def ran(request, open_lesson) -> Iterator:
    """The name of a lesson and the notebook, in which all cells have run."""
    notebook = open_lesson(request.param)
    notebook.run_all()
    yield request.param, notebook
    notebook.page.close()


def test_it_runs_whole(ran):
    _, notebook = ran
    assert (notebook.errors(), notebook.dialogs()) == ([], [])


def test_texts_and_digests_are_those_of_an_installed_python(ran, notebooks):
    name, notebook = ran
    here, there = texts_here(notebooks / f"{name}.ipynb"), notebook.texts()
    *here, checks_here, digests_here = here
    *there, checks_there, digests_there = there
    compared = [
        (number, mine, other)
        for number, (mine, other) in enumerate(zip(here, there, strict=True))
        if SKIPPED not in other and MEASURED not in mine
    ]
    assert [each for each in compared if each[1] != each[2]] == []
    assert len(compared) > len(here) / 2
    met, of, skipped = map(int, re.fullmatch(r"checks: (\d+)/(\d+)(?:, (\d+) skipped)?\n", checks_there).groups("0"))
    assert (checks_here, met + skipped) == (f"checks: {of}/{of}\n", of)
    digests = set(digests_there.splitlines())
    assert digests
    assert digests <= set(digests_here.splitlines())


def test_a_slider_moves_the_picture(ran):
    panel = ran[1].panel()
    before = panel.picture()
    panel.click_on_slider(0.9)
    panel.wait_for_picture_other_than(before)


@pytest.mark.parametrize("name", OTHERS)
def test_what_cannot_run_is_skipped_with_a_sentence(open_lesson, name):
    notebook = open_lesson(name)
    notebook.run_all()
    assert (notebook.errors(), notebook.dialogs()) == ([], [])
    notebook.page.close()


def texts_here(path):
    """Run a notebook with this Python and return what is printed below each code cell."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300).execute()
    return ["".join(map(_text, cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"]


def _text(output):
    return output.get("text") or output.get("data", {}).get("text/plain", "")
