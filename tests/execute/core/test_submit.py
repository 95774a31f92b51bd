"""Single calls with a future, for the kinds that share memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from kaygraph_viz.errors import BranchError, CallCancelled, OptionError
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

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
