"""Outcomes: one record, and lists of them."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.core.outcome import Outcome, Outcomes
from kaygraph_viz.execute.progress import checked_progress, tracked

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


def test_progress_can_be_a_function_of_done_and_total():
    seen = []
    assert list(tracked(BATCH, lambda done, total: seen.append((done, total)), 3, "Check")) == BATCH
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_no_progress_changes_nothing():
    assert tracked(BATCH, False, 3, "Check") is BATCH


def test_a_bar_changes_no_outcome(capsys):
    assert list(tracked(BATCH, True, 3, "Check")) == BATCH
    assert "Check" in capsys.readouterr().err


def test_no_standard_error_no_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert tracked(BATCH, None, 3, "Check") is BATCH


@pytest.mark.parametrize("progress", [1, "yes", object()])
def test_other_progress_is_refused(progress):
    with pytest.raises(OptionError, match="progress"):
        checked_progress(progress)
