"""Outcomes: one record, lists of them, and the progress that they make."""

from __future__ import annotations

import io
import sys
from contextlib import suppress

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import use_clock
from kaygraph_viz.execute.outcome import Outcome, Outcomes
from kaygraph_viz.execute.progress import ProgressCallback, ProgressInfo, checked_progress, counter, tracked
from kaygraph_viz.testing import FakeClock

BATCH = Outcomes([Outcome(0, "a"), Outcome(1, error=ValueError("bad"), status="error", attempts=2), Outcome(2, None)])


def test_values_and_failures_come_in_order():
    assert BATCH.values == ["a", None]
    assert [outcome.index for outcome in BATCH.failed] == [1]


def test_unwrap_gives_the_value_or_raises():
    assert BATCH[0].unwrap() == "a"
    with pytest.raises(ValueError, match="bad"):
        BATCH[1].unwrap()


def test_texts():
    assert [repr(outcome) for outcome in BATCH] == [
        "Outcome(0, ok)", "Outcome(1, ValueError: bad, 2 attempts)", "Outcome(2, ok)",
    ]  # fmt: skip
    assert BATCH[0].traceback == ""
    assert BATCH[1].traceback.endswith("ValueError: bad\n")


def test_times_are_in_seconds():
    outcome = Outcome(0, submitted_ns=0, started_ns=10**9, ended_ns=3 * 10**9)
    assert (outcome.queue_wait_s, outcome.service_s) == (1, 2)


# -- progress, told to a function or drawn as a bar, never in the way of an outcome ----------------------------------


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


def test_a_bar_is_drawn_where_it_is_wanted_with_throughput_and_the_time_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    assert list(tracked(OUTCOMES, True, 3, "check")) == OUTCOMES
    shown = sys.stderr.getvalue()
    assert "check" in shown
    assert "items/s" in shown
    assert "<" in shown  # elapsed < left


@pytest.mark.parametrize("total", [4, None])
def test_a_paced_function_gets_throughput_and_the_time_left(total):
    told = []
    with use_clock(FakeClock(100.0)) as clock, counter(ProgressCallback(told.append), total, "check") as count:
        for seconds in (2, 0, 4):
            clock.advance(seconds)
            count()
    assert told == [ProgressInfo(1, total, 2.0), ProgressInfo(2, total, 2.0), ProgressInfo(3, total, 6.0)]
    assert [pace.throughput_per_s for pace in told] == [0.5, 1.0, 0.5]
    assert [pace.left_s for pace in told] == ([6.0, 2.0, 2.0] if total else [None] * 3)


def test_one_paced_function_serves_several_batches():
    told = []
    paced = ProgressCallback(told.append)
    with use_clock(FakeClock()) as clock, counter(paced, 1, "one") as one:
        clock.advance(1)
        with counter(paced, 1, "other") as other:
            clock.advance(2)
            other()
            one()
    assert [pace.elapsed_s for pace in told] == [2.0, 3.0]


@pytest.mark.parametrize(
    ("pace", "text"),
    [
        (ProgressInfo(0, 10, 0.0), "0 of 10, 0 items/s"),
        (ProgressInfo(0, None, 5.0), "0, 0 items/s"),
        (ProgressInfo(1, 2, 0.0), "1 of 2, 0 items/s, 0 s left"),
        (ProgressInfo(3000, 4000, 30.0), "3,000 of 4,000, 100 items/s, 10 s left"),
        (ProgressInfo(5, 4, 1.0), "5 of 4, 5 items/s, 0 s left"),
    ],
)
def test_a_pace_in_words(pace, text):
    assert str(pace) == text


def test_paced_needs_a_function():
    with pytest.raises(OptionError, match="a function of a ProgressInfo"):
        ProgressCallback(3)


def test_a_paced_function_is_told_what_failed():
    told = []
    outcomes = [Outcome(0), Outcome(1, error=ValueError(), status="error"), Outcome(2)]
    list(tracked(outcomes, ProgressCallback(told.append), 3, "check"))
    assert [(pace.ok, pace.failed) for pace in told] == [(1, 0), (1, 1), (2, 1)]
    assert "3 of 3, 1 failed, " in str(told[-1])


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_paced_function_is_told_of_the_end_however_it_comes(is_broken):
    ends = []

    class Ends(ProgressCallback):
        def begun(self):
            return self

        def ended(self):
            ends.append("end")

    with suppress(LookupError), counter(Ends(print), 3, "check"):
        assert ends == []
        if is_broken:
            raise LookupError
    assert ends == ["end"]
