"""What all executors share: options of a call, order of outcomes, stopping by tokens, single calls, kinds by name."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import BranchError, CallCancelled, DeadlineExceeded, OptionError
from kaygraph_viz.clock.clock import use_clock
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.base import Capabilities, Executor, arranging, in_order
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.call import MAX_WINDOW, SIZED_WINDOW, Call, MemoryBudget
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.registry import KINDS, checked_kind, executor_class, get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock


class Noting(Executor):
    """An executor that keeps its calls and answers each item with itself."""

    kind = "thread"
    capabilities = Capabilities(runs_in_parallel=False, can_kill=False, shares_memory=True, needs_pickling=False)
    items_ahead = 7

    def __init__(self, max_workers=None):
        super().__init__(max_workers)
        self.calls = []

    def _run(self, call):
        self.calls.append(call)
        return (outcome(index, item) for index, item in enumerate(call.items))


def outcome(index, value=None, error=None):
    return Outcome(index, value, error, "ok" if error is None else "error", 1, 0, 0, 0, "a")


def call_of(items, executor=None, **options):
    executor = executor or Noting(2)
    list(executor.imap(str, items, **options))
    return executor.calls[-1]


# -- what a call that says little stands for -----------------------------------------------------------------------


def test_an_input_with_a_length_is_ready_at_once_and_read_far_ahead():
    with use_clock(FakeClock(start_s=3)):
        call = call_of(["a", "b"])
    assert (call.count, call.submitted_ns, call.window) == (2, 3 * 10**9, SIZED_WINDOW)


def test_one_without_is_ready_item_by_item_and_read_so_many_ahead_for_each_worker():
    call = call_of(iter(["a", "b"]))
    assert (call.count, call.submitted_ns, call.window) == (None, None, 14)


def test_branches_are_called_as_the_function_and_belong_to_what_they_are_called():
    assert call_of([]).branches.name == "str"
    assert call_of([], name="look").branches.where(0) == "item 0 of 'look'"
    assert call_of([], name="look", owner="Check").branches.where(0) == "item 0 of 'Check'"


def test_the_clock_in_force_decides_how_many_workers_there_are_where_none_were_asked_for():
    executor = Noting()
    with VirtualClock():
        assert executor.workers == 4
        assert repr(executor) == "<thread executor, 4 workers>"
    assert Noting(1).workers == 1
    assert repr(Noting(1)) == "<thread executor, 1 worker>"


# -- errors and stopping -------------------------------------------------------------------------------------------


def test_cancelling_an_executor_cancels_the_calls_in_progress_and_no_later_ones():
    executor = Noting(1)
    running = executor.imap(str, itertools.count())
    next(running)
    executor.cancel()
    assert executor.calls[0].token.is_cancelled
    running.close()
    assert not executor._tokens
    assert not call_of([], executor).token.is_cancelled


def test_a_token_of_the_caller_is_let_go_after_the_call():
    token = CancelToken()
    call = call_of(["a"], cancel=token)
    token.cancel()
    assert not call.token.is_cancelled
    with pytest.raises(CallCancelled):
        call_of(["a"], cancel=token)


def test_a_call_that_is_too_late_names_the_node():
    error = call_of([], owner="Check", deadline=2.5).too_late()
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
    arrange, seen = arranging(call_of([], ordered=True)), []
    for position, index in enumerate(completed, 1):
        seen += [found.index for found in arrange(outcome(index))]
        arrived = {*completed[:position]}
        assert seen == list(itertools.takewhile(arrived.__contains__, itertools.count()))


def test_without_order_each_outcome_is_due_at_once():
    arrange = arranging(call_of([], ordered=False))
    assert [found.index for index in (2, 0, 1) for found in arrange(outcome(index))] == [2, 0, 1]


# -- options of one call ---------------------------------------------------------------------------------------------


def call(**options):
    return Call(Branches(str, name="str"), [], window=5, count=0, **options)


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
        call_of([], **options)


def test_the_first_of_several_wrong_ones_is_named():
    with pytest.raises(OptionError, match="window must be"):
        call_of([], window=-1, timeout=-1)


def test_workers_and_window_together_are_the_limit():
    assert call().limit(3) == 8


@pytest.mark.parametrize(("is_tight", "limit"), [(True, 3), (False, 8)])
def test_while_memory_is_short_there_is_no_look_ahead(monkeypatch, is_tight, limit):
    monkeypatch.setattr(MemoryBudget, "is_tight", lambda _: is_tight)
    assert call(memory=MemoryBudget(1 << 20)).limit(3) == limit


# -- single calls with a future, for the kinds that share memory -----------------------------------------------------


GUARD_S = 20.0


@pytest.fixture(params=["serial", "thread", "async"])
def executor(request):
    with get_executor(request.param, 2) as made:
        yield made


def fail(error):
    raise error


def test_results_and_errors_arrive(executor):
    futures = [executor.submit(pow, 2, x) for x in range(20)]
    assert [future.result(GUARD_S) for future in futures] == [2**x for x in range(20)]
    with pytest.raises(ValueError, match="bad"):
        executor.submit(fail, ValueError("bad")).result(GUARD_S)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_what_would_end_the_program_is_an_error_of_its_future_alone(executor, error):
    with pytest.raises(BranchError):
        executor.submit(fail, error).result(GUARD_S)
    assert executor.submit(pow, 2, 3).result(GUARD_S) == 8


def test_coroutine_functions_are_awaited():
    async def double(x):
        await asyncio.sleep(0)
        return 2 * x

    with get_executor("async", 2) as executor:
        assert [future.result(GUARD_S) for future in [executor.submit(double, x) for x in range(5)]] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("kind", ["serial", "thread"])
def test_what_has_not_begun_can_be_cancelled(kind):
    began, go = threading.Event(), threading.Event()

    def block():
        began.set()
        return go.wait(GUARD_S)

    ran = []
    with get_executor(kind, 1) as executor:
        first = executor.submit(block)
        assert began.wait(GUARD_S)
        second, third = executor.submit(ran.append, 2), executor.submit(ran.append, 3)
        fourth = executor.submit(pow, 2, 2)
        assert third.cancel()
        assert not first.cancel()
        go.set()
        assert fourth.result(GUARD_S) == 4
        assert second.result(GUARD_S) is None
        with pytest.raises(CancelledError):
            third.result(GUARD_S)
    assert ran == [2]


def test_a_coroutine_that_waits_for_a_place_or_runs_can_be_cancelled():
    began, cleaned = threading.Event(), []

    async def forever():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(1)

    with get_executor("async", 1) as executor:
        first, second = executor.submit(forever), executor.submit(forever)
        assert began.wait(GUARD_S)
        assert second.cancel()
        assert first.cancel()
        assert executor.submit(pow, 2, 2).result(GUARD_S) == 4
    assert cleaned == [1]


def test_closing_waits_for_what_was_submitted(executor):
    futures = [executor.submit(pow, 2, x) for x in range(50)]
    executor.close()
    assert all(future.done() for future in futures)
    with pytest.raises(OptionError, match="open"):
        executor.submit(pow, 1, 1)


def test_after_a_cancellation_new_calls_run(executor):
    assert executor.submit(pow, 2, 2).result(GUARD_S) == 4
    for _ in range(5):
        executor.cancel()
        assert executor.submit(pow, 2, 3).result(GUARD_S) == 8


def test_a_cancellation_may_come_before_the_thread_that_runs_calls_listens(monkeypatch):
    comes, go, stopping = threading.Event(), threading.Event(), CancelToken.stopping

    def late(token, stop):
        comes.set()
        assert go.wait(GUARD_S)
        return stopping(token, stop)

    monkeypatch.setattr(CancelToken, "stopping", late)
    with get_executor("thread", 1) as executor:
        before = executor.submit(pow, 2, 2)
        assert comes.wait(GUARD_S)
        executor.cancel()
        after = executor.submit(pow, 2, 3)
        go.set()
        assert after.result(GUARD_S) == 8
        assert isinstance(before.exception(GUARD_S), CallCancelled)


def test_a_cancellation_ends_what_runs_and_what_waits():
    began, go = threading.Event(), threading.Event()

    def block():
        began.set()
        go.wait(GUARD_S)

    with get_executor("thread", 1) as executor:
        first, second = executor.submit(block), executor.submit(pow, 2, 2)
        assert began.wait(GUARD_S)
        executor.cancel()
        third = executor.submit(pow, 2, 3)
        with pytest.raises(CallCancelled):
            first.result(GUARD_S)
        with pytest.raises(CallCancelled):
            second.result(GUARD_S)
        go.set()
        assert third.result(GUARD_S) == 8


IN_A_FORK = """
import os, sys
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.registry import get_executor
executor = get_executor(sys.argv[1], 2)
async def double(x): return 2 * x
function, arguments = (double, (5,)) if sys.argv[1] == "async" else (pow, (5, 2))
assert executor.submit(function, *arguments).result(20) in (10, 25)
copy = os.fork()
if copy == 0:
    found = executor.submit(function, *arguments).result(20)
    executor.close()
    os._exit(found)
print(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]), executor.submit(function, *arguments).result(20))
executor.close()
"""


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize(("kind", "found"), [("thread", "25 25"), ("async", "10 10")])
def test_a_fork_of_the_program_submits_to_threads_of_its_own(kind, found):
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_FORK, kind], capture_output=True, text=True, timeout=2 * GUARD_S, check=True
    )
    assert ended.stdout.strip() == found


def test_submitted_calls_are_recorded(executor):
    with record() as trace:
        executor.submit(pow, 2, 2).result(GUARD_S)
        executor.close()
    assert [s.status for s in trace.where(kind="branch")] == ["ok"]


# -- kinds by their names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_class_that_knows_its_name(kind):
    found = executor_class(kind)
    assert issubclass(found, Executor)
    assert found.kind == kind == checked_kind(kind)


def test_threads_are_the_default():
    with get_executor() as executor:
        assert executor.kind == "thread"


@pytest.mark.parametrize("kind", ["threads", "", None, 4, []])
def test_an_unknown_kind_is_refused(kind):
    with pytest.raises(OptionError, match="executor must be one of 'serial'"):
        get_executor(kind)
