"""Notebooks in JupyterLab: they open quietly, run without an error, and their panels answer."""

from __future__ import annotations

import re

import pytest

THOROUGH = ["03_batch_processing", "04_map_reduce", "07_how_many_workers", "11_streams_and_recovery"]
WITH_PANEL = ["05_pipeline", *(pytest.param(name, marks=pytest.mark.thorough) for name in THOROUGH)]
each_notebook = pytest.mark.parametrize("stored", ["00_start_here", *WITH_PANEL], indirect=True, scope="module")
each_panel = pytest.mark.parametrize("stored", WITH_PANEL, indirect=True, scope="module")


@pytest.fixture(scope="module")
def stored(request, open_notebook):
    """A notebook that was opened, but not run."""
    notebook = open_notebook(request.param)
    yield notebook
    notebook.close()


@pytest.fixture(scope="module")
def ran(stored):
    """The same after Run All."""
    stored.run_all()
    return stored


@pytest.fixture
def panel(ran):
    assert ran.errors() == []  # rather than wait for a panel that will not come
    return ran.panel()


@each_notebook
def test_a_stored_notebook_shows_its_pictures_before_anything_runs(stored):
    assert stored.page.locator(".jp-OutputArea img").count() > 0
    assert stored.errors() == []
    assert stored.dialogs() == []


@each_notebook
def test_all_cells_run_without_an_error_or_a_dialog(ran):
    assert ran.errors() == []
    assert ran.dialogs() == []


@each_notebook
def test_the_last_cell_says_that_all_checks_are_met(ran):
    assert re.fullmatch(r"checks: (\d+)/\1\n", ran.texts()[-1])


@each_panel
def test_the_slider_changes_the_picture(panel):
    before = panel.picture()
    panel.press_on_slider("Home")
    panel.wait_for_picture_other_than(before)
    assert panel.picture() != before


@each_panel
def test_a_run_changes_the_picture_and_the_log(panel):
    panel.press_on_slider("End")
    picture, log = panel.picture(), panel.log()
    panel.click("Run")
    panel.wait_for_picture_other_than(picture)
    panel.wait_for_log_other_than(log)
    assert panel.log() != log
