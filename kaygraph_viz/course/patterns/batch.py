"""Batch processing: a pool of workers prices orders and adds the tax, one order a branch.

Belongs here: the price of one order and the errors of one that cannot be right, the nodes and their graph, and the node
that measures the graph it belongs to. Does not belong here: which worker gets which order (``execute.schedules``), and
reading the orders (``services``).

The graph is ``BatchSplitterNode >> OrderPricingNode >> ResultAggregator``. Orders differ 50-fold in what they cost, so
it matters which worker gets which: see `ParallelBatchNode` for the schedules. A broken order fails by itself, the
others are priced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.analysis.per_item import per_worker
from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.base.checks import checked_function
from kaygraph_viz.base.errors import DataError, ServiceUnavailable, short
from kaygraph_viz.course.services.datasets import REFERENCE_DATE, Order, OrderFault, load_customers, load_orders
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.graph.node import Shared
from kaygraph_viz.trace.recorder import current_scope
from kaygraph_viz.trace.row import describe_error

# The tax on a net amount, in thousandths of it, by country of the customer. The numbers resemble standard rates of
# these countries, but belong to a made-up shop.
_COUNTRIES_OF_RATE = {
    0: "US",
    50: "CA",
    81: "CH",
    90: "SG",
    100: "AU JP KR",
    150: "NZ ZA",
    160: "MX",
    170: "BR",
    180: "IN",
    190: "DE",
    200: "AT BG FR GB TR UA",
    210: "BE CZ ES NL",
    220: "IT",
    230: "IE PL PT",
    240: "GR",
    250: "DK NO SE",
    255: "FI",
}
TAX_PER_MILLE: Mapping[str, int] = {
    country: rate for rate, countries in _COUNTRIES_OF_RATE.items() for country in countries.split()
}


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """The price of an order."""

    # the number of the order, and the country of the customer
    order_id: str
    country: str
    lines: int  # the number of its lines
    # the sum of its lines, and the tax on that [cents]
    net_cents: int
    tax_cents: int

    @property
    def gross_cents(self) -> int:
        """Net amount and tax [cents]."""
        return self.net_cents + self.tax_cents


def tax_cents(net_cents: int, country: str) -> int:
    """Return the tax on an amount, rounded to whole cents, halves up.

    Parameters
    ----------
    net_cents
        The amount [cents], 0 or more.
    country
        A key of `TAX_PER_MILLE`.

    Examples
    --------
    >>> tax_cents(1000, "FR"), tax_cents(1250, "DE"), tax_cents(1, "FI")
    (200, 238, 0)
    """
    return (net_cents * TAX_PER_MILLE[country] + 500) // 1000


def price_order(order: Order, customers: Collection[str] | None = None) -> PricedOrder:
    """Return the sum of the lines of an order and the tax on it."""
    try:
        lines = order.lines()
    except DataError as error:
        raise order_error(order, "items", str(error)) from error
    if any(line.quantity < 1 for line in lines):
        raise order_error(order, "items", "a quantity is below 1")
    net_cents = sum(line.amount_cents for line in lines)
    if net_cents != order.total_cents:
        why = f"its total is {order.total_cents:,} cents, but its lines add up to {net_cents:,}"
        raise order_error(order, "total_cents", why)

    if order.country not in TAX_PER_MILLE:
        raise order_error(order, "country", f"no tax rate for country {order.country!r}")
    if customers is not None and order.customer_id not in customers:
        raise order_error(order, "customer_id", f"there is no customer {order.customer_id!r}")
    check_order_date(order)
    return PricedOrder(order.order_id, order.country, order.line_count, net_cents, tax_cents(net_cents, order.country))


def check_order_date(order: Order, today: date = REFERENCE_DATE) -> None:
    """Raise a `DataError` if the date of an order does not exist or is after `today`."""
    try:
        day = date.fromisoformat(order.order_date)
    except ValueError as error:
        raise order_error(order, "order_date", f"{order.order_date!r} is not a date") from error
    if day > today:
        raise order_error(order, "order_date", f"{day} is after {today}")


def order_error(order: Order, field: str, why: str) -> DataError:
    """Return the error of an order, whose message begins with its number, with the attributes of `price_order`."""
    number = f"order {order.order_id}"
    return DataError(why if why.startswith(number) else f"{number}: {why}", order_id=order.order_id, field=field)


OF_SUMMARY = (
    "workers",
    "makespan_s",
    "work_s",
    "mean_concurrency",
    "serial_s",
    "speedup",
    "speedup_source",
    "efficiency",
    "critical_path_s",
    "queue_wait_s",
)
KEYS = (
    *OF_SUMMARY,
    "overhead",
    "overhead_s",
    "useful_workers",
    "lost_s",
    "branches",
    "retries",
    "suggested_workers",
    "replayed_makespan_s",
    "per_worker",
)
POWERS = (1, 2, 4, 8, 16, 32, 64)
TRIED = sorted({*POWERS, 3, 6, 12, 24, 48})  # a graph waits for the prediction: not every number up to 64
NOT_RECORDED = "Nothing was recorded: run the graph inside `with record() as trace:` to get numbers."
NO_BRANCHES = "No branch has been recorded so far: put this node after the parallel ones."


class PerformanceMetricsNode(kv.Node):
    """Measure what has been recorded so far, and store it in ``shared["performance_metrics"]``.

    Put it at the end of a graph. It measures spans that have ended: neither its own nor that of the graph around it.
    Without a recording the values of all keys are None, and ``sentence`` says why.

    Parameters
    ----------
    node_id
        Its name in charts and diagrams; default: the name of its class.

    Notes
    -----
    The keys, with S for the time that one branch after the other would take, T for the makespan and P for the number of
    workers:

    ``serial_s``, ``speedup``, ``speedup_source``, ``efficiency``
        S [s], S / T, ``"estimated"`` (from this run alone, as for `summarize`) and S / (P T).
    ``overhead``, ``overhead_s``
        The share of the workers' time that a serial run does not need, (P T - S) / (P T), and that time
        [worker-seconds]; 0 where S is more than that. So it is defined by A. Grama et al., "Introduction to Parallel
        Computing", 2003.
    ``mean_concurrency``
        How many branches and phases around them ran at once on average, as in `Summary`.
    ``useful_workers``, ``lost_s``
        As in `explain`: useful work / T, and where all other time of the workers went, by cause [worker-seconds].
    ``suggested_workers``, ``replayed_makespan_s``
        Predictions by `what_if`: the smallest number of workers within 5% of the best, of 1, 2, 3, 4, 6, 8, 12, ... up
        to 64 and the number of branches; and the makespan [s] with that number and with 1, 2, 4, 8, ... of them.
    ``per_worker``
        A dict for each worker with the keys ``worker branches failed busy_s cpu_s ended_s``, as in `per_worker`.
    ``workers makespan_s work_s critical_path_s queue_wait_s branches retries``
        As in `Summary`.
    ``is_recorded``, ``sentence``
        Whether there is anything to measure, and the result in words.

    Examples
    --------
    >>> wait = kv.ParallelBatchNode(max_workers=2)
    >>> wait.prep, wait.exec = lambda shared: [3, 1, 1, 1], kv.sleep
    >>> wait >> PerformanceMetricsNode()
    <PerformanceMetricsNode>
    >>> with kv.record(clock="virtual"):
    ...     kv.Graph(start=wait).run(shared := {})
    >>> shared["performance_metrics"]["speedup"], shared["performance_metrics"]["suggested_workers"]
    (2.0, 2)
    """

    def __init__(self, node_id: str | None = None) -> None:
        super().__init__(node_id=node_id)

    def prep(self, shared: Shared) -> kv.Trace | None:
        """Return what has been recorded so far."""
        return running_trace()

    def exec(self, prep_res: kv.Trace | None) -> dict[str, Any]:
        """Return the numbers."""
        return performance_metrics(prep_res)

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[str, Any]) -> None:
        """Store ``shared["performance_metrics"]``."""
        shared["performance_metrics"] = exec_res


def running_trace() -> kv.Trace | None:
    """Return all spans of the recording around the caller that have ended so far, or None where there is none."""
    recorder = current_scope().recorder
    if not recorder.is_open:
        return None
    return kv.Trace(recorder.snapshot(), recorder.dropped, machine=recorder.clock.machine)


def performance_metrics(trace: kv.Trace | None) -> dict[str, Any]:
    """Return the numbers of a trace, None where nothing was recorded, with the keys of `PerformanceMetricsNode`."""
    missing = NOT_RECORDED if trace is None else "" if trace.columns.is_kind("branch").any() else NO_BRANCHES
    if trace is None or missing:
        return {"is_recorded": False, "sentence": missing, **dict.fromkeys(KEYS)}
    summary, explanation = kv.summarize(trace), kv.explain(trace)
    # Other numbers of workers, as if each took a branch whenever it is free.
    predicted = kv.what_if(trace, [n for n in TRIED if n <= summary.counts["branches"]], schedule="dynamic")
    spent_s = summary.workers * summary.makespan_s
    overhead_s = max(0.0, spent_s - summary.serial_s)
    best = predicted.best_workers
    enough = f"{counted(best, 'worker')} of this kind would come within 5% of the best"
    return {
        "is_recorded": True,
        "sentence": f"{explanation.sentence.removesuffix('.')}; in a replay, {enough}.",
        **{name: getattr(summary, name) for name in OF_SUMMARY},
        "overhead": overhead_s / spent_s if spent_s else 0.0,
        "overhead_s": overhead_s,
        "useful_workers": explanation.useful_workers,
        "lost_s": {cause: seconds for cause, seconds in explanation.parts.items() if cause != "useful work"},
        "branches": summary.counts["branches"],
        "retries": summary.counts["retries"],
        "suggested_workers": best,
        "replayed_makespan_s": {
            count: seconds for count, seconds in predicted.makespan_s.items() if count in POWERS or count == best
        },
        "per_worker": [load._asdict() for load in per_worker(trace)],
    }


def measured_times(outcomes: Sequence[kv.Outcome], work_s: float | None = None) -> dict[str, float]:
    """Return the measured times of branches that ran in parallel."""
    if work_s is None:
        work_s = sum(outcome.service_s for outcome in outcomes)
    first_ns = min((outcome.submitted_ns for outcome in outcomes), default=0)
    makespan_s = (max((outcome.ended_ns for outcome in outcomes), default=0) - first_ns) / 1e9
    mean = work_s / makespan_s if makespan_s else 0.0
    return {"work_s": work_s, "makespan_s": makespan_s, "mean_concurrency": mean}


FIRST_OF_SAMPLE, SIZE_OF_SAMPLE = 5940, 64


@dataclass(frozen=True, slots=True)
class FailedOrder:
    """An order that could not be priced."""

    # the number of the order, and its position in the batch, from 0
    order_id: str
    position: int
    field: str  # the column that is wrong; empty where the order was not the cause
    reason: str  # type and message of the error
    status: str = "error"  # the status of its branch: ``"error"``, ``"timeout"``, ``"lost"``, ..
    attempts: int = 1  # the number of attempts


# -- the nodes ------------------------------------------------------------------------------------------------------


class BatchSplitterNode(kv.Node):
    """Copy the batch ``shared["orders"]`` to ``shared["order_items"]``, one item for each branch.

    Raises
    ------
    DataError
        When it runs and ``shared["orders"]`` is not a list of `Order`.
    """

    def prep(self, shared: Shared) -> Sequence[Order]:
        """Return ``shared["orders"]``."""
        orders = shared.get("orders")
        if not isinstance(orders, Sequence) or not all(isinstance(order, Order) for order in orders):
            raise DataError(
                f'shared["orders"] must be a list of orders, as load_orders() gives it, got {short(orders)}'
            )
        return orders

    def exec(self, prep_res: Sequence[Order]) -> list[Order]:
        """Return a new list, so that changing the batch during the run changes no item."""
        return list(prep_res)

    def post(self, shared: Shared, prep_res: Any, exec_res: list[Order]) -> None:
        """Store ``shared["order_items"]``."""
        shared["order_items"] = exec_res


class OrderPricingNode(kv.ParallelBatchNode):
    """Price the orders of ``shared["order_items"]``, several at once, and store ``shared["order_outcomes"]``.

    Each order uses as much CPU as it costs the shop: `Order.cost_s`, which is also its expected time with
    ``schedule="longest-first"``.

    Parameters
    ----------
    price
        A function that returns the `PricedOrder` of an `Order`, or raises.
    max_workers, executor, **options
        As for `ParallelBatchNode`. By default there are three attempts where `price` raises `ServiceUnavailable`, and
        one where it raises another error.

    Raises
    ------
    OptionError
        If `price` is not a function or an option is out of its range.
    """

    def __init__(
        self,
        price: Callable[[Order], PricedOrder] = price_order,
        max_workers: int | None = None,
        executor: str | Executor = "process",
        **options: Any,
    ) -> None:
        checked_function("price", price, "a function of an order", "price=price_order")
        if not {"max_retries", "wait"} & set(options):
            options.setdefault("retry", kv.RetryPolicy(3, 0.1, retry_on=(ServiceUnavailable,)))
        super().__init__(max_workers, executor, on_error="collect", **options)
        self.price = price

    def prep(self, shared: Shared) -> list[Order]:
        """Return ``shared["order_items"]``."""
        orders: list[Order] = shared["order_items"]
        return orders

    def exec(self, prep_res: Order) -> PricedOrder:
        """Return the priced order, after as much CPU time as it costs."""
        kv.compute(prep_res.cost_s)
        return self.price(prep_res)

    def post(self, shared: Shared, prep_res: Any, exec_res: kv.Outcomes) -> None:
        """Store ``shared["order_outcomes"]``."""
        shared["order_outcomes"] = exec_res

    def branch_name(self, item: Order) -> str:
        """Return the number of the order."""
        return item.order_id

    def cost(self, item: Order) -> float:
        """Return the time that the order is expected to take [s]."""
        return item.cost_s


class ResultAggregator(kv.Node):
    """Collect the results in the order of the batch.

    It stores ``shared["priced_orders"]``, ``shared["failed_orders"]`` and ``shared["batch_summary"]`` with the keys
    ``orders priced failed retried net_cents tax_cents gross_cents gross_cents_by_country work_s makespan_s
    mean_concurrency orders_per_s``; the times are those of `measured_times`.
    """

    def prep(self, shared: Shared) -> tuple[Sequence[Order], kv.Outcomes]:
        """Return the orders and their outcomes."""
        return shared["order_items"], shared["order_outcomes"]

    def exec(
        self, prep_res: tuple[Sequence[Order], kv.Outcomes]
    ) -> tuple[list[PricedOrder], list[FailedOrder], dict[str, Any]]:
        """Return the priced orders, the failed ones and the summary."""
        orders, outcomes = prep_res
        failed = [_failed(orders[outcome.index], outcome) for outcome in outcomes.failed]
        return outcomes.values, failed, _summary(outcomes)

    def post(
        self, shared: Shared, prep_res: Any, exec_res: tuple[list[PricedOrder], list[FailedOrder], dict[str, Any]]
    ) -> None:
        """Store the three."""
        shared["priced_orders"], shared["failed_orders"], shared["batch_summary"] = exec_res


def _failed(order: Order, outcome: kv.Outcome) -> FailedOrder:
    error = outcome.error
    reason = describe_error(error) if error is not None else outcome.status
    field = getattr(error, "field", "") if isinstance(error, DataError) else ""
    return FailedOrder(order.order_id, outcome.index, field, reason, outcome.status, outcome.attempts)


def _summary(outcomes: kv.Outcomes) -> dict[str, Any]:
    priced: list[PricedOrder] = outcomes.values
    by_country: Counter[str] = Counter()
    for each in priced:
        by_country[each.country] += each.gross_cents
    times = measured_times(outcomes)
    return {
        "orders": len(outcomes),
        "priced": len(priced),
        "failed": len(outcomes) - len(priced),
        "retried": sum(outcome.attempts > 1 for outcome in outcomes),
        "net_cents": sum(each.net_cents for each in priced),
        "tax_cents": sum(each.tax_cents for each in priced),
        "gross_cents": sum(each.gross_cents for each in priced),
        "gross_cents_by_country": dict(sorted(by_country.items())),
        **times,
        "orders_per_s": len(outcomes) / times["makespan_s"] if times["makespan_s"] else 0.0,
    }


def batch_graph(
    *,
    max_workers: int | None = None,
    executor: str | Executor = "process",
    schedule: str = "dynamic",
    metrics: bool = True,
    **options: Any,
) -> kv.Graph:
    """Return the graph ``BatchSplitterNode >> OrderPricingNode >> ResultAggregator``, for orders.

    Parameters
    ----------
    max_workers
        The number of orders in progress at once at most, 1 to 4096; default: as for `ParallelBatchNode`.
    executor
        As for `ParallelBatchNode`; default: processes, since pricing computes.
    schedule
        ``"dynamic"``, ``"static"`` or ``"longest-first"``, as for `ParallelBatchNode`.
    metrics
        Whether a `PerformanceMetricsNode` follows.
    **options
        As for `OrderPricingNode`. By default, prices are checked against the shipped customers, too.

    Returns
    -------
    Graph
        Run it with ``graph.run({"orders": load_orders()})``.

    Examples
    --------
    >>> with kv.record(clock="virtual"):
    ...     batch_graph(max_workers=4, schedule="longest-first").run(shared := {"orders": sample_orders()})
    >>> shared["batch_summary"]["gross_cents"], [order.order_id for order in shared["failed_orders"]]
    (8801035, ['N05947'])
    >>> round(shared["performance_metrics"]["speedup"], 2)
    3.97
    """
    if "price" not in options:
        customers = frozenset(customer["customer_id"] for customer in load_customers())
        options["price"] = partial(price_order, customers=customers)
    split = BatchSplitterNode()
    last = split >> OrderPricingNode(max_workers=max_workers, executor=executor, schedule=schedule, **options)
    aggregate = last >> ResultAggregator()
    if metrics:
        aggregate >> PerformanceMetricsNode()
    return kv.Graph(start=split, node_id="batch processing")


def sample_orders() -> list[Order]:
    """Return 64 neighbouring orders of 1 to 50 lines, one of them broken: few enough for a readable chart.

    The second quarter of them costs nearly as much as the others together, so that static chunks are unbalanced.
    """
    return load_orders()[FIRST_OF_SAMPLE : FIRST_OF_SAMPLE + SIZE_OF_SAMPLE]


# -- against the answer key -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrdersComparison:
    """Counts of results that agree with the answer key, and that do not."""

    # the number of orders with a planted fault, and of those among them that failed because of that column
    planted: int
    found: int
    # the number of orders without a fault, and of those among them that failed
    good: int
    wrongly_failed: int


def compare_with_key(
    orders: Sequence[Order], failed: Sequence[FailedOrder], key: Mapping[str, OrderFault]
) -> OrdersComparison:
    """Count the planted faults that were found and the good orders that failed.

    Parameters
    ----------
    orders, failed
        All orders of the batch, and those that failed.
    key
        The fault of each broken order, by its number.
    """
    planted = [order for order in orders if order.order_id in key]
    field_of = {order.order_id: order.field for order in failed}
    return OrdersComparison(
        planted=len(planted),
        found=sum(field_of.get(order.order_id) == key[order.order_id].field for order in planted),
        good=len(orders) - len(planted),
        wrongly_failed=sum(order.order_id not in key for order in failed),
    )
