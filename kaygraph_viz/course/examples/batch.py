"""Batch processing of the shipped orders, by three schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.per_item import per_worker
from kaygraph_viz.analysis.wording import counted, duration
from kaygraph_viz.course.examples.example import ExampleRun, Fact, Setup, measured
from kaygraph_viz.course.patterns.batch import batch_graph, compare_with_key, sample_orders
from kaygraph_viz.course.services.datasets import Order, load_orders, load_orders_key
from kaygraph_viz.execute.base import Executor

SCHEDULES = ("static", "dynamic", "longest-first")  # from the least to the most even
WORKERS = 4
MAX_NOTES = 3
CAPTIONS = {
    "serial": "one row: an order takes 2 to 100 ms, by the number of its lines",
    "static": "each worker gets its share at the start: one is still busy when all others are idle",
    "dynamic": "a free worker takes the next order: well balanced, except for a large order near the end",
    "longest-first": "the largest orders first: all workers end at nearly the same time",
}
Run = tuple[dict[str, Any], kv.Graph, kv.Trace]


def run(setup: Setup) -> ExampleRun:
    """Price some orders one after the other, and in parallel by each schedule."""
    orders = sample_orders() if setup.items is None else load_orders(setup.items)
    kind = setup.kind("process")
    workers = setup.workers_for(kind, WORKERS)
    _, _, serial = _priced(orders, setup, kv.get_executor("serial"), "dynamic")
    traces = {"serial": serial}
    with setup.started(kind, workers, batch_graph.__module__, len(orders)) as executor:
        for schedule in SCHEDULES:
            shared, graph, traces[schedule] = _priced(orders, setup, executor, schedule)
    summary, failed, metrics = shared["batch_summary"], shared["failed_orders"], shared["performance_metrics"]
    against = compare_with_key(orders, failed, load_orders_key())
    enough = counted(metrics["suggested_workers"], "worker")
    busy = f"{metrics['efficiency']:.0%} of the workers' time: pricing computes and never waits"
    return ExampleRun(
        name="batch",
        title=f"Batch processing: {counted(len(orders), 'order')} priced by a pool of {counted(workers, 'worker')}",
        graph=graph,
        traces=traces,
        captions=CAPTIONS,
        compared=SCHEDULES,
        facts=[
            Fact("priced", f"{summary['priced']:,}"),
            Fact("net", _money(summary["net_cents"])),
            Fact("tax", _money(summary["tax_cents"])),
            Fact("gross", _money(summary["gross_cents"]), f"from {len(summary['gross_cents_by_country'])} countries"),
            Fact("planted faults found", f"{against.found:,}", f"of {against.planted:,}, by the answer key"),
            Fact("good orders refused", f"{against.wrongly_failed:,}", f"of {against.good:,}"),
            *(Fact(name, duration(traces[name].makespan_s), _balance(traces[name])) for name in SCHEDULES),
        ],
        notes=[
            *(f"{order.order_id} was not priced: {order.reason}" for order in failed[:MAX_NOTES]),
            f"By a replay of the recorded branches, {enough} would come within 5% of the best.",
        ],
        measured=measured(
            len(orders),
            len(failed),
            traces["longest-first"],
            serial,
            unit="orders",
            bottleneck=("pricing", busy),
            computes=True,
        ),
        is_simulated=setup.is_simulated,
    )


def _priced(orders: Sequence[Order], setup: Setup, executor: Executor, schedule: str) -> Run:
    with setup.record() as trace:
        graph = batch_graph(max_workers=executor.workers, executor=executor, schedule=schedule, progress=setup.progress)
        graph.run(shared := {"orders": orders})
    return shared, graph, trace


def _money(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def _balance(trace: kv.Trace) -> str:
    """Return how evenly the work was divided among the workers, in words."""
    busy = [load.busy_s for load in per_worker(trace)]
    if not busy or not max(busy):
        return ""
    return f"makespan; the least busy worker worked {min(busy) / max(busy):.0%} as long as the busiest"
