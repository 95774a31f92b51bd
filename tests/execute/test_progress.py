"""Progress: told to a function, drawn as a bar, or neither; never in the way of an outcome."""

from __future__ import annotations

import io
import sys

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.progress import checked_progress, counter, tracked


class Screen(io.StringIO):
    def isatty(self):
        return True


OUTCOMES = [Outcome(index) for index in range(3)]


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_shown_where_nobody_looks(progress, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert tracked(OUTCOMES, progress, 3, "check") is OUTCOMES
    with counter(progress, 3, "check") as count:
        count()
    assert sys.stderr.getvalue() == ""


def test_without_a_stderr_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(tracked(OUTCOMES, None, 3, "check")) == OUTCOMES


@pytest.mark.parametrize("total", [3, None])
def test_a_function_is_told(total):
    told = []
    assert list(tracked(OUTCOMES, lambda *args: told.append(args), total, "check")) == OUTCOMES
    assert told == [(1, total), (2, total), (3, total)]


def test_a_bar_is_drawn_where_it_is_wanted(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    assert list(tracked(OUTCOMES, True, 3, "check")) == OUTCOMES
    assert "check" in sys.stderr.getvalue()


def test_short_work_on_a_terminal_shows_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    assert list(tracked(OUTCOMES, None, 3, "check")) == OUTCOMES
    assert "check" not in sys.stderr.getvalue()


def test_leaving_early_closes_the_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    with pytest.raises(LookupError), counter(True, None, "check") as count:
        count()
        raise LookupError
    assert sys.stderr.getvalue()


def test_a_function_that_fails_is_heard():
    def fail(done, total):
        raise LookupError(done)

    with pytest.raises(LookupError):
        list(tracked(OUTCOMES, fail, 3, "check"))


@pytest.mark.parametrize("progress", [1, "yes", []])
def test_impossible_values(progress):
    with pytest.raises(OptionError, match="progress"):
        checked_progress(progress)
