"""Tab completion in IPython: names in quotes, and the options of ``%%gantt``."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from kaygraph_viz import magics
from kaygraph_viz.course.lessons.playgrounds import PATTERNS
from kaygraph_viz.execute.call import ON_ERROR
from kaygraph_viz.magics import NAMES, OPTIONS, names_at


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('get_executor("pro', ["process"]),
        ("kv.get_executor( 'd", ["dask"]),
        ('kv.get_executor("thread", "pro', []),
        ('kv.record(clock="', ["virtual"]),
        ('kv.record(clock="virtual", capture="all', ["all"]),
        ('kv.record(capture="asyncio,futures,th', ["threading"]),
        ('node = Node(executor = "as', ["async"]),
        ('playground("map', ["mapreduce"]),
        ('batch_graph(schedule="longest-', ["longest-first"]),
        ('print("pro', []),
        ("x = process", []),
        ("%%gantt --vir", ["--virtual"]),
        ("%%gantt --virtual --ca", ["--capture"]),
        ("%%gantt --capture futures,jo", ["joblib"]),
        ("%%gantt --by ", ["part", "name", "status"]),
        ("%%gantt --title Run n", []),
        ("%%gantt --save ", []),
        ("%%gantt ", []),
        ("a --vir", []),
    ],
)
def test_names_that_may_stand_there(line, names):
    assert names_at(line) == names


def test_the_names_are_those_that_are_taken():
    assert set(NAMES["playground"]) == set(PATTERNS)
    assert set(NAMES["on_error"]) == set(ON_ERROR)
    parser = magics._Magics.gantt.parser
    assert OPTIONS.keys() == {word for action in parser._actions for word in action.option_strings}


@pytest.fixture
def shell():
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "kaygraph_viz")
    made.run_line_magic("reload_ext", "kaygraph_viz")
    yield made
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("cell", ['kv.get_executor("pro', "%%gantt --by part --vir", 'f(schedule="longest-f'])
def test_a_shell_that_has_loaded_the_extension_completes_them(shell, cell):
    with provisionalcompleter():
        found = list(shell.Completer.completions(cell, len(cell)))
    wanted = names_at(cell)
    assert [cell[: each.start] + each.text for each in found] == [cell[: -len(begun(cell))] + name for name in wanted]


def begun(cell):
    return cell[max(cell.rfind(mark) for mark in '" ') + 1 :]
