"""The one contract that every kind of executor keeps, whatever its workers are.

Functions given to workers are at module level and talk to the test through what they return or raise, so that kinds
whose workers share no memory can be held to the same words. What needs shared memory says so.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import threading
import time
import weakref
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from kaygraph_viz.base.errors import BranchError, CallCancelled, DeadlineExceeded, OptionError
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.cancel import CancelToken, interruptible
from kaygraph_viz.execute.registry import _EXECUTORS, KINDS, executor_class, get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

GUARD_S = 20.0
WORKERS = 3


def capabilities_of(kind):
    module, name = _EXECUTORS[kind]
    return getattr(import_module(f"kaygraph_viz.execute.{module}"), name).capabilities


SHARING = [kind for kind in KINDS if capabilities_of(kind).shares_memory]

city = contextvars.ContextVar("city", default="nowhere")


@contextmanager
def opened(request, kind, workers=WORKERS):
    """Give an executor; what takes long to start is shared by all tests: the cluster of Dask, and the processes."""
    if kind == "process":
        yield request.getfixturevalue("processes")(workers)
        return
    if kind == "dask":
        from kaygraph_viz.execute.dask.executor import DaskExecutor

        made = DaskExecutor(workers, client=request.getfixturevalue("dask_client"))
    else:
        made = get_executor(kind, workers)
    with made:
        yield made


@pytest.fixture(params=KINDS)
def executor(request):
    with opened(request, request.param) as made:
        yield made


@pytest.fixture(params=[kind for kind in KINDS if capabilities_of(kind).runs_in_parallel])
def parallel(request):
    """An executor whose branches run while the caller looks on: others cannot be interrupted."""
    with opened(request, request.param) as made:
        yield made


@pytest.fixture(params=SHARING)
def sharing(request):
    with get_executor(request.param, WORKERS) as made:
        yield made


def double(x):
    return 2 * x


def fail_odd(x):
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


def see_city(_):
    return city.get()


def leave_city(x):
    city.set(f"left by {x}")
    return city.get()


async def coroutine(x):
    return x


class RudeError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raise_it(error):
    raise error


def values(outcomes):
    return [outcome.value for outcome in outcomes]


# -- order, laziness, look-ahead -----------------------------------------------------------------------------------


def test_values_come_in_the_order_of_the_items(executor):
    assert values(executor.imap(double, range(200))) == [2 * x for x in range(200)]


def test_as_completed_gives_each_item_once(executor):
    outcomes = list(executor.imap(double, range(200), ordered=False))
    assert sorted(outcome.index for outcome in outcomes) == list(range(200))
    assert all(outcome.value == 2 * outcome.index for outcome in outcomes)


@pytest.mark.parametrize("items", [[], (), iter(()), {}, ""])
def test_no_items_no_outcomes(executor, items):
    assert list(executor.imap(double, items)) == []


def test_nothing_is_pulled_before_an_outcome_is_asked_for(executor):
    pulled = []
    executor.imap(double, map(pulled.append, range(9))).close()
    assert pulled == []


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("window", [0, 1, 5])
def test_an_endless_input_is_pulled_no_further_than_workers_and_window(executor, ordered, window):
    pulled = 0
    most = 0

    def endless():
        nonlocal pulled
        for number in itertools.count():
            pulled += 1
            yield number

    count = 30 if executor.kind == "dask" else 300  # a Dask task alone takes some milliseconds
    with closing(executor.imap(double, endless(), ordered=ordered, window=window)) as outcomes:
        for delivered, _ in enumerate(itertools.islice(outcomes, count), 1):
            most = max(most, pulled - delivered)
    assert most <= executor.workers + window
    assert pulled <= count + executor.workers + window


@pytest.mark.parametrize("kind", KINDS)
def test_one_worker_without_look_ahead_never_stalls(request, kind):
    count = 30 if kind == "dask" else 3000
    with opened(request, kind, 1) as one:
        assert values(one.imap(double, iter(range(count)), window=0)) == [2 * x for x in range(count)]


class Item:
    """Something whose instances can be counted."""


def test_memory_is_flat_over_100_000_items(sharing):
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    def items():
        for _ in range(100_000):
            alive.add(item := Item())
            yield item

    gc.collect()
    for outcome in sharing.imap(lambda item: item, items()):
        if outcome.index % 1000 == 0:
            most = max(most, len(alive))
    assert most <= 2 * (sharing.workers + 4 * sharing.workers)


def test_closing_early_stops_pulling(executor):
    pulled = []
    outcomes = executor.imap(double, (pulled.append(x) or x for x in itertools.count()), window=2)
    assert next(outcomes).value == 0
    outcomes.close()
    count = len(pulled)
    assert count <= 1 + executor.workers + 2
    gc.collect()
    assert len(pulled) == count


def test_an_executor_is_used_many_times(executor):
    for _ in range(3):
        assert values(executor.imap(double, [1, 2])) == [2, 4]


# -- outcomes and errors -------------------------------------------------------------------------------------------


def test_an_outcome_says_everything(executor):
    clock = FakeClock(start_s=1)
    with record(clock=clock):
        (outcome,) = executor.imap(double, [21], name="double it")
    assert (outcome.index, outcome.value, outcome.error, outcome.status, outcome.attempts) == (0, 42, None, "ok", 1)
    assert outcome.ok
    assert outcome.unwrap() == 42
    assert outcome.name == "double it"
    assert outcome.submitted_ns <= outcome.started_ns <= outcome.ended_ns


def test_collect_yields_an_outcome_for_each_failure(executor):
    outcomes = list(executor.imap(fail_odd, range(6), on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["ok", "error"] * 3
    failed = outcomes[3]
    assert (failed.index, failed.value, failed.attempts, failed.ok) == (3, None, 1, False)
    assert str(failed.error) == "3 is odd"
    assert "fail_odd" in failed.traceback
    assert failed.error.__notes__ == ["in item 3 of 'Check'"]
    with pytest.raises(ValueError, match="3 is odd"):
        failed.unwrap()


def test_raise_gives_what_came_before_and_then_the_error(executor):
    seen = []
    with pytest.raises(ValueError, match="3 is odd") as caught:
        for outcome in executor.imap(fail_odd, [0, 2, 4, 3, 6], owner="Check"):
            seen.append(outcome.value)
    assert seen == [0, 2, 4]
    assert caught.value.__notes__ == ["in item 3 of 'Check'"]


def test_an_input_that_raises_gives_the_finished_results_first(executor):
    def items():
        yield from range(4)
        raise OSError("disk gone")

    outcomes = executor.imap(double, items())
    assert [next(outcomes).value for _ in range(4)] == [0, 2, 4, 6]
    with pytest.raises(OSError, match="disk gone"):
        next(outcomes)


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), StopIteration(1)])
def test_what_would_end_the_program_or_a_loop_becomes_a_branch_error(executor, error):
    (outcome,) = executor.imap(raise_it, [error], on_error="collect")
    assert type(outcome.error) is BranchError
    assert type(outcome.error.__cause__) is type(error)
    assert outcome.status == "error"


@pytest.mark.parametrize("error", [MemoryError("full"), RecursionError("deep"), RudeError()])
def test_any_ordinary_error_is_an_outcome(executor, error):
    (outcome,) = executor.imap(raise_it, [error], on_error="collect")
    assert type(outcome.error) is type(error)
    assert repr(outcome).startswith(f"Outcome(0, {type(error).__name__}")


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_an_interrupt_stays_one(executor, on_error):
    with pytest.raises(KeyboardInterrupt), record() as trace:
        list(executor.imap(raise_it, [KeyboardInterrupt()], on_error=on_error))
    assert [s.status for s in trace.where(kind="branch")] == ["cancelled"]


def test_a_coroutine_returned_by_mistake_is_a_clear_error_and_awaited_by_async(executor):
    (outcome,) = executor.imap(coroutine, [1], on_error="collect", owner="Check")
    if executor.kind == "async":
        assert outcome.value == 1
        return
    assert type(outcome.error) is BranchError
    assert "item 0 of 'Check' returned a coroutine" in str(outcome.error)


# -- retries and fallback ------------------------------------------------------------------------------------------


def test_each_failing_item_gets_exactly_its_attempts(executor):
    with record() as trace:
        outcomes = list(executor.imap(fail_odd, range(8), retry=RetryPolicy(3), on_error="collect", owner="Check"))
    assert [outcome.attempts for outcome in outcomes] == [1, 3] * 4
    branches = {s.span_id: s for s in trace.where(kind="branch")}
    tried = [branches[s.parent_id].index for s in trace.where(kind="attempt")]
    assert sorted(tried) == [1, 1, 1, 3, 3, 3, 5, 5, 5, 7, 7, 7]
    assert {s.attempt for s in branches.values()} == {1, 3}
    assert outcomes[1].error.__notes__ == ["in item 1 of 'Check', after 3 attempts"]


def test_waits_between_attempts_are_spans_of_their_own(sharing):
    with record(clock=FakeClock()) as trace:
        list(sharing.imap(fail_odd, [1], retry=RetryPolicy(3, wait=2), on_error="collect"))
    assert [s.service_s for s in trace.where(kind="wait")] == [2, 2]
    assert [(s.name, s.status) for s in trace.where(kind="attempt")] == [
        (f"attempt {number}", "error") for number in (1, 2, 3)
    ]


def test_other_errors_are_not_tried_again(executor):
    policy = RetryPolicy(3, retry_on=(KeyError,))
    (outcome,) = executor.imap(fail_odd, [1], retry=policy, on_error="collect")
    assert outcome.attempts == 1


def broken_wait(state):
    raise LookupError("no such wait")


def test_a_waiting_rule_that_raises_ends_the_branch(executor):
    policy = RetryPolicy(3, wait=broken_wait)
    with record():
        (outcome,) = executor.imap(fail_odd, [1], retry=policy, on_error="collect")
    assert type(outcome.error) is LookupError
    assert str(outcome.error.__cause__) == "1 is odd"


def give_minus(item, error):
    return -item


def fail_too(item, error):
    raise LookupError("no fallback")


def test_a_fallback_takes_the_place_of_the_value(executor):
    outcomes = list(executor.imap(fail_odd, [1, 2], retry=RetryPolicy(2), fallback=give_minus))
    assert [(outcome.value, outcome.status, outcome.attempts) for outcome in outcomes] == [(-1, "ok", 2), (2, "ok", 1)]


def test_a_fallback_that_fails_gives_its_error_with_the_first_as_cause(executor):
    (outcome,) = executor.imap(fail_odd, [1], fallback=fail_too, on_error="collect")
    assert str(outcome.error) == "no fallback"
    assert str(outcome.error.__cause__) == "1 is odd"


# -- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, -1, True, False, 10**9, 1e9, 2.0, "4", float("nan")])
def test_impossible_numbers_of_workers_are_refused(kind, workers):
    with pytest.raises(
        OptionError, match=f"max_workers must be a whole number from 1 to {executor_class(kind).worker_limit}"
    ):
        get_executor(kind, workers)


@pytest.mark.parametrize(
    "options",
    [
        {"window": -1}, {"window": True}, {"window": 1.5}, {"window": 10**9}, {"timeout": -1}, {"timeout": True},
        {"timeout": float("nan")}, {"timeout": float("inf")}, {"timeout": 1e300}, {"timeout": 10**400}, {"timeout": 0},
        {"timeout": -0.0}, {"deadline": 0}, {"deadline": -1}, {"deadline": float("nan")}, {"deadline": float("inf")},
        {"on_error": "ignore"}, {"on_error": None}, {"retry": 3}, {"items": 5}, {"items": None}, {"fn": "double"},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_options_are_refused_at_the_call(executor, options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        executor.imap(**({"fn": double, "items": [1]} | options))


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_executor_raises(kind):
    executor = get_executor(kind, WORKERS)
    executor.close()
    executor.close()
    with pytest.raises(OptionError, match="open"):
        executor.imap(double, [1])


# -- contexts, recording, time -------------------------------------------------------------------------------------


def test_context_variables_reach_the_workers(executor):
    token = city.set("Oslo")
    try:
        assert values(executor.imap(see_city, range(4))) == ["Oslo"] * 4
    finally:
        city.reset(token)


def test_context_variables_do_not_leak_back_nor_across(executor):
    assert values(executor.imap(leave_city, [1, 2])) == ["left by 1", "left by 2"]
    assert values(executor.imap(see_city, range(4))) == ["nowhere"] * 4
    assert city.get() == "nowhere"


def test_the_input_sees_the_context_of_its_reader(executor):
    token = city.set("Oslo")
    try:
        assert values(executor.imap(str, (city.get() for _ in range(4)))) == ["Oslo"] * 4
    finally:
        city.reset(token)


def test_recording_changes_no_result(executor):
    def run():
        outcomes = executor.imap(fail_odd, range(20), retry=RetryPolicy(2), on_error="collect")
        return [(o.index, o.value, repr(o.error), o.status, o.attempts, o.name) for o in outcomes]

    plain = run()
    with record() as trace:
        assert run() == plain
    assert trace.counts()["branch"] == 20


def test_branches_are_named_by_name_or_label(executor):
    with record() as trace:
        list(executor.imap(double, [1]))
        list(executor.imap(double, [2], name="two"))
        list(executor.imap(double, [3], label=str))
        list(executor.imap(double, [4], label=raise_it, name="four"))
    assert [s.name for s in trace] == ["double", "two", "3", "four"]
    assert [s.index for s in trace] == [0] * 4


def take_long(seconds):
    sleep(seconds)
    return seconds


def test_a_branch_that_took_longer_than_its_timeout_is_one_in_outcome_and_trace(sharing):
    with record(clock=FakeClock()) as trace:
        outcomes = list(sharing.imap(take_long, [5], timeout=2, on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["timeout"]
    assert type(outcomes[0].error) is DeadlineExceeded
    assert outcomes[0].value is None
    assert "item 0 of 'Check' was still running after its timeout of 2 s" in str(outcomes[0].error)
    assert {s.status for s in trace.where(kind="branch")} <= {"timeout", "abandoned"}


def wait_a_little(x):
    sleep(0.001)  # of simulated time, too
    return x


def test_each_branch_overruns_a_timeout_of_a_nanosecond(executor):
    outcomes = list(executor.imap(wait_a_little, range(4), timeout=1e-9, on_error="collect", owner="Check"))
    assert [(outcome.index, outcome.status, type(outcome.error)) for outcome in outcomes] == [
        (index, "timeout", DeadlineExceeded) for index in range(4)
    ]


def test_a_branch_within_its_timeout_is_none(sharing):
    with record(clock=FakeClock()):
        assert values(sharing.imap(take_long, [1, 2], timeout=100)) == [1, 2]


def test_a_late_branch_raises_under_raise(sharing):
    with pytest.raises(DeadlineExceeded), record(clock=FakeClock()):
        list(sharing.imap(take_long, [5], timeout=2))


@pytest.mark.parametrize("inner_kind", SHARING)
def test_a_call_inside_a_call_does_not_deadlock(sharing, inner_kind):
    def outer(x):
        with get_executor(inner_kind, WORKERS) as inner:
            return sum(values(inner.imap(double, range(x)))) + sum(values(sharing.imap(double, range(x))))

    with record() as trace:
        assert values(sharing.imap(outer, range(20))) == [2 * x * (x - 1) for x in range(20)]
    trace.validate()


def test_inner_items_count_their_own_attempts(sharing):
    from kaygraph_viz.execute.retries import attempt_number

    seen = []

    def outer(_):
        seen.extend(values(sharing.imap(lambda _: attempt_number(), [1])))
        raise ValueError("again")

    list(sharing.imap(outer, [1], retry=RetryPolicy(3), on_error="collect"))
    assert seen == [1, 1, 1]


@pytest.mark.parametrize(
    "kind", [kind for kind in SHARING if capabilities_of(kind).runs_in_parallel and kind != "async"]
)
def test_four_branches_really_run_at_once(kind):
    together = threading.Barrier(4)

    def meet(x):
        together.wait(GUARD_S)
        return x

    with get_executor(kind, 4) as four, record() as trace:
        assert values(four.imap(meet, range(4))) == [0, 1, 2, 3]
    branches = trace.where(kind="branch")
    assert len({s.lane for s in branches}) == 4
    assert max(s.started_ns for s in branches) <= min(s.ended_ns for s in branches)


def test_an_error_that_takes_no_notes_is_an_outcome_all_the_same(sharing):
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class FrozenError(Exception):
        code: int

    outcomes = list(sharing.imap(raise_it, [FrozenError(1), FrozenError(2)], on_error="collect", fallback=fail_frozen))
    assert [outcome.error.code for outcome in outcomes] == [1, 2]


def fail_frozen(item, error):
    raise type(error)(error.code)


# -- stopping a whole call -----------------------------------------------------------------------------------------


def leave_a_mark(folder):
    Path(folder, f"{time.monotonic_ns()}").touch()


def until_released(path):
    """Go on until a file exists: what other processes see too."""
    while not Path(path).exists():
        sleep(0.005)


async def until_cancelled(_):
    await asyncio.Event().wait()


def test_a_token_that_was_cancelled_before_starts_nothing_in_any_worker(executor, tmp_path):
    token = CancelToken()
    token.cancel()
    with pytest.raises(CallCancelled):
        list(executor.imap(leave_a_mark, [tmp_path] * 3, cancel=token))
    assert list(tmp_path.iterdir()) == []


def test_a_token_stops_a_call_between_two_outcomes(executor):
    token, seen = CancelToken(), []
    with pytest.raises(CallCancelled):
        for outcome in executor.imap(double, itertools.count(), cancel=token, window=2):
            seen.append(outcome.value)
            if len(seen) == 10:
                token.cancel()
    assert seen == [2 * x for x in range(len(seen))]
    assert [outcome.value for outcome in executor.imap(double, range(3))] == [0, 2, 4]


def test_branches_that_would_not_end_are_stopped_by_the_deadline_of_the_call(parallel, tmp_path):
    function = until_cancelled if parallel.kind == "async" else until_released
    path = str(tmp_path / "go")
    try:
        with record(), pytest.raises(DeadlineExceeded, match="the call of 'Check'"):
            list(parallel.imap(function, [path] * 2, deadline=0.2, owner="Check"))
    finally:
        Path(path).touch()
    assert [outcome.value for outcome in parallel.imap(double, range(3))] == [0, 2, 4]


def test_branches_that_would_not_end_are_stopped_from_another_thread(parallel, tmp_path):
    function = until_cancelled if parallel.kind == "async" else until_released
    path, token, begun = str(tmp_path / "go"), CancelToken(), threading.Event()

    def items():
        yield path
        begun.set()
        yield path

    def stop():
        begun.wait(GUARD_S)
        token.cancel()

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        with pytest.raises(CallCancelled):
            list(parallel.imap(function, items(), cancel=token))
    finally:
        Path(path).touch()
        stopper.join(GUARD_S)


def first_or_until_released(path):
    """Return at once for the first item, and not before somebody makes the file for the others."""
    return path is None or until_released(path)


async def first_or_until_cancelled(path):
    return path is None or await until_cancelled(path)


def test_an_interrupt_of_what_the_reader_does_meanwhile_waits_for_no_branch(parallel, tmp_path):
    function = first_or_until_cancelled if parallel.kind == "async" else first_or_until_released
    path = str(tmp_path / "go")
    releaser = threading.Timer(GUARD_S, Path(path).touch)  # else a call that waits would wait for ever
    releaser.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            with record() as trace, interruptible(parallel.imap(function, [None, path, path])) as outcomes:
                next(outcomes)
                raise KeyboardInterrupt
    finally:
        releaser.cancel()
        Path(path).touch()
    ends = [branch.status for branch in trace.where(kind="branch")]
    assert ends.count("ok") == 1
    assert {*ends} <= {"ok", "cancelled", "abandoned"}
