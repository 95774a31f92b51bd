"""Simulated workers of all kinds: exact times, how they are left; processes that copy and are killed."""

from __future__ import annotations

import concurrent.futures
import contextvars
import random
import signal
import threading
from contextlib import suppress

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import BranchError, CallCancelled, DeadlineExceeded, ServiceUnavailable
from kaygraph_viz.clock.clock import sleep, sleep_async
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.execute.worker_pool import simulated_pool
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from tests.execute.local.simulated_helpers import S, bars, now_s, run

PARALLEL = [kind for kind in KINDS if kind != "serial"]
SHARING = ["serial", "thread", "async"]
KILLING = ["process", "dask"]


def test_a_pool_is_simulated_only_where_the_clock_says_so():
    assert [simulated_pool(kind) for kind in ("thread", "process", "dask")] == [None, None, None]
    with VirtualClock():
        found = {kind: simulated_pool(kind).__name__ for kind in ("thread", "process", "dask")}
    assert found == {"thread": "SimulatedThreadPool", "process": "SimulatedProcessPool", "dask": "SimulatedDaskPool"}


# -- costs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "again_s"), [("thread", 5), ("process", 3), ("dask", 3)]
)  # processes live on, threads are those of a call
def test_a_start_and_each_hand_over_cost_what_the_clock_says(kind, again_s):
    clock = VirtualClock(start_up_s=2, dispatch_s=0.5)
    with record(clock=clock) as trace, get_executor(kind, 2) as executor:
        list(executor.imap(sleep, [1] * 4))
        assert now_s() == 5
        list(executor.imap(sleep, [1] * 4))
        assert now_s() == 5 + again_s
    assert bars(trace)[:2] == [(0, 2.5, 3.5, "ok"), (0, 5 + again_s - 2.5, 5 + again_s - 1.5, "ok")]


# -- inputs ----------------------------------------------------------------------------------------------------------


def slow_items(count):
    for number in range(count):
        sleep(1)
        yield number


def one_second(_):
    sleep(1)


async def one_second_async(_):
    await sleep_async(1)


@pytest.mark.parametrize(
    ("kind", "over_s"), [("serial", 8), ("thread", 8), ("async", 8), ("process", 5), ("dask", 5)]
)  # a thread of the caller pulls for processes, while they work; others pull for themselves
def test_an_input_that_takes_its_time_overlaps_with_processes(kind, over_s):
    function = one_second_async if kind == "async" else one_second
    assert run(kind, function, slow_items(4), 1)[2] == over_s


# -- retries, deadlines, limits --------------------------------------------------------------------------------------


def fail_after_a_second(_):
    sleep(1)
    raise ValueError("no")


async def fail_after_a_second_async(_):
    await sleep_async(1)
    raise ValueError("no")


