"""Batch processing: the price of an order, equal totals on every executor, and what its metrics say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import DataError, ServiceUnavailable
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.course.patterns.batch import (
    KEYS,
    TAX_PER_MILLE,
    FailedOrder,
    OrdersComparison,
    PerformanceMetricsNode,
    batch_graph,
    compare_with_key,
    measured_times,
    price_order,
    running_trace,
    sample_orders,
    tax_cents,
)
from kaygraph_viz.course.services.datasets import (
    Order,
    OrderFault,
    load_countries,
    load_customers,
    load_orders,
    load_orders_key,
)
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.registry import KINDS
from kaygraph_viz.execute.retries import attempt_number
from kaygraph_viz.execute.schedules import SCHEDULES
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from tests.list_schedule import list_schedule

# == batch ==========================================================================================================


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


def test_times_are_measured():
    summary = simulated(max_workers=4)[0]["batch_summary"]
    assert round(1000 * summary["work_s"]) == sum(COSTS_MS)
    assert round(1000 * summary["makespan_s"]) == list_schedule(COSTS_MS, 4).makespan_ns
    assert summary["mean_concurrency"] == pytest.approx(summary["work_s"] / summary["makespan_s"])
    assert summary["orders_per_s"] == pytest.approx(64 / summary["makespan_s"])


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


# == pricing ========================================================================================================


ORDERS = load_orders()
CUSTOMERS = {customer["customer_id"] for customer in load_customers()}


def order(**changed):
    return Order(**{
        "order_id": "N1", "customer_id": "C00001", "order_date": "2025-12-01", "country": "FR",
        "items": "P001:2:450;P007:1:1200", "total_cents": 2100, **changed,
    })  # fmt: skip


def test_every_country_that_occurs_in_good_orders_has_a_rate():
    assert {each.country for each in ORDERS if each.order_id not in KEY} <= set(TAX_PER_MILLE)
    assert set(TAX_PER_MILLE) <= set(load_countries())


@given(st.integers(0, 10**9), st.sampled_from(sorted(TAX_PER_MILLE)))
def test_the_tax_is_rounded_to_the_nearest_cent_halves_up(net_cents, country):
    exact = Fraction(net_cents * TAX_PER_MILLE[country], 1000)
    assert tax_cents(net_cents, country) == int(exact + Fraction(1, 2))


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"items": ""}, "items", "line 1: expected sku:quantity"),
        ({"items": "P001:2:4,50"}, "items", "line 1: expected sku:quantity"),
        ({"items": "P001:0:450", "total_cents": 0}, "items", "a quantity is below 1"),
        ({"total_cents": 2101}, "total_cents", "its total is 2,101 cents, but its lines add up to 2,100"),
        ({"country": "XX"}, "country", "no tax rate for country 'XX'"),
        ({"customer_id": "C99999"}, "customer_id", "there is no customer 'C99999'"),
        ({"order_date": "2025-02-30"}, "order_date", "'2025-02-30' is not a date"),
        ({"order_date": "2026-01-02"}, "order_date", "2026-01-02 is after 2026-01-01"),
    ],
)
def test_what_cannot_be_right_says_which_order_and_column(changed, field, says):
    with pytest.raises(DataError, match=says) as caught:
        price_order(order(**changed), CUSTOMERS)
    assert (caught.value.order_id, caught.value.field) == ("N1", field)
    assert str(caught.value).count("N1") == 1


def test_the_broken_orders_of_the_answer_key_are_found_in_their_column_and_no_others():
    found = {}
    for each in ORDERS:
        try:
            price_order(each, CUSTOMERS)
        except DataError as error:
            found[error.order_id] = error.field
    assert found == {number: fault.field for number, fault in KEY.items()}


# == metrics ========================================================================================================


def graph(items, workers, *, kind="thread", function=sleep, **options):
    wait = ParallelBatchNode(workers, kind, **options)
    wait.prep, wait.exec = lambda shared: items, function
    wait >> PerformanceMetricsNode()
    return Graph(start=wait)


def measured(*args, **options):
    with record(clock="virtual") as trace:
        graph(*args, **options).run(shared := {})
    return shared["performance_metrics"], trace


def test_the_numbers_are_those_of_the_trace():
    metrics, _ = measured([3, 1, 1, 1, 2], 2)
    assert metrics["is_recorded"]
    assert (metrics["workers"], metrics["branches"], metrics["retries"]) == (2, 5, 0)
    assert (metrics["work_s"], metrics["makespan_s"], metrics["critical_path_s"]) == (8, 5, 3)
    assert (metrics["speedup"], metrics["mean_concurrency"], metrics["efficiency"]) == (1.6, 1.6, 0.8)
    assert (metrics["serial_s"], metrics["speedup_source"], metrics["useful_workers"]) == (8, "estimated", 1.6)
    assert metrics["overhead_s"] == 2
    assert metrics["overhead"] == pytest.approx(0.2)
    assert metrics["queue_wait_s"] == (0 + 0 + 1 + 2 + 3) / 5


@pytest.mark.parametrize("items", [[3, 1, 1, 1, 2], [1] * 7, [5]])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_serial_time_and_overhead_are_the_time_of_all_workers(items, workers):
    metrics, _ = measured(items, workers)
    assert metrics["serial_s"] + metrics["overhead_s"] == pytest.approx(metrics["workers"] * metrics["makespan_s"])
    assert metrics["efficiency"] + metrics["overhead"] == pytest.approx(1)
    assert sum(metrics["lost_s"].values()) == pytest.approx(metrics["overhead_s"])


def test_the_suggested_number_of_workers_is_within_5_percent_of_the_best():
    metrics, _ = measured([4] + [1] * 8, 2)
    assert metrics["suggested_workers"] == 3
    assert metrics["replayed_makespan_s"] == {1: 12, 2: 6, 3: 4, 4: 4, 8: 4}
    assert metrics["sentence"].endswith("in a replay, 3 workers of this kind would come within 5% of the best.")


def test_more_threads_are_not_suggested_for_computing():
    metrics, _ = measured([0.1] * 16, 8, function=compute)
    assert metrics["suggested_workers"] == 1
    assert metrics["useful_workers"] == pytest.approx(1, rel=0.05)
    assert metrics["speedup"] == pytest.approx(1)
    assert metrics["mean_concurrency"] == pytest.approx(8, rel=0.05)
    assert measured([0.1] * 16, 8, kind="process", function=compute)[0]["suggested_workers"] == 4


def test_without_a_recording_it_says_so():
    graph([0, 0], 2).run(shared := {})
    metrics = shared["performance_metrics"]
    assert (
        metrics.pop("sentence")
        == "Nothing was recorded: run the graph inside `with record() as trace:` to get numbers."
    )
    assert metrics.pop("is_recorded") is False
    assert metrics == dict.fromkeys(KEYS)


def test_without_branches_it_says_so():
    first = Node()
    first >> PerformanceMetricsNode()
    with record():
        Graph(start=first).run(shared := {})
    assert shared["performance_metrics"]["sentence"].startswith("No branch has been recorded so far")
    assert shared["performance_metrics"]["speedup"] is None


def test_a_running_trace_holds_what_has_ended_so_far():
    assert running_trace() is None
    with record(), span("outer"):
        with span("inner"):
            pass
        assert [s.name for s in running_trace()] == ["inner"]


# -- times of outcomes ----------------------------------------------------------------------------------------------


def test_the_makespan_begins_with_the_first_submission_and_work_is_without_queue_waits():
    waited = Outcome(0, submitted_ns=1_000_000_000, started_ns=3_000_000_000, ended_ns=4_000_000_000)
    at_once = Outcome(1, submitted_ns=2_000_000_000, started_ns=2_000_000_000, ended_ns=5_000_000_000)
    assert measured_times([waited, at_once]) == {"work_s": 4.0, "makespan_s": 4.0, "mean_concurrency": 1.0}
