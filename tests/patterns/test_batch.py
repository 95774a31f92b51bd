"""Batch processing: equal totals on every executor, errors of single orders, the load under each schedule."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from kaygraph_viz.analysis.per_worker import per_worker
from kaygraph_viz.clock import sleep
from kaygraph_viz.errors import DataError, ServiceUnavailable
from kaygraph_viz.execute.core.retries import attempt_number
from kaygraph_viz.execute.core.schedules import SCHEDULES, edges
from kaygraph_viz.execute.registry import KINDS
from kaygraph_viz.patterns.batch import (
    FailedOrder,
    OrdersComparison,
    batch_graph,
    compare_with_key,
    sample_orders,
)
from kaygraph_viz.patterns.pricing import price_order
from kaygraph_viz.recording import record
from kaygraph_viz.services.datasets import Order, OrderFault, load_orders, load_orders_key
from tests.list_schedule import list_schedule

NET_OF_GOOD_CENTS = 891_398_411  # the sum of `total_cents` of the 9,973 good orders, from data/README.md
SAMPLE, KEY = sample_orders(), load_orders_key()
COSTS_MS = [round(1000 * order.cost_s) for order in SAMPLE]
CHEAP = [order for order in SAMPLE if order.cost_s < 0.005 or order.order_id in KEY]  # 0.1 s of computing
TIMES = {"work_s", "makespan_s", "mean_concurrency", "orders_per_s"}


def run(orders=SAMPLE, **options):
    batch_graph(**options).run(shared := {"orders": orders})
    return shared


def simulated(orders=SAMPLE, **options):
    """Run orders in simulated time; return what is left, and the trace."""
    with record(clock="virtual", seed=0) as trace:
        return run(orders, **options), trace


def results(shared):
    """Return what must not depend on how a batch is run."""
    facts = {key: value for key, value in shared["batch_summary"].items() if key not in TIMES}
    return shared["priced_orders"], shared["failed_orders"], facts


@pytest.fixture(scope="module")
def serial():
    return results(simulated(executor="serial")[0])


def ends_ms(trace):
    return [round(1000 * load.ended_s) for load in per_worker(trace)]


# -- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    ["dynamic", *(pytest.param(name, marks=pytest.mark.thorough) for name in SCHEDULES if name != "dynamic")],
)
def test_all_orders_agree_with_the_answer_key(schedule):
    orders = load_orders()
    shared, _ = simulated(orders, max_workers=8, schedule=schedule, metrics=False)
    summary = shared["batch_summary"]
    assert (summary["orders"], summary["priced"], summary["failed"]) == (10_000, 9_973, 27)
    assert summary["net_cents"] == NET_OF_GOOD_CENTS
    assert [order.order_id for order in shared["priced_orders"]] == [
        o.order_id for o in orders if o.order_id not in KEY
    ]
    assert {order.order_id: order.field for order in shared["failed_orders"]} == {n: f.field for n, f in KEY.items()}
    assert all(orders[failed.position].order_id == failed.order_id for failed in shared["failed_orders"])


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_results_are_those_of_the_serial_run(serial, kind, workers, schedule):
    assert results(simulated(max_workers=workers, executor=kind, schedule=schedule)[0]) == serial


@pytest.mark.parametrize("kind", ["thread", "process", "async", "dask"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_results_of_real_workers_are_those_of_the_serial_run(kind, schedule):
    expected = results(simulated(CHEAP, executor="serial")[0])
    assert (len(expected[0]), len(expected[1])) == (len(CHEAP) - 1, 1)
    assert results(run(CHEAP, max_workers=2, executor=kind, schedule=schedule)) == expected


def test_the_summary_adds_up(serial):
    priced, failed, facts = serial
    assert facts["net_cents"] == sum(order.total_cents for order in SAMPLE if order.order_id not in KEY)
    assert facts["gross_cents"] == facts["net_cents"] + facts["tax_cents"] == sum(order.gross_cents for order in priced)
    assert sum(facts["gross_cents_by_country"].values()) == facts["gross_cents"]
    assert (facts["orders"], facts["priced"], facts["failed"]) == (64, len(priced), len(failed)) == (64, 63, 1)


def test_times_are_measured():
    summary = simulated(max_workers=4)[0]["batch_summary"]
    assert round(1000 * summary["work_s"]) == sum(COSTS_MS)
    assert round(1000 * summary["makespan_s"]) == list_schedule(COSTS_MS, 4).makespan_ns
    assert summary["mean_concurrency"] == pytest.approx(summary["work_s"] / summary["makespan_s"])
    assert summary["orders_per_s"] == pytest.approx(64 / summary["makespan_s"])


def test_an_empty_batch():
    shared = run([], max_workers=2)
    assert (shared["priced_orders"], shared["failed_orders"], shared["batch_summary"]["orders"]) == ([], [], 0)
    assert shared["batch_summary"]["mean_concurrency"] == shared["batch_summary"]["orders_per_s"] == 0.0


# -- errors, retries, progress --------------------------------------------------------------------------------------


def unavailable_at_first(order):
    if attempt_number() < 3 and order.line_count > 20:
        raise ServiceUnavailable("http://prices.example.com", "it answered 503", 503)
    return price_order(order)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_service_that_comes_back_costs_attempts_and_a_broken_order_does_not(schedule):
    shared, trace = simulated(max_workers=4, executor="thread", schedule=schedule, price=unavailable_at_first)
    long = [order.order_id for order in SAMPLE if order.line_count > 20]
    assert len(long) > 1
    assert {outcome.name: outcome.attempts for outcome in shared["order_outcomes"] if outcome.attempts > 1} == (
        dict.fromkeys(long, 3)
    )
    assert (shared["batch_summary"]["retried"], shared["failed_orders"][0].attempts) == (len(long), 1)
    assert {s.attempt for s in trace.where(kind="branch") if s.name in long} == {3}


def stuck(order):
    sleep(1000 if order.order_id == "N05945" else 0)
    return price_order(order)


@pytest.mark.parametrize("kind", ["thread", "process", "dask"])
def test_an_order_that_takes_too_long_fails_alone(kind):
    shared, _ = simulated(max_workers=4, executor=kind, price=stuck, timeout=10)
    (late,) = [failed for failed in shared["failed_orders"] if failed.order_id not in KEY]
    assert (late.order_id, late.position, late.field, late.status) == ("N05945", 4, "", "timeout")
    assert late.reason.startswith("DeadlineExceeded: item 4 of 'OrderPricingNode'")


@pytest.mark.parametrize("orders", [None, 3, "N1", [3], [{"order_id": "N1"}]])
def test_what_is_no_batch_is_a_clear_error(orders):
    with pytest.raises(DataError, match=r'shared\["orders"\] must be a list of orders'):
        run(orders)


# -- what a chapter says about the schedules ------------------------------------------------------------------------


def test_with_static_chunks_one_worker_ends_long_after_the_others():
    _, trace = simulated(max_workers=4, schedule="static")
    cuts = edges(64, 4)
    assert ends_ms(trace) == [sum(COSTS_MS[start:end]) for start, end in pairwise(cuts)]
    *others, last = sorted(ends_ms(trace))
    assert last > 2 * max(others)


def test_with_dynamic_pulling_they_end_nearly_together():
    _, trace = simulated(max_workers=4, schedule="dynamic")
    assert min(ends_ms(trace)) > 0.85 * max(ends_ms(trace))
    assert max(ends_ms(trace)) == list_schedule(COSTS_MS, 4).makespan_ns


def test_with_the_longest_first_they_end_together():
    _, trace = simulated(max_workers=4, schedule="longest-first")
    assert max(ends_ms(trace)) - min(ends_ms(trace)) <= min(COSTS_MS)
    assert max(ends_ms(trace)) <= sum(COSTS_MS) / 4 + min(COSTS_MS)


def test_the_order_of_the_schedules():
    took = {schedule: simulated(max_workers=4, schedule=schedule)[1].makespan_s for schedule in SCHEDULES}
    assert took["longest-first"] < took["dynamic"] < took["static"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_all_runs_leave_the_same_bytes(tmp_path, schedule, repetitions):
    def saved() -> bytes:
        _, trace = simulated(max_workers=4, schedule=schedule)
        return Path(trace.save(tmp_path / "run.jsonl")).read_bytes()

    assert {saved() for _ in repetitions} == {saved()}


# -- around it ------------------------------------------------------------------------------------------------------


def test_the_metrics_say_what_each_worker_did():
    metrics = simulated(max_workers=4, schedule="static")[0]["performance_metrics"]
    assert [(load["worker"], load["branches"]) for load in metrics["per_worker"]] == [
        (f"process-{number}", 16) for number in range(1, 5)
    ]
    assert sum(load["failed"] for load in metrics["per_worker"]) == 1


def test_comparison_with_the_key_counts_each_kind():
    orders = [Order(f"N{number}", "C1", "2025-12-01", "FR", "P1:1:1", 1) for number in range(4)]
    key = {"N0": OrderFault("no_items", "items"), "N1": OrderFault("wrong_total", "total_cents")}
    failed = [FailedOrder("N0", 0, "items", ""), FailedOrder("N1", 1, "items", ""), FailedOrder("N2", 2, "", "")]
    assert compare_with_key(orders, failed, key) == OrdersComparison(planted=2, found=1, good=2, wrongly_failed=1)