@pytest.mark.parametrize("kind", KINDS)
def test_attempts_and_the_waits_between_them_take_their_time(kind):
    function = fail_after_a_second_async if kind == "async" else fail_after_a_second
    outcomes, trace, over_s = run(kind, function, [0], retry=RetryPolicy(3, wait=2), on_error="collect")
    assert (outcomes[0].attempts, over_s) == (3, 7)
    assert [(s.name, s.started_ns / S, s.ended_ns / S) for s in trace.where(kind="wait")] == [
        ("wait 1", 1, 3), ("wait 2", 4, 6),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_waits_with_jitter_are_drawn_from_the_seed(kind):
    function = fail_after_a_second_async if kind == "async" else fail_after_a_second
    policy = RetryPolicy.exponential(4, start_s=1, jitter_s=5)

    def over_s(seed):
        return run(kind, function, range(3), clock=VirtualClock(seed), retry=policy, on_error="collect")[2]

    assert over_s(1) == over_s(1) != over_s(2)


def test_a_coroutine_is_cancelled_at_its_deadline():
    _, trace, over_s = run("async", sleep_async, [1, 9, 1, 1], timeout=2, on_error="collect")
    assert bars(trace) == [(0, 0, 1, "ok"), (1, 0, 2, "timeout"), (2, 1, 2, "ok"), (3, 2, 3, "ok")]
    assert over_s == 3


def test_one_after_the_other_a_late_branch_is_noticed_when_it_returns():
    outcomes, trace, _ = run("serial", sleep, [1, 9], timeout=2, on_error="collect")
    assert [outcome.status for outcome in outcomes] == ["ok", "timeout"]
    assert bars(trace) == [(0, 0, 1, "ok"), (1, 1, 10, "timeout")]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_that_ends_at_the_very_instant_of_its_deadline_is_in_time(kind, seed):
    function = sleep_async if kind == "async" else sleep
    outcomes, _, _ = run(kind, function, [2, 1, 2, 2, 2], 3, VirtualClock(seed), timeout=2, on_error="collect")
    assert [outcome.status for outcome in outcomes] == ["ok"] * 5


@pytest.mark.parametrize("kind", KINDS)
def test_so_is_a_call(kind):
    function = sleep_async if kind == "async" else sleep
    outcomes, _, over_s = run(kind, function, [2], deadline=2)
    assert (outcomes[0].ok, over_s) == (True, 2)


@pytest.mark.parametrize("timeout", [32.27, 2.0651, 8.236, 548.71, 6.1e-08])  # as floats, times 1e9 they are too large
@pytest.mark.parametrize("kind", PARALLEL)
def test_no_deadline_is_missed_by_rounding(kind, timeout):
    function = sleep_async if kind == "async" else sleep
    outcomes, trace, _ = run(kind, function, [1000], timeout=timeout, on_error="collect")
    assert outcomes[0].status == "timeout"
    assert outcomes[0].ended_ns == round(timeout * S)
    assert trace.spans[0].ended_ns in (round(timeout * S), 1000 * S)


@pytest.mark.parametrize("kind", KINDS)
def test_the_deadline_of_a_call_is_kept_to_the_nanosecond(kind):
    function = sleep_async if kind == "async" else sleep
    with record(clock="virtual"), get_executor(kind, 2) as executor:
        with pytest.raises(DeadlineExceeded, match="the call of 'Check'"):
            list(executor.imap(function, [1] * 10, deadline=2.5, owner="Check"))
        assert now_s() == (3 if kind == "serial" else 2.5)  # serial: between two items


def call_in_a_second(limit, begun_s):
    def call(item):
        with limit:
            begun_s.append(now_s())
            sleep(0.1)
            if item == 2:
                raise ServiceUnavailable("geo", "too many", retry_after_s=30)

    async def call_async(item):
        async with limit:
            begun_s.append(now_s())
            await sleep_async(0.1)
            if item == 2:
                raise ServiceUnavailable("geo", "too many", retry_after_s=30)

    return call, call_async


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_so_many_places_and_a_service_that_asks_to_wait(kind):
    begun_s = []
    calls = call_in_a_second(RateLimit(in_flight=2), begun_s)
    run(kind, calls[kind == "async"], range(6), 6, on_error="collect")
    assert begun_s == [0, 0, 0.1, 0.1, 30.2, 30.2]


# -- nested, interrupted, left behind --------------------------------------------------------------------------------


@pytest.mark.parametrize("outer_kind", KINDS)
@pytest.mark.parametrize("inner_kind", ["thread", "process", "async"])
def test_calls_inside_calls_take_the_time_that_they_should(outer_kind, inner_kind):
    inner_function = one_second_async if inner_kind == "async" else one_second

    def outer(_):
        with get_executor(inner_kind, 2) as executor:
            list(executor.imap(inner_function, range(4)))

    _, _, over_s = run(outer_kind, outer, range(4), 2)
    assert over_s == (8 if outer_kind in ("serial", "async") else 4)  # a plain function holds up its loop


@pytest.mark.parametrize("kind", PARALLEL)
def test_leaving_the_block_early_abandons_what_runs_and_starts_nothing_more(kind):
    function, before = one_second_async if kind == "async" else one_second, set(threading.enumerate())
    with record(clock="virtual") as trace:
        outcomes = get_executor(kind, 2).imap(function, range(1000))
        next(outcomes)
    assert {bar[3] for bar in bars(trace)} <= {"ok", "abandoned"}
    assert [bar[3] for bar in bars(trace)].count("abandoned") == 2
    assert len(trace) <= 4
    assert set(threading.enumerate()) <= before
    outcomes.close()


def test_an_executor_is_used_in_blocks_and_outside_of_them():
    with get_executor("thread", 2) as executor:
        assert executor.submit(abs, -1).result() == 1
        for _ in range(2):
            with record(clock="virtual") as trace:
                future = executor.submit(sleep, 3)
                future.result()
                assert now_s() == 3
            assert len(trace) == 1
        assert executor.submit(abs, -2).result() == 2


@pytest.mark.parametrize("kind", ["thread", "process", "async", "dask"])
def test_what_was_submitted_and_not_waited_for_ends_with_the_block(kind):
    executor = get_executor(kind, 2)
    with VirtualClock():
        futures = [executor.submit(sleep_async if kind == "async" else sleep, 100) for _ in range(4)]
        sleep(1)
    for future in futures:
        with pytest.raises((CallCancelled, concurrent.futures.CancelledError)):
            future.result(0)
    executor.close()


@pytest.mark.parametrize("kind", PARALLEL)
def test_an_interrupt_gives_control_back_and_nothing_queued_ever_starts(kind, press_stop):
    begun, is_back = [], threading.Event()

    def begin(item):
        begun.append(item)
        if len(begun) == 2:
            press_stop()
        while not is_back.is_set():
            sleep(1)

    async def begin_async(item):
        begun.append(item)
        if len(begun) == 2:
            press_stop()
        while not is_back.is_set():
            await sleep_async(1)

    function = begin_async if kind == "async" else press_stop_for_ever if kind in KILLING else begin
    with record(clock="virtual"), get_executor(kind, 2) as executor:
        with pytest.raises(KeyboardInterrupt):
            list(executor.imap(function, range(100)))
        is_back.set()
        count = len(begun)
        sleep(1000)
        assert len(begun) == count <= 2
        assert [outcome.value for outcome in executor.imap(abs, [-1, 2])] == [1, 2]


def press_stop_for_ever(item):
    if item == 1:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    while True:
        sleep(1)


@pytest.fixture
def press_stop():
    """Return a function that interrupts the main program, as the stop button does."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("only POSIX can interrupt one thread")
    return lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_the_end_of_simulated_time_is_nobodys_error():
    seen = []

    def watch(_):
        try:
            sleep(100)
        except Exception as error:
            seen.append(error)
        except Stopped:
            seen.append("stopped")
            raise

    with VirtualClock():
        outcomes = get_executor("thread", 1).imap(watch, range(3))
        threads().Thread(lambda: list(outcomes)).start()
        sleep(1)
    assert seen == ["stopped"]


# -- many ------------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["thread", "process", "async"])
def test_ten_thousand_items_leave_nothing_behind(kind):
    clock = VirtualClock()
    with record(clock=clock) as trace, get_executor(kind, 8) as executor:
        function = one_second_async if kind == "async" else one_second
        assert sum(outcome.ok for outcome in executor.imap(function, range(10_000), ordered=False)) == 10_000
        assert len(clock._scheduler.heap) < 100
        assert len(clock._scheduler.fibers) < 20
    assert (len(trace), max(s.ended_ns for s in trace)) == (10_000, 1250 * S)


# -- processes: what they cost and copy, and that they are killed in time with all that they have started ------------


def test_a_process_starts_only_when_there_is_something_for_it():
    def items():
        sleep(10)
        yield 1

    _, trace, over_s = run("process", sleep, items(), 8, VirtualClock(start_up_s=2))
    assert bars(trace) == [(0, 12, 13, "ok")]
    assert over_s == 13


def test_a_killed_process_is_replaced_by_one_that_has_to_start():
    _, trace, _ = run("process", sleep, [9, 1], 1, VirtualClock(start_up_s=2), timeout=3, on_error="collect")
    assert bars(trace) == [(0, 2, 5, "timeout"), (1, 7, 8, "ok")]


@pytest.mark.parametrize("kind", KILLING)
def test_a_process_is_killed_exactly_at_its_deadline_and_replaced(kind):
    outcomes, trace, over_s = run(kind, sleep, [1, 9, 1, 1], timeout=2, on_error="collect")
    assert [outcome.status for outcome in outcomes] == ["ok", "timeout", "ok", "ok"]
    assert type(outcomes[1].error) is DeadlineExceeded
    assert bars(trace) == [(0, 0, 1, "ok"), (1, 0, 2, "timeout"), (2, 1, 2, "ok"), (3, 2, 3, "ok")]
    assert over_s == 3


@pytest.mark.parametrize(("kind", "ends"), [("process", [2, 4, 6]), ("dask", [2, 12, 22])])
def test_processes_are_killed_in_time_also_while_the_reader_is_busy_and_those_of_dask_when_it_looks(kind, ends):
    with record(clock="virtual") as trace, get_executor(kind, 1) as executor:
        for _ in executor.imap(sleep, [100] * 3, timeout=2, on_error="collect"):
            sleep(10)
    assert [ended for _, _, ended, _ in bars(trace)] == ends


def test_a_cancelled_call_kills_its_processes():
    token = CancelToken()
    with record(clock="virtual") as trace, get_executor("process", 2) as executor:
        timer = threads().Timer(3, token.cancel)
        timer.start()
        with pytest.raises(CallCancelled):
            list(executor.imap(sleep, [9] * 5, cancel=token))
        assert now_s() == 3
        assert [outcome.value for outcome in executor.imap(abs, [-1])] == [1]
    assert sorted(bar[1:] for bar in bars(trace)) == [(0, 3, "cancelled"), (0, 3, "cancelled"), (3, 3, "ok")]


def test_a_process_gets_copies_and_sends_copies_back():
    given = [1]

    def change(item):
        item.append(2)
        given.append("changed")
        return item

    (outcome,), _, _ = run("process", change, [given])
    assert given == [1]
    assert outcome.value == [1, 2]
    assert outcome.value is not given


def test_each_process_has_globals_of_its_own_in_what_travels_by_value():
    counter = {"value": 0}

    def count(_):
        counter["value"] += 1
        sleep(1)
        return counter["value"]

    outcomes, _, _ = run("process", count, range(4), 2)
    assert [outcome.value for outcome in outcomes] == [1, 1, 2, 2]
    assert counter["value"] == 0


city = contextvars.ContextVar("city")


def test_context_variables_reach_a_process_as_copies_if_they_can_travel():
    def seen(_):
        city.get()["name"] = "changed"
        return city.get()["name"], lock.get("none")

    lock = contextvars.ContextVar("lock")
    city.set(given := {"name": "Oslo"})
    lock.set(threading.Lock())
    outcomes, _, _ = run("process", seen, [1])
    assert outcomes[0].value == ("changed", "none")
    assert given == {"name": "Oslo"}


def give_back(item):
    return threading.Lock() if item == 1 else item


def test_what_cannot_be_sent_back_costs_that_item_and_is_not_tried_again():
    policy = RetryPolicy(3)
    outcomes, trace, _ = run("process", give_back, range(3), on_error="collect", retry=policy, fallback=max)
    assert [outcome.status for outcome in outcomes] == ["ok", "error", "ok"]
    assert outcomes[1].attempts == 1
    assert "item 1 of 'give_back' returned a value that cannot be sent back" in str(outcomes[1].error)
    assert [s.status for s in sorted(trace, key=lambda s: s.index)] == ["ok", "error", "ok"]


def test_what_cannot_be_sent_costs_that_item():
    outcomes, _, _ = run("process", str, [1, threading.Lock()], on_error="collect")
    assert outcomes[0].value == "1"
    assert "item 1 of 'str' cannot be sent to a worker process" in str(outcomes[1].error)


class Unloadable:
    def __reduce__(self):
        return _fail_to_load, ()


def _fail_to_load():
    raise ValueError("no such thing here")


def test_an_item_or_function_that_cannot_be_loaded_is_told():
    outcomes, _, _ = run("process", str, [Unloadable()], on_error="collect")
    assert "item 0 of 'str' could not be loaded in the worker process" in str(outcomes[0].error)
    unloadable = Unloadable()
    with pytest.raises(BranchError, match="the function of 'Check' could not be loaded in a worker process"):
        run("process", lambda _: unloadable, [1], owner="Check")


def test_a_function_that_cannot_be_sent_is_told_before_anything_starts():
    lock = kv.Lock()
    with pytest.raises(BranchError, match="'Check' cannot be sent to a worker process: TypeError: a lock cannot be"):
        run("process", lambda _: lock, [1], owner="Check")


@pytest.mark.parametrize("inner_kind", SHARING)
def test_a_killed_process_takes_along_all_that_it_has_started(inner_kind):
    def inner(_):
        with span("inside"):
            sleep(10)

    async def inner_async(_):
        with span("inside"):
            await sleep_async(10)

    def outer(_):
        with get_executor(inner_kind, 2) as executor:
            list(executor.imap(inner_async if inner_kind == "async" else inner, range(4)))

    with record(clock="virtual") as trace, get_executor("process", 2) as executor:
        outcomes = list(executor.imap(outer, range(2), timeout=3, on_error="collect", name="outer"))
        sleep(100)
    assert [outcome.status for outcome in outcomes] == ["timeout"] * 2
    assert {s.status for s in trace.where(name="outer")} == {"timeout"}
    inside = [s for s in trace if s.name != "outer"]
    assert {(s.status, s.ended_ns) for s in inside} == {("cancelled", 3 * S)}
    assert len(inside) == (4 if inner_kind == "serial" else 8)
    trace.validate()


@pytest.mark.leaves_threads
def test_a_process_that_swallows_everything_is_killed_all_the_same():
    def swallow(_):
        while True:
            with suppress(BaseException):
                sleep(10)

    outcomes, _, over_s = run("process", swallow, range(2), timeout=1, on_error="collect")
    assert ([outcome.status for outcome in outcomes], over_s) == (["timeout"] * 2, 1)


@pytest.mark.parametrize("kind", ["process", "dask"])
def test_the_bar_of_a_killed_process_whose_code_goes_on_ends_once(kind):
    def go_on(_):
        with suppress(BaseException):
            sleep(9)
        return "not heard any more"

    with record(clock="virtual") as trace, get_executor(kind, 1) as executor:
        (outcome,) = executor.imap(go_on, [1], timeout=1, on_error="collect")
    assert outcome.status == "timeout"
    assert [(each.status, each.service_s) for each in trace.validate().where(kind="branch")] == [("timeout", 1.0)]


def test_processes_draw_from_the_seeded_module_random():
    def drawn(seed):
        return [outcome.value for outcome in run("process", lambda _: random.random(), range(3), clock=seed)[0]]

    assert drawn(VirtualClock(1)) == drawn(VirtualClock(1)) != drawn(VirtualClock(2))
