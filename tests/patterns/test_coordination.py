"""Coordination of coroutines: its laws in simulated time, and each way on the local services."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.clock.clock import current_clock, sleep_async
from kaygraph_viz.course.patterns import coordination
from kaygraph_viz.course.patterns.coordination import (
    FAN_OUT,
    WAYS,
    as_completed,
    coordination_graph,
    first_wins,
    gather,
    rate_limited,
    until_deadline,
    until_enough,
    with_semaphore,
)
from kaygraph_viz.course.services.datasets import load_profiles
from kaygraph_viz.course.services.endpoints import ServiceSettings, company, profile, social
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.recording import record

# == coordination ===================================================================================================


durations = st.lists(st.integers(1, 50), min_size=1, max_size=12)


async def ask(seconds):
    await sleep_async(seconds)
    return seconds


async def fail_after(seconds):
    await sleep_async(abs(seconds))
    if seconds < 0:
        raise ConnectionError(seconds)
    return seconds


def simulated(make):
    """Run a coroutine in simulated time; return what it returned or raised, and the trace."""
    with record(clock="virtual") as trace:
        try:
            result = asyncio.run(make())
        except Exception as error:
            result = error
    return result, trace.validate()


def ends(trace):
    return {span.name: (span.status, span.ended_ns / 1e9) for span in trace.where(kind="branch")}


# -- gather, semaphore, rate limit --------------------------------------------------------------------------------


@given(durations)
def test_gather_takes_as_long_as_the_slowest_and_keeps_the_order(seconds):
    answers, trace = simulated(lambda: gather(ask, seconds))
    assert answers == seconds
    assert trace.makespan_s == max(seconds)


def test_first_error_of_a_gather_cancels_the_others_at_once():
    error, trace = simulated(lambda: gather(fail_after, [3, -1, 2]))
    assert isinstance(error, ConnectionError)
    assert ends(trace) == {"3": ("cancelled", 1.0), "-1": ("error", 1.0), "2": ("cancelled", 1.0)}


@given(durations, st.integers(1, 15))
def test_semaphore_bounds_the_branches_in_progress_and_leaves_no_slot_empty(seconds, in_flight):
    running, most = 0, 0

    async def count(one):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await sleep_async(one)
        running -= 1
        return one

    answers, trace = simulated(lambda: with_semaphore(in_flight, count, seconds))
    assert answers == seconds
    assert most == min(in_flight, len(seconds))
    assert sum(seconds) / in_flight <= trace.makespan_s <= sum(seconds) / in_flight + max(seconds)  # Graham 1969


@given(st.integers(1, 5), st.integers(1, 20))
def test_rate_limited_calls_begin_no_more_often_than_the_limit_allows(per_second, count):
    begun = []

    async def note(number):
        begun.append(current_clock().now_ns())
        return number

    answers, _ = simulated(lambda: rate_limited(RateLimit(per_second), note, range(count)))
    assert answers == list(range(count))
    assert all(b - a >= 1_000_000_000 for a, b in zip(begun, begun[per_second:], strict=False))
    assert begun[-1] == (count - 1) // per_second * 1_000_000_000  # and no slower


# -- as completed, enough, deadline -------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12, unique=True))
def test_outcomes_come_as_they_are_completed(seconds):
    async def main():
        return [outcome.value async for outcome in as_completed(ask, seconds)]

    assert simulated(main)[0] == sorted(seconds)


def test_leaving_early_cancels_the_rest():
    async def main():
        async with aclosing(as_completed(ask, [3, 1, 2])) as outcomes:
            return (await anext(outcomes)).value

    answer, trace = simulated(main)
    assert (answer, trace.makespan_s) == (1, 1.0)
    assert ends(trace) == {"3": ("cancelled", 1.0), "1": ("ok", 1.0), "2": ("cancelled", 1.0)}


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12, unique=True), st.integers(1, 15))
def test_enough_answers_are_the_quickest_ones(seconds, enough):
    answers, trace = simulated(lambda: until_enough(enough, ask, seconds))
    assert answers == sorted(seconds)[:enough]
    assert trace.makespan_s == answers[-1]


@given(durations, st.integers(1, 50))
def test_deadline_keeps_what_is_there_and_cancels_the_rest(seconds, deadline_s):
    outcomes, trace = simulated(lambda: until_deadline(deadline_s + 0.5, ask, seconds))
    assert sorted(outcomes.values) == sorted(one for one in seconds if one <= deadline_s)
    assert trace.makespan_s == min(max(seconds), deadline_s + 0.5)


# -- first wins ---------------------------------------------------------------------------------------------------


@given(durations)
def test_quickest_mirror_wins(seconds):
    answer, trace = simulated(lambda: first_wins(ask, seconds))
    assert answer == trace.makespan_s == min(seconds)


def test_loser_is_cancelled_and_has_cleaned_up_before_the_winner_is_returned():
    done = []

    async def clean_up_slowly(seconds):
        try:
            return await ask(seconds)
        finally:
            if seconds > 1:
                await sleep_async(0.25)
            done.append(seconds)

    async def main():
        return await first_wins(clean_up_slowly, [3, 1]), list(done), current_clock().now_ns() / 1e9

    (answer, done_by_then, now_s), trace = simulated(main)
    assert (answer, done_by_then, now_s) == (1, [1, 3], 1.25)
    assert {span.name: span.status for span in trace if span.name in ("mirror 1", "mirror 2")} == {
        "mirror 1": "cancelled",
        "mirror 2": "ok",
    }


@pytest.mark.parametrize(
    ("seconds", "asked", "took_s"),
    [([0.5, 9, 9], [0.5], 0.5), ([9, 0.2, 9], [9, 0.2], 1.2), ([9, 9, 0.1], [9, 9, 0.1], 2.1)],
)
def test_next_mirror_is_only_asked_when_those_before_it_are_slow(seconds, asked, took_s):
    begun = []

    async def note(one):
        begun.append(one)
        return await ask(one)

    _, trace = simulated(lambda: first_wins(note, seconds, hedge_s=1))
    assert begun == asked
    assert trace.makespan_s == pytest.approx(took_s)


def test_all_mirrors_failing_is_an_error_with_all_their_errors():
    error, _ = simulated(lambda: first_wins(fail_after, [-2, -1]))
    assert isinstance(error, ExceptionGroup)
    assert [str(one) for one in error.exceptions] == ["-1", "-2"]


# -- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: with_semaphore(0, ask, [1]), "in_flight"), (lambda: with_semaphore(True, ask, [1]), "in_flight"),
        (lambda: until_enough(0, ask, [1]), "enough"), (lambda: until_deadline(-1, ask, [1]), "seconds"),
        (lambda: first_wins(ask, []), "mirrors"), (lambda: first_wins(ask, [1], hedge_s=-1), "hedge_s"),
        (lambda: gather(None, [1]), "fn"),
    ],
)  # fmt: skip
def test_option_out_of_its_range_is_refused(call, name):
    error, _ = simulated(call)
    assert isinstance(error, OptionError)
    assert str(error).startswith(f"{name} must be")


# == coordination examples ==========================================================================================


CUSTOMERS = list(load_profiles())[2:8]
FOLLOWERS = [(number, social(number)["followers"]) for number in CUSTOMERS]


def looked_up(way, settings=None, *, clock="virtual", customers=CUSTOMERS):
    with record(clock=clock) as trace, serve(settings) as near, serve({"social": ServiceSettings(seed=1)}) as far:
        shared = {"customer_ids": customers}
        coordination_graph(way, [near.base_url, far.base_url]).run(shared)
    return shared["answers"], trace.validate(), (near.requests, far.requests)


@pytest.mark.parametrize("way", ["gather", "semaphore", "rate limit", "first wins"])
@pytest.mark.parametrize("clock", ["virtual", None])
def test_way_that_waits_for_all_gives_all_answers_in_order(way, clock, monkeypatch):
    monkeypatch.setattr(coordination.kv, "RateLimit", lambda _: RateLimit(1000))
    assert looked_up(way, clock=clock)[0] == FOLLOWERS


@pytest.mark.parametrize(("way", "count"), [("deadline", 3), ("cancellation", 3)])
def test_way_that_cancels_gives_some_right_answers_and_says_what_was_cancelled(way, count):
    answers, trace, _ = looked_up(way)
    assert len(answers) == count
    assert set(answers) < set(FOLLOWERS)
    cancelled = [span.name for span in trace.where(kind="branch") if span.status == "cancelled"]
    assert sorted(cancelled + [customer for customer, _ in answers]) == CUSTOMERS


def test_second_mirror_is_asked_only_for_slow_customers_and_one_of_both_is_cancelled():
    _, trace, (near, far) = looked_up("first wins")
    assert len(near) == len(CUSTOMERS)
    assert 0 < len(far) < len(CUSTOMERS)
    mirrors = [span for span in trace.where(kind="branch") if span.name in ("mirror 1", "mirror 2")]
    assert sum(span.status == "ok" for span in mirrors) == len(CUSTOMERS)
    assert sum(span.status == "cancelled" for span in mirrors) == len(far)
    assert sum(request.answered_ns is None for request in (*near, *far)) == len(far)  # the losers are not awaited
    assert [span.name for span in trace.where(kind="node")] == ["first wins", *CUSTOMERS]


def test_semaphore_shows_in_the_log_of_the_service():
    _, _, (near, _) = looked_up("semaphore")
    changes = sorted(change for one in near for change in ((one.received_ns, 1), (one.answered_ns, -1)))
    in_progress = 0
    for _, change in changes:
        in_progress += change
        assert in_progress <= 3


def test_rate_limit_shows_in_the_log_of_the_service():
    _, trace, (near, _) = looked_up("rate limit")
    received = [request.received_ns for request in near]
    assert all(b - a >= 1_000_000_000 for a, b in zip(received, received[4:], strict=False))
    assert sum(span.blocked_ns > 0 for span in trace.where(kind="branch")) == 2


def test_fan_out_of_plain_and_asynchronous_nodes_comes_together():
    answers, trace, (near, _) = looked_up(FAN_OUT)
    first = CUSTOMERS[0]
    assert dict(answers) == {
        "plan": profile(first)["plan"],
        "industry": company(customer_id=first)["industry"],
        "language": profile(first)["language"],
        "followers": social(first)["followers"],
    }
    branches = trace.where(kind="branch")
    assert {span.started_ns for span in branches} == {0}
    (join,) = (span for span in trace.where(kind="node") if span.name == "JoinNode")
    assert join.started_ns == max(span.ended_ns for span in branches)
    assert len(near) == 4


def test_service_that_fails_is_an_error_of_the_node():
    with pytest.raises(Exception, match="503") as caught:
        looked_up("gather", ServiceSettings(failure_rate=1))
    assert any("in exec of node 'gather'" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("way", [*WAYS, FAN_OUT])
def test_all_runs_in_simulated_time_leave_the_same_trace_to_the_byte(way, tmp_path, repetitions):
    files = {looked_up(way)[1].save(tmp_path / f"{number}.jsonl").read_bytes() for number in repetitions}
    assert len(files) == 1


@pytest.mark.parametrize("way", [*WAYS, FAN_OUT])
def test_graph_can_be_awaited(way):
    async def main():
        with serve() as server:
            shared = {"customer_ids": CUSTOMERS}
            await coordination_graph(way, [server.base_url]).run_async(shared)
        return shared["answers"]

    with record(clock="virtual"):
        awaited = asyncio.run(main())
    assert awaited == looked_up(way)[0]


@pytest.mark.parametrize(
    ("way", "mirrors"), [("magic", ["http://127.0.0.1:1"]), ("gather", []), ("gather", "http://x")]
)
def test_graph_that_cannot_run_is_refused(way, mirrors):
    with pytest.raises(OptionError, match=r"(way|mirrors) must be"):
        coordination_graph(way, mirrors)


@pytest.mark.parametrize("customers", [None, [], "C00003"])
def test_customers_that_are_no_list_are_a_clear_error(customers):
    with pytest.raises(DataError, match="customer_ids"):
        coordination_graph("gather", ["http://127.0.0.1:1"]).run({"customer_ids": customers})
