"""A widget is shown now, and once more in its place when it is complete."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from kaygraph_viz.widgets.timeline.when_shown import show_again_when


class Growing:
    """Stands in for a widget: its text says how much there is."""

    def __init__(self):
        self.size = 0

    def _repr_mimebundle_(self):
        return {"text/plain": f"size {self.size}"}, {}


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def growing(shell):
    shell.push({"growing": Growing(), "show_again_when": show_again_when})
    return shell.user_ns["growing"]


@pytest.mark.usefixtures("growing")
def test_it_is_shown_again_in_its_place_after_the_cell_that_completed_it(shell):
    with capture_output() as captured:
        shell.run_cell("show_again_when(growing, lambda: growing.size == 2)").raise_error()
        shell.run_cell("growing.size = 1").raise_error()
        shell.run_cell("growing.size = 2").raise_error()
        shell.run_cell("growing.size = 2").raise_error()
    first, again = captured.outputs
    assert (first.data["text/plain"], again.data["text/plain"]) == ("size 0", "size 2")
    assert first.transient == again.transient


def test_outside_of_a_shell_it_is_shown_once(capsys):
    show_again_when(Growing(), lambda: True)
    assert capsys.readouterr().out.count("size 0") == 1
