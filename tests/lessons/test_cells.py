"""Old variables: those of cells that did not reach their end, and what was made of them."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.course.lessons.lesson import Cells, cells_here, names_in

SETUP = """
import kaygraph_viz as kv
from kaygraph_viz.course.lessons import Lesson, goals
lesson = Lesson("00_start_here")
def work(error=None):
    with kv.record(clock="virtual") as trace, kv.span("work"):
        pass
    if error is not None:
        raise error
    return trace
"""
GRADE = "print(lesson.grade(mine, [goals.all_ok(1)]))"
GOOD = "1 of 1 goals met"


@pytest.mark.parametrize(
    ("source", "sets", "reads"),
    [
        ("a = b", {"a"}, {"b"}),
        ("a, (b, *c) = x", {"a", "b", "c"}, {"x"}),
        ("def f(a):\n    b = c\n    return b", {"f"}, {"c"}),
        ("async def f():\n    with r() as e:\n        return [x for x in e if y]", {"f"}, {"r", "y"}),
        ("a = await f(b)", {"a"}, {"f", "b"}),
        ("class A(B):\n    x = 1", {"A"}, {"B"}),
        ("with r() as (a, b):\n    c = 1", {"a", "b", "c"}, {"r"}),
        ("async with r() as a:\n    b = await c", {"a", "b"}, {"r", "c"}),
        ("async for a in b: [c async for c in d(a)]", {"a", "c"}, {"a", "b", "d"}),
        ("{a: {b for b in c} for a in d}", {"a", "b"}, {"c", "d"}),
        ("for a in b: c[0].d = a", {"a", "c"}, {"a", "b", "c"}),
        ("import a\nfrom b import c as d", set(), set()),
        ("if (a := f(lambda x: y)): pass", {"a"}, {"f", "y"}),
        ("a += 1; del b", {"a"}, set()),
        ("def f(a:\nx = 1\n    y = 2\nwith z() as w: f(q=1)", {"f", "x", "y", "w"}, set()),
        ("a\0b", set(), set()),
        ("x = 1\nnonlocal y", {"x"}, set()),
    ],
)
def test_names_that_a_cell_sets_and_reads(source, sets, reads):
    assert names_in(source) == (sets, reads)


def run(cells, source, error=None):
    cells.begins(source)
    cells.ended(source, error)


def asked_of(cells, mine):
    cells.begins("lesson.grade(mine)")
    return cells.old_one(mine)


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit(), asyncio.CancelledError()])
def test_what_a_cell_sets_is_old_until_a_cell_sets_it_without_an_error(error):
    mine = object()
    cells = Cells({"mine": mine})
    run(cells, "mine = f()")
    assert asked_of(cells, mine) is None
    run(cells, "with record() as mine: f()", error)
    assert asked_of(cells, mine)[0] == "mine"
    run(cells, "mine = g()")
    assert asked_of(cells, mine) is None


def test_what_is_made_of_an_old_variable_is_old():
    mine = object()
    cells = Cells({"mine": mine})
    run(cells, "def count(): return 1")
    run(cells, "def count(: return 2", SyntaxError())
    run(cells, "with record() as mine: count()")
    assert asked_of(cells, mine) == ("mine", "ended with an error (SyntaxError)")
    cells.begins("grade(other, count)")
    assert cells.old_one(object())[0] == "count"


def test_a_variable_of_a_function_is_not_the_old_one_of_the_notebook():
    mine = object()
    cells = Cells({"mine": mine})
    run(cells, "mine = work()", ValueError())
    run(cells, "with pool() as executor: look(mine)")
    run(cells, "def ask():\n    with pool() as executor: use(executor)\nmine = ask()")
    assert asked_of(cells, mine) is None


def test_what_the_present_cell_sets_itself_is_new():
    before = object()
    cells = Cells({"before": before})
    grading = "before = f(); grade(mine, before)"
    run(cells, "mine = f()", ValueError())
    run(cells, grading)
    run(cells, "mine = f()")
    cells.begins(grading)
    assert cells.old == {"before": "ended with an error (ValueError)"}
    assert cells.old_one(before) is None


@pytest.mark.parametrize(
    "source", ["mine.nothing", "print(mine)\n1 / 0", "import mine", "lesson.hint(99)", "other = mine + 1"]
)
def test_other_cells_that_fail_make_nothing_old(source):
    mine = object()
    cells = Cells({"mine": mine})
    run(cells, source, ValueError())
    assert asked_of(cells, mine) is None


def test_outside_of_a_notebook_nothing_is_known_of_cells():
    assert cells_here() is None


@pytest.mark.processes
def test_a_run_of_a_cell_that_failed_is_not_graded(notebook):
    notebook.run("mine = work()")
    assert notebook.run(GRADE)[0].startswith(GOOD)
    assert notebook.run("mine = work(ValueError('no'))")[1] == "ValueError"
    refused = notebook.run(GRADE)[0]
    assert refused.startswith(
        "0 of 1 goals met: the last cell that sets mine ended with an error (ValueError): correct it, run it"
    )
    notebook.run('lesson = Lesson("00_start_here")')  # a lesson that is begun anew knows it, too
    assert notebook.run(GRADE)[0] == refused
    notebook.run("lesson.hint(99)")
    notebook.run("mine = work()")
    assert notebook.run(GRADE)[0].startswith(GOOD)


@pytest.mark.processes
@pytest.mark.parametrize("cell", ["mine = (work()", "with kv.record() as mine:\nwork()", "mine = work()\n%nothing"])
def test_a_cell_that_is_no_python_makes_its_run_old(notebook, cell):
    notebook.run("mine = work()")
    assert notebook.run(cell)[1]
    assert notebook.run(GRADE)[0].startswith("0 of 1 goals met: the last cell that sets mine ended with an error (")


@pytest.mark.processes
def test_a_cell_that_is_interrupted_makes_its_run_old(notebook):
    notebook.run("mine = work()")
    cell = "mine = work()\nprint('waits')\nimport time; time.sleep(60)"
    assert notebook.run(cell, interrupt_at="waits")[1] == "KeyboardInterrupt"
    assert notebook.run(GRADE)[0].startswith("0 of 1 goals met: the last cell that sets mine was interrupted")
