"""Progress without a front end: what is counted, how often it is shown, and what is left where nobody looks."""

from __future__ import annotations

import io
import re
import sys
import types

import pytest
from ipywidgets.widgets import widget

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import use_clock
from kaygraph_viz.execute.progress import counter
from kaygraph_viz.graph.batch import AsyncParallelBatchNode, ParallelBatchNode
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.widgets.progress import progress


class Seconds:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def shown(seconds):
    return progress("Checking", monotonic_s=seconds)


def text_of(shown):
    return re.sub(r"<[^>]*>", "", shown.words.value)


def test_counts_throughput_and_the_time_left(shown):
    with use_clock(FakeClock()) as clock, counter(shown, 4, "check") as count:
        clock.advance(1.0)
        count()
        count(False)
    assert text_of(shown) == "2 of 4 done: 1 ok, 1 failed; 2 items/s, 1 s left"
    assert shown.bar.value == 0.5
    assert repr(shown) == "Checking: 2 of 4 done: 1 ok, 1 failed; 2 items/s, 1 s left"


def test_ten_thousand_updates_a_second_change_ten_times_what_is_shown(shown, seconds):
    with counter(shown, 10_000, "check") as count:
        for number in range(10_000):
            seconds.now = number / 10_000
            count()
    assert 10 <= shown.updates <= 12
    assert "10,000 of 10,000 done" in text_of(shown)


def test_end_is_shown_however_short_ago_something_else_was(shown):
    with counter(shown, 3, "check") as count:
        for _ in range(3):
            count()
        assert "1 of 3" in text_of(shown)
    assert "3 of 3" in text_of(shown)


def test_end_is_shown_after_an_error(shown):
    with pytest.raises(LookupError), counter(shown, 3, "check") as count:
        count()
        count()
        raise LookupError
    assert "2 of 3" in text_of(shown)


def test_failures_are_told_by_words_and_colour(shown):
    assert shown.bar.bar_style == "info"
    with counter(shown, 2, "check") as count:
        count(False)
    assert shown.bar.bar_style == "warning"
    assert "1 failed" in text_of(shown)


class Check(ParallelBatchNode):
    def prep(self, shared):
        return [1, 2, 3]

    def exec(self, number):
        if number == 2:
            raise ValueError(number)


class AskAsync(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return [1, 2, 3]

    async def exec_async(self, number):
        if number == 2:
            raise ValueError(number)


@pytest.mark.parametrize("node_class", [Check, AskAsync])
def test_nodes_take_it_as_their_progress(node_class, shown):
    node_class(on_error="collect", progress=shown).run({})
    assert (shown.pace.ok, shown.pace.failed, shown.pace.total) == (2, 1, 3)


@pytest.fixture
def displayed(monkeypatch):
    """Pretend to be a kernel, and keep what is displayed."""
    kept = []
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = kept.append
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return kept


def test_in_a_kernel_it_appears_when_the_first_batch_begins(displayed, shown):
    assert displayed == []
    for _ in range(2):
        with counter(shown, 1, "check"):
            assert displayed == [shown]


def test_in_a_kernel_it_does_not_appear_twice(displayed, shown):
    shown._repr_mimebundle_()
    with counter(shown, 1, "check"):
        assert displayed == []


def test_on_a_terminal_it_is_one_line(monkeypatch, shown):
    monkeypatch.setattr(sys, "stderr", screen := io.StringIO())
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    with counter(shown, 1, "check") as count:
        count()
    assert "\rChecking: 1 of 1 done" in screen.getvalue()
    assert screen.getvalue().count("\n") == 1


def test_in_a_file_it_is_nothing(monkeypatch, shown):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with counter(shown, 1, "check") as count:
        count()
    assert sys.stderr.getvalue() == ""


def test_text_is_left_where_no_kernel_runs(shown):
    data, _metadata = shown._repr_mimebundle_()
    assert data["text/plain"] == "Checking: 0 done: 0 ok, 0 failed; 0 items/s"
    assert "application/vnd.jupyter.widget-view+json" in data


def test_title_with_html_is_inert():
    shown = progress("<script>alert(1)</script>")
    assert not shown.bar.description_allow_html
    assert "<script>" not in shown.words.value


@pytest.mark.parametrize("every_s", [-1, float("nan"), "often", True, None])
def test_impossible_interval_is_a_clear_error(every_s):
    with pytest.raises(OptionError, match="every_s must be a number of seconds"):
        progress(every_s=every_s)


def test_nothing_is_kept_of_a_bar_that_was_closed():
    before = set(widget._instances)
    bar = progress("checks")
    assert set(widget._instances) > before
    bar.close()
    assert set(widget._instances) == before
    bar(1, 2)  # a batch that still runs does no harm
