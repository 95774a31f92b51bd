"""Simulated processes: what they cost and copy, and that they are killed in time with all that they have started."""

from __future__ import annotations

import contextvars
import random
import threading
from contextlib import suppress

import pytest

import kaygraph_viz as kv
from kaygraph_viz.clock import sleep, sleep_async
from kaygraph_viz.errors import BranchError, CallCancelled, DeadlineExceeded
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.virtual.clock import VirtualClock
from tests.execute.local.simulated_helpers import S, bars, now_s, run

SHARING = ["serial", "thread", "async"]
KILLING = ["process", "dask"]


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
        timer = kv.sync.threads().Timer(3, token.cancel)
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
