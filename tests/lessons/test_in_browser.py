"""Cells that a browser tab cannot run are skipped, and the notebook goes on; other errors are shown as ever."""

from __future__ import annotations

import asyncio

import pytest
from IPython.core.interactiveshell import InteractiveShell

from kaygraph_viz.base import optional
from kaygraph_viz.course.lessons import in_browser
from kaygraph_viz.course.lessons.in_browser import INSTEAD, end_cells_that_await, skip_cells


@pytest.fixture
def run(monkeypatch, capsys):
    """Run cells in a notebook of a browser tab; return what each prints."""
    monkeypatch.setattr(optional, "has_threads", lambda: False)
    monkeypatch.setattr(in_browser, "_here", [])
    shell = InteractiveShell()
    shell.cells = skip_cells(shell)
    shell.run_cell("import kaygraph_viz as kv", store_history=True)

    def run(source):
        shell.run_cell(source, store_history=True)
        return "".join(capsys.readouterr())

    yield run
    shell.history_manager.end_session()


def test_real_threads_are_skipped_and_what_is_made_of_them_too(run):
    said = run("real = list(kv.get_executor('thread', 2).imap(str, range(3)))")
    assert said.startswith("This cell is skipped here: workers of the kind 'thread' in real time need")
    assert run("count = len(real)") == "This cell is skipped here: it uses real, which a skipped cell makes.\n"
    assert run("print(count)") == "This cell is skipped here: it uses count, which a skipped cell makes.\n"
    assert run("print(len('abc'))") == "3\n"


def test_a_missing_package_is_named(run, hide):
    hide("distributed")
    said = run("from kaygraph_viz.base.optional import require; cluster = require('distributed')")
    assert said == f"This cell is skipped here: the package distributed is not there in a browser tab; {INSTEAD}.\n"


def test_processes_are_skipped(run, hide):
    hide("_multiprocessing")
    said = run("import _multiprocessing")
    assert said.startswith("This cell is skipped here: processes need an installed Python")


def test_what_a_skipped_cell_has_half_made_is_not_there(run):
    run("kept = 1; real = 2")
    run("def work(kept): return kept\nwith kv.record() as real: list(kv.get_executor('thread', 2).imap(work, [1]))")
    assert run("print(kept)") == "1\n"
    assert run("print(real)") == "This cell is skipped here: it uses real, which a skipped cell makes.\n"


def test_checks_of_what_was_skipped_are_counted_apart(run):
    run("from kaygraph_viz.course.lessons import Lesson; lesson = Lesson('00_start_here')")
    run("real = list(kv.get_executor('thread', 2).imap(str, range(3)))")
    said = run("lesson.check(lambda: 1, lambda: len(real) == 3, lambda: 0, lambda: kv.get_executor('dask', 2))")
    assert said == "checks: 1/4, 2 skipped\n"
    assert "NameError" in run("lesson.check(lambda: 1, lambda: rael)")


def test_the_end_of_a_cell_that_awaits_is_told():
    shell, ends = InteractiveShell(), []
    end_cells_that_await(shell)
    shell.events.register("post_execute", lambda: ends.append("end"))
    source = "import asyncio; await asyncio.sleep(0)"
    assert asyncio.run(shell.run_cell_async(source, transformed_cell=source)).success
    assert ends == ["end"]
    shell.history_manager.end_session()


@pytest.mark.parametrize("source", ["nmae", "1 / 0"])
def test_other_errors_are_shown(run, source):
    assert "Error" in run(source)
    assert "skipped" not in run(source)
