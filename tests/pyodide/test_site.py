"""The site of the lessons in a browser tab: each runs whole, its panel answers, and no other host is asked."""

from __future__ import annotations

import importlib.util

import pytest

from tests.browser import chromium
from tests.browser.chromium import Listener
from tests.browser.notebook_page import NotebookPage

from . import distribution
from .site import build

pytestmark = [pytest.mark.processes, pytest.mark.thorough]


@pytest.fixture(scope="module")
def open_lesson(tmp_path_factory):
    """Open a lesson of the site, by its name."""
    if distribution.found() is None:
        pytest.skip(distribution.MISSING)
    if importlib.util.find_spec("jupyterlite_core") is None:
        pytest.skip('no JupyterLite: pip install -e ".[lite]"')
    if why := chromium.missing():
        pytest.skip(why)
    build(folder := tmp_path_factory.mktemp("site") / "lite")
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


@pytest.mark.parametrize("name", ["00_start_here", "03_batch_processing", "05_pipeline", "08_when_things_fail"])
def test_a_lesson_runs_whole_and_its_panel_answers(open_lesson, name):
    if name in NEED_PYDANTIC and not any(distribution.found().glob("pydantic-*.whl")):
        pytest.skip("this distribution has no pydantic")
    notebook = open_lesson(name)
    notebook.run_all()
    assert (notebook.errors(), notebook.dialogs()) == ([], [])
    panel = notebook.panel()
    before = panel.picture()
    slider = panel.root.locator(".noUi-target").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    notebook.page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    panel.wait_for_picture_other_than(before)
    notebook.page.close()
