"""Data enrichment: right facts, the same for any number of workers; a bad source costs only its own facts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise

import pytest
from starlette.responses import JSONResponse

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.patterns.enrichment import EnrichedRecord, ParallelEnrichmentNode, enrichment_graph
from kaygraph_viz.course.patterns.sources import SourceResult, Sources, customer_sources
from kaygraph_viz.course.services.datasets import load_customers, load_profiles
from kaygraph_viz.course.services.endpoints import ServiceSettings, location
from kaygraph_viz.course.services.server import serve
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

CUSTOMERS = load_customers()
SOME, MANY = CUSTOMERS[::100], CUSTOMERS[2::4]
FOUR = ("profile", "location", "social", "company")
FIVE = (*FOUR, "verify")
AT_ONCE = ServiceSettings(latency_s=0)
GUARD_S = 30.0  # against a test that hangs; never waited for


def run(sources, records, **options):
    shared = {"records": records}
    enrichment_graph(sources, **options).run(shared)
    return shared


def enriched(settings, records, *, limits=None, source_s=GUARD_S, deadline_s=GUARD_S, **options):
    """Serve, enrich, and return the enriched records and the log of the server."""
    with serve(settings) as server, customer_sources(server.base_url, deadline_s=source_s, limits=limits) as sources:
        shared = run(sources, records, deadline_s=deadline_s, **options)
    return shared["enriched_records"], server.requests


def virtual(settings, records, *, seed=0, **options):
    with record(clock="virtual", seed=seed) as trace:
        found, log = enriched(settings, records, **options)
    return found, log, trace.validate()


def statuses(one):
    return {name: result.status for name, result in one.results.items()}


@pytest.fixture(scope="module")
def everything():
    """Every fourth customer, asked about in simulated time."""
    with record(clock="virtual"), serve() as server, customer_sources(server.base_url) as sources:
        return run(sources, MANY, max_workers=50, executor="async")


@pytest.fixture(scope="module")
def one_by_one():
    return enriched(AT_ONCE, SOME, executor="serial")[0]


# -- customers against the tables ---------------------------------------------------------------------------------


def test_profiles_are_those_of_the_table(everything):
    profiles = load_profiles()
    for customer, one in zip(MANY, everything["enriched_records"], strict=True):
        known, result = profiles.get(customer["customer_id"]), one.results["profile"]
        assert result.status == ("not found" if known is None else "ok")
        if known is not None:
            assert (result.value.plan, result.value.points, result.value.interests) == (
                known.plan,
                known.points,
                known.interests,
            )


def test_locations_are_those_of_the_table_or_not_asked_for(everything):
    for customer, one in zip(MANY, everything["enriched_records"], strict=True):
        result = one.results["location"]
        if result.status == "not asked":
            assert not (customer["city"].strip() and customer["country"].strip())
            continue
        expected = location(customer["city"], customer["country"])
        assert result.status == ("not found" if expected is None else "ok")
        assert expected is None or result.value.population == expected["population"]


def test_there_is_one_enriched_record_for_each_in_their_order(everything):
    assert [one.record for one in everything["enriched_records"]] == MANY
    assert all(tuple(one.results) == FOUR for one in everything["enriched_records"])


def test_summary_adds_up(everything):
    summary, records = everything["enrichment_summary"], everything["enriched_records"]
    assert summary["records"] == len(MANY)
    assert sum(summary["statuses"].values()) == 4 * len(MANY)
    assert summary["complete"] == sum(one.enrichment_rate == 1 for one in records)
    assert summary["enrichment_rate"] == pytest.approx(sum(one.enrichment_rate for one in records) / len(records))
    assert summary["work_s"] == pytest.approx(sum(one.service_s for rec in records for one in rec.results.values()))
    assert summary["mean_concurrency"] == pytest.approx(summary["work_s"] / summary["makespan_s"])


# -- parallel -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("executor", ["thread", "async"])
def test_results_are_those_of_the_serial_run_for_any_number_of_workers(one_by_one, executor, workers):
    assert enriched(AT_ONCE, SOME, max_workers=workers, executor=executor)[0] == one_by_one


@pytest.mark.parametrize("executor", ["process", "dask"])
def test_results_are_those_of_the_serial_run_in_other_processes(one_by_one, executor):
    if executor == "dask":
        pytest.importorskip("distributed")
    assert enriched(AT_ONCE, SOME, max_workers=2, executor=executor)[0] == one_by_one


@pytest.mark.parametrize("executor", ["thread", "async", "process"])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_faults_that_depend_on_the_question_give_the_same_results_everywhere(executor, workers):
    faults = ServiceSettings(seed=3, failure_rate=0.4, drop_rate=0.1, cut_rate=0.2, hang_rate=0.05)
    serial, _, _ = virtual(faults, SOME, executor="serial", source_s=5)
    found, _, _ = virtual(faults, SOME, executor=executor, max_workers=workers, source_s=5)
    assert found == serial
    assert len({status for one in found for status in statuses(one).values()}) >= 4


def test_graph_of_coroutines_can_be_awaited(one_by_one):
    async def main(sources):
        shared = {"records": SOME}
        await enrichment_graph(sources, max_workers=3, executor="async").run_async(shared)
        return shared["enriched_records"]

    with serve(AT_ONCE) as server, customer_sources(server.base_url, deadline_s=GUARD_S) as sources:
        assert asyncio.run(main(sources)) == one_by_one


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_four_sources_of_one_record_are_asked_at_once(executor):
    waiting, all_there = [], asyncio.Event()

    async def answers_when_four_have_asked(scope, receive, send):
        waiting.append(scope["path"])
        if len(waiting) == 4:
            all_there.set()
        await asyncio.wait_for(all_there.wait(), GUARD_S)
        await JSONResponse({"error": "nothing is known"}, 404)(scope, receive, send)

    with serve(app=answers_when_four_have_asked) as server:
        with customer_sources(server.base_url, deadline_s=GUARD_S) as sources:
            (one,) = run(sources, SOME[:1], executor=executor, deadline_s=GUARD_S)["enriched_records"]
    assert set(statuses(one).values()) == {"not found"}


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_record_waits_only_for_its_slowest_source(executor):
    _, _, trace = virtual(None, CUSTOMERS[2:8], max_workers=1, executor=executor)
    nodes = [span for span in trace.where(kind="node") if span.name.startswith("C0")]
    sources = defaultdict(list)
    for span in trace.where(kind="branch"):
        if span.name in FOUR:
            sources[span.parent_id].append(span)
    assert len(nodes) == 6
    for node in nodes:
        assert {span.started_ns for span in sources[node.span_id]} == {node.started_ns}
        assert max(span.ended_ns for span in sources[node.span_id]) == node.ended_ns
    assert [after.started_ns for after in nodes[1:]] == [before.ended_ns for before in nodes[:-1]]


@pytest.mark.parametrize("executor", ["serial", "thread", "async", "process"])
def test_all_runs_in_simulated_time_leave_the_same_trace_to_the_byte(executor, tmp_path, repetitions):
    faults = {"social": ServiceSettings(failure_rate=0.3, hang_rate=0.1), "company": ServiceSettings(rate_limit=5)}
    files = set()
    for number in repetitions:
        _, _, trace = virtual(faults, CUSTOMERS[:6], max_workers=3, executor=executor, source_s=1, deadline_s=2)
        files.add(trace.save(tmp_path / f"{number}.jsonl").read_bytes())
    assert len(files) == 1


# -- five sources with five faults --------------------------------------------------------------------------------

FAULTS = {
    "location": ServiceSettings(hang_rate=1),
    "social": ServiceSettings(latency_s=0.01, fail_first=1, failure_status=500),
    "company": ServiceSettings(latency_s=0.01, rate_limit=1),
    "verify": ServiceSettings(latency_s=0.01, cut_rate=1),
}
DEADLINES_S = {"location": 0.3}


@contextmanager
def five_bad_sources(limits=None):
    """Yield a server and five sources: one refuses, one hangs, one fails once, one is over its rate, one breaks off."""
    with serve(FAULTS) as server:
        with serve() as gone:
            nowhere = gone.url("/profile")
        good = customer_sources(server.base_url, FIVE, deadline_s=3, limits=limits)
        bad = (replace(one, url=nowhere) if one.name == "profile" else one for one in good)
        with Sources(replace(one, deadline_s=DEADLINES_S.get(one.name, 3)) for one in bad) as sources:
            with server.client() as another:
                another.get("/company?customer_id=C00001")  # uses up the one call of this second
            yield server, sources


@pytest.mark.parametrize("world", [nullcontext, lambda: record(clock="virtual")], ids=["real", "virtual"])
@pytest.mark.parametrize("executor", ["thread", "async"])
def test_one_record_of_five_bad_sources_is_partial_with_a_typed_outcome_for_each(executor, world):
    with world(), five_bad_sources() as (server, sources):
        began_ns = current_clock().now_ns()
        (one,) = run(sources, CUSTOMERS[2:3], executor=executor, deadline_s=5)["enriched_records"]
        took_s = (current_clock().now_ns() - began_ns) / 1e9
    assert statuses(one) == {
        "profile": "refused",
        "location": "timeout",
        "social": "ok",
        "company": "ok",
        "verify": "broken answer",
    }
    assert {name: result.attempts for name, result in one.results.items()} == dict(
        zip(FIVE, (3, 1, 2, 2, 3), strict=True)
    )
    assert one.enrichment_rate == pytest.approx(0.4)
    assert set(one.facts) == {"social", "company"}
    assert all(one.results[name].error for name in ("profile", "location", "verify"))
    assert took_s < 5
    refused, served = [request for request in server.requests if request.path == "/company"][1:]
    assert (refused.status, served.status) == (429, 200)
    assert served.received_ns - refused.received_ns >= 1_000_000_000  # Retry-After: 1


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_source_is_never_called_above_its_limit_nor_refuses_a_call(executor):
    limits = {"company": RateLimit(per_second=2)}
    settings = {"company": ServiceSettings(latency_s=0.01, rate_limit=2)}
    found, log, _ = virtual(settings, CUSTOMERS[:7], max_workers=7, executor=executor, limits=limits)
    received = [request.received_ns for request in log if request.path == "/company"]
    assert len(received) == 7
    assert all(third - first >= 1_000_000_000 for first, third in zip(received, received[2:], strict=False))
    assert 429 not in {request.status for request in log}
    assert all(one.enrichment_rate == 1 for one in found)


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_no_record_calls_a_source_before_the_time_that_it_asked_another_one_to_wait(executor):
    settings = {"company": ServiceSettings(latency_s=0.01, rate_limit=1)}
    found, log, _ = virtual(settings, CUSTOMERS[:4], max_workers=2, executor=executor)
    calls = [request for request in log if request.path == "/company"]
    for before, after in pairwise(calls):
        simultaneous = after.received_ns == before.received_ns  # neither could know
        assert simultaneous or before.status != 429 or after.received_ns - before.received_ns >= 1_000_000_000
    assert {one.results["company"].answered for one in found} == {True}


# -- deadlines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_record_goes_on_at_its_deadline_with_what_is_there(executor):
    settings = {"social": ServiceSettings(latency_s=3, latency_spread=0), "company": ServiceSettings(hang_rate=1)}
    (one,), _, trace = virtual(settings, CUSTOMERS[2:3], executor=executor, deadline_s=1.5)
    assert statuses(one) == {"profile": "ok", "location": "ok", "social": "timeout", "company": "timeout"}
    assert trace.makespan_s == 1.5


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_source_has_its_own_deadline_within_that_of_the_record(executor):
    settings = {"social": ServiceSettings(hang_rate=1)}
    (one,), _, trace = virtual(settings, CUSTOMERS[2:3], executor=executor, source_s=0.5, deadline_s=1.5)
    assert statuses(one)["social"] == "timeout"
    assert trace.makespan_s == 0.5


def test_deadline_is_for_all_attempts_and_the_waits_between_them_together():
    settings = ServiceSettings(latency_s=0.2, latency_spread=0, cut_rate=1)
    (one,), log, trace = virtual(settings, CUSTOMERS[2:3], attempts=50, deadline_s=0.9)
    assert trace.makespan_s == pytest.approx(3 * 0.2 + 0.05 + 0.1)
    assert set(statuses(one).values()) == {"broken answer"}
    assert {result.attempts for result in one.results.values()} == {3}  # the wait before the fourth would end too late
    assert len(log) == 12


def test_sources_one_after_the_other_share_the_time_of_the_record():
    settings = {"location": ServiceSettings(hang_rate=1)}
    (one,), log, trace = virtual(settings, CUSTOMERS[2:3], executor="serial", source_s=2, deadline_s=1)
    assert statuses(one) == {"profile": "ok", "location": "timeout", "social": "timeout", "company": "timeout"}
    assert [request.path for request in log] == ["/profile", "/location"]
    assert trace.makespan_s == 1


# -- one bad source, record or worker -----------------------------------------------------------------------------


def test_record_that_lacks_a_field_is_asked_about_with_the_others():
    (one,), log, _ = virtual(None, [CUSTOMERS[2] | {"city": ""}])
    assert statuses(one) == {"profile": "ok", "location": "not asked", "social": "ok", "company": "ok"}
    assert one.results["location"].attempts == 0
    assert "/location" not in {request.path for request in log}
    assert one.enrichment_rate == 0.75


@pytest.mark.parametrize("executor", ["thread", "async"])
@pytest.mark.parametrize("broken", [None, "C00003", 7, {}, {"customer_id": 3}])
def test_record_that_is_none_does_not_touch_the_others(broken, executor):
    found, _, _ = virtual(None, [CUSTOMERS[2], broken, CUSTOMERS[3]], max_workers=3, executor=executor)
    assert [one.enrichment_rate for one in found] == [1.0, 0.0, 1.0]
    assert set(statuses(found[1]).values()) == {"not asked"}


class KillsItsWorker(ParallelEnrichmentNode):
    def exec(self, prep_res):
        if prep_res["customer_id"] == "C00004":
            os._exit(3)
        return super().exec(prep_res)


@pytest.mark.processes
def test_all_sources_of_a_record_whose_worker_is_lost_are_unavailable():
    with serve(AT_ONCE) as server, customer_sources(server.base_url, deadline_s=GUARD_S) as sources:
        node = KillsItsWorker(sources, 2, "process", deadline_s=GUARD_S)
        node.run(shared := {"records": CUSTOMERS[2:5]})
    lost = shared["source_results"][1]
    assert [result.status for result in lost] == ["unavailable"] * 4
    assert all("ended with exit code 3" in result.error for result in lost)
    assert all(result.answered for results in shared["source_results"][::2] for result in results)


# -- confidence ---------------------------------------------------------------------------------------------------


def made(*answers, agreements=()):
    results = {f"source {n}": SourceResult(f"source {n}", status) for n, status in enumerate(answers)}
    return EnrichedRecord({}, results, dict(enumerate(agreements)))


@pytest.mark.parametrize(
    ("answers", "agreements", "rate", "confidence"),
    [
        (("ok", "ok"), (True, True), 1, 1),
        (("ok", "not found"), (), 1, 1),
        (("ok", "timeout"), (True,), 0.5, 0.5),
        (("ok", "ok", "ok", "not asked"), (True, False), 0.75, 0.375),
        (("ok", "ok"), (False,), 1, 0),
        (("refused",), (), 0, 0),
        ((), (), 0, 0),
    ],
)
def test_confidence_is_the_rate_times_the_share_that_agrees(answers, agreements, rate, confidence):
    one = made(*answers, agreements=agreements)
    assert (one.enrichment_rate, one.confidence) == (rate, confidence)


# -- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"deadline_s": 0}, "deadline_s"), ({"deadline_s": True}, "deadline_s"), ({"attempts": 0}, "attempts"),
        ({"max_workers": 0}, "max_workers"), ({"executor": "async", "max_workers": 0}, "max_workers"),
        ({"executor": "fork"}, "executor"),
    ],
)  # fmt: skip
def test_option_out_of_its_range_is_refused(options, name):
    with pytest.raises(OptionError, match=f"^{name} must be"):
        enrichment_graph(customer_sources("http://127.0.0.1:1"), **options)


def test_sources_that_are_none_are_refused():
    with pytest.raises(OptionError, match="sources must be a Sources object"):
        enrichment_graph(["profile"])


@pytest.mark.parametrize("executor", ["process", "dask"])
def test_limit_that_processes_cannot_share_is_refused(executor):
    sources = customer_sources("http://127.0.0.1:1", limits={"social": RateLimit(5)})
    with pytest.raises(OptionError, match="rate limit"):
        enrichment_graph(sources, executor=executor)


def test_plain_node_refuses_to_run_as_coroutines():
    with pytest.raises(OptionError, match="AsyncParallelEnrichmentNode"):
        ParallelEnrichmentNode(customer_sources("http://127.0.0.1:1"), executor=get_executor("async"))


def test_thread_that_even_ignores_its_connection_is_given_up(monkeypatch):
    end = threading.Event()

    def never(_sources, _question):
        end.wait(GUARD_S)

    monkeypatch.setattr(Sources, "ask", never)
    try:
        with customer_sources("http://127.0.0.1:1") as sources:
            (one,) = run(sources, SOME[:1], deadline_s=0.05)["enriched_records"]
    finally:
        end.set()
    assert set(statuses(one).values()) == {"timeout"}
