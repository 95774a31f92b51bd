"""What one call was asked for: options that make no sense, and how far it may read ahead."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.core.branch import Branches
from kaygraph_viz.execute.core.request import MAX_WINDOW, Options, Request
from kaygraph_viz.execute.limits import MemoryBudget, RetryPolicy


def request(**options):
    return Request(Branches(str, name="str"), [], True, 5, None, None, 0, **options)


def test_possible_options_pass():
    Options().check()
    Options(False, 0, 0.5, RetryPolicy(2), "collect", 2.5, CancelToken(), MemoryBudget(1 << 20)).check()
    Options(window=MAX_WINDOW).check()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"on_error": "ignore"}, "on_error must be"),
        ({"window": MAX_WINDOW + 1}, "window must be a whole number from 0 to 1000000"),
        ({"timeout": -1}, "timeout must be"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0, at most 1e9, got 0. For example: timeout=2.5"),
        ({"deadline": 0.0}, "deadline must be a number of seconds above 0"),
        ({"deadline": float("nan")}, "deadline must be"),
        ({"retry": 3}, r"retry must be a RetryPolicy, or None, got 3. For example: retry=RetryPolicy\(\.\.\.\)"),
        ({"cancel": True}, "cancel must be a CancelToken, or None"),
        ({"memory": 1 << 20}, "memory must be a MemoryBudget, or None"),
    ],
)
def test_others_are_refused_by_name(options, told):
    with pytest.raises(OptionError, match=told):
        Options(**options).check()


def test_the_first_of_several_wrong_ones_is_named():
    with pytest.raises(OptionError, match="window must be"):
        Options(window=-1, timeout=-1).check()


def test_workers_and_window_together_are_the_limit():
    assert request().limit(3) == 8


@pytest.mark.parametrize(("is_tight", "limit"), [(True, 3), (False, 8)])
def test_while_memory_is_short_there_is_no_look_ahead(monkeypatch, is_tight, limit):
    monkeypatch.setattr(MemoryBudget, "is_tight", lambda _: is_tight)
    assert request(memory=MemoryBudget(1 << 20)).limit(3) == limit


def test_each_call_has_a_token_of_its_own():
    first, second = request(), request()
    first.token.cancel()
    assert first.token.is_cancelled
    assert not second.token.is_cancelled
