"""What all executors share: defaults of a call, the order of outcomes, stopping by tokens, texts."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.clock import use_clock
from kaygraph_viz.errors import CallCancelled, DeadlineExceeded
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.core.base import Capabilities, Executor, arranging, in_order, too_late
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import SIZED_WINDOW
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.virtual.clock import VirtualClock


class Noting(Executor):
    """An executor that keeps its requests and answers each item with itself."""

    kind = "thread"
    capabilities = Capabilities(runs_in_parallel=False, can_kill=False, shares_memory=True, needs_pickling=False)
    items_ahead = 7

    def __init__(self, max_workers=None):
        super().__init__(max_workers)
        self.requests = []

    def _run(self, request):
        self.requests.append(request)
        return (outcome(index, item) for index, item in enumerate(request.items))


def outcome(index, value=None, error=None):
    return Outcome(index, value, error, "ok" if error is None else "error", 1, 0, 0, 0, "a")


def request_of(items, executor=None, **options):
    executor = executor or Noting(2)
    list(executor.imap(str, items, **options))
    return executor.requests[-1]


# -- what a call that says little stands for -----------------------------------------------------------------------


def test_an_input_with_a_length_is_ready_at_once_and_read_far_ahead():
    with use_clock(FakeClock(start_s=3)):
        request = request_of(["a", "b"])
    assert (request.count, request.submitted_ns, request.window) == (2, 3 * 10**9, SIZED_WINDOW)


def test_one_without_is_ready_item_by_item_and_read_so_many_ahead_for_each_worker():
    request = request_of(iter(["a", "b"]))
    assert (request.count, request.submitted_ns, request.window) == (None, None, 14)


def test_branches_are_called_as_the_function_and_belong_to_what_they_are_called():
    assert request_of([]).branches.name == "str"
    assert request_of([], name="look").branches.where(0) == "item 0 of 'look'"
    assert request_of([], name="look", owner="Check").branches.where(0) == "item 0 of 'Check'"


def test_the_clock_in_force_decides_how_many_workers_there_are_where_none_were_asked_for():
    executor = Noting()
    with VirtualClock():
        assert executor.workers == 4
        assert repr(executor) == "<thread executor, 4 workers>"
    assert Noting(1).workers == 1
    assert repr(Noting(1)) == "<thread executor, 1 worker>"


# -- errors and stopping -------------------------------------------------------------------------------------------


class Failing(Noting):
    def _run(self, request):
        yield outcome(0, "a")
        yield outcome(1, error=self.error)
        yield outcome(2, "c")


@pytest.mark.parametrize(
    ("error", "on_error", "seen"),
    [(ValueError("no"), "raise", [0]), (ValueError("no"), "collect", [0, 1, 2]), (KeyboardInterrupt(), "collect", [0])],
)
def test_an_error_is_raised_where_that_is_wanted_and_an_interrupt_always(error, on_error, seen):
    executor, found = Failing(1), []
    executor.error = error
    with suppress(type(error)):
        for each in executor.imap(str, [], on_error=on_error):
            found.append(each.index)
    assert found == seen


def test_cancelling_an_executor_cancels_the_calls_in_progress_and_no_later_ones():
    executor = Noting(1)
    running = executor.imap(str, itertools.count())
    next(running)
    executor.cancel()
    assert executor.requests[0].token.is_cancelled
    running.close()
    assert not executor._tokens
    assert not request_of([], executor).token.is_cancelled


def test_a_token_of_the_caller_is_let_go_after_the_call():
    token = CancelToken()
    request = request_of(["a"], cancel=token)
    token.cancel()
    assert not request.token.is_cancelled
    with pytest.raises(CallCancelled):
        request_of(["a"], cancel=token)


def test_a_call_that_is_too_late_names_the_node():
    error = too_late(request_of([], owner="Check", deadline=2.5))
    assert type(error) is DeadlineExceeded
    assert "the call of 'Check'" in str(error)
    assert "2.5 s" in str(error)


# -- order ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 8).flatmap(lambda count: st.permutations(range(count))))
def test_outcomes_are_put_in_order_as_soon_as_those_before_them_are_there(completed):
    taken, given = [], []
    for found in in_order(outcome(index) for index in completed if not taken.append(index)):
        given.append(found.index)
        assert {*given} <= {*taken}
    assert given == sorted(completed)


@given(st.integers(0, 8).flatmap(lambda count: st.permutations(range(count))))
def test_arranged_outcomes_come_with_the_last_one_that_they_waited_for(completed):
    arrange, seen = arranging(request_of([], ordered=True)), []
    for position, index in enumerate(completed, 1):
        seen += [found.index for found in arrange(outcome(index))]
        arrived = {*completed[:position]}
        assert seen == list(itertools.takewhile(arrived.__contains__, itertools.count()))


def test_without_order_each_outcome_is_due_at_once():
    arrange = arranging(request_of([], ordered=False))
    assert [found.index for index in (2, 0, 1) for found in arrange(outcome(index))] == [2, 0, 1]
