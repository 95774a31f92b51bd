"""Each way of coordination on the local services: its answers, its trace, and the log of the services."""

from __future__ import annotations

import asyncio

import pytest

from kaygraph_viz.errors import DataError, OptionError
from kaygraph_viz.execute.rate_limit import RateLimit
from kaygraph_viz.patterns import coordination_examples
from kaygraph_viz.patterns.coordination_examples import FAN_OUT, WAYS, coordination_graph
from kaygraph_viz.recording import record
from kaygraph_viz.services.datasets import load_profiles
from kaygraph_viz.services.endpoints import company, profile, social
from kaygraph_viz.services.server import serve
from kaygraph_viz.services.settings import ServiceSettings

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
    monkeypatch.setattr(coordination_examples, "RateLimit", lambda _: RateLimit(1000))
    assert looked_up(way, clock=clock)[0] == FOLLOWERS


def test_answers_as_they_are_completed_are_the_same_in_another_order():
    answers, _, _ = looked_up("as completed")
    assert answers != FOLLOWERS
    assert sorted(answers) == sorted(FOLLOWERS)


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
