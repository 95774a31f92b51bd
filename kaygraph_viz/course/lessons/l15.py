"""Lesson 15: the functions of a report on Monday, and the services that it asks.

Belongs here: pricing, asking, checking, counting, and running a graph of them. Does not belong here: the nodes, which
the reader changes (the notebook).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import kaygraph_viz as kv
from kaygraph_viz.base.optional import needed
from kaygraph_viz.clock.clock import Clock
from kaygraph_viz.course.lessons.goals import Finding, Goal, named, seconds, zero_of
from kaygraph_viz.course.patterns.batch import price_order
from kaygraph_viz.course.patterns.checks import local_checks
from kaygraph_viz.course.services.datasets import load_customers, load_orders
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve

with needed():
    import httpx2

__all__ = [
    "PANELS",
    "SERVICES",
    "ask",
    "best_customers",
    "check",
    "count_panel",
    "new_customers",
    "none_longer_than",
    "orders",
    "price",
    "run",
    "show",
]

SERVICES = ("profile", "social", "company")
PANELS = ("sold by country", "plans of the best", "remarks on new customers")
PATIENCE_S = 2.0
PANEL_S = 0.1
BEST = 12

orders = load_orders()[:240]
new_customers = load_customers()[-24:]


@dataclass(frozen=True)
class Services:
    """The services that are open during a run."""

    client: httpx2.Client
    checks: Mapping[str, Callable[[Any], list[Any]]]


_open: list[Services] = []  # those of the run in progress; empty in another process


def price(order: Any) -> Any:
    """Return what an order costs, or None if it is broken; a long one takes 100 ms of computing, a short one 2 ms."""
    kv.compute(order.cost_s)
    try:
        return price_order(order)
    except ValueError:
        return None


def best_customers(priced: Sequence[Any]) -> list[str]:
    """Return the twelve customers who bought most."""
    bought: Counter[str] = Counter()
    for order, result in zip(orders, priced, strict=True):
        if result is not None:
            bought[order.customer_id] += result.net_cents
    return [customer for customer, _ in bought.most_common(BEST)]


def ask(service: str, customer_id: str, patience_s: float = PATIENCE_S) -> Any:
    """Return what a service knows about a customer, or None if it does not answer within `patience_s` [s]."""
    try:
        answer = _services().client.get(f"/{service}", params={"customer_id": customer_id}, timeout=patience_s)
    except httpx2.TimeoutException:
        return None
    return answer.json() if answer.status_code == httpx2.codes.OK else None


def check(customer: Any) -> list[str]:
    """Return what is wrong with the record of a customer; one of the checks asks a service."""
    return [str(finding) for look in _services().checks.values() for finding in look(customer)]


def count_panel(panel: str, shared: Mapping[str, Any]) -> Counter[Any]:
    """Return the numbers of one panel of the page; it takes 100 ms of computing."""
    kv.compute(PANEL_S)
    if panel == PANELS[0]:
        sold: Counter[str] = Counter()
        for priced in shared["priced"]:
            if priced is not None:
                sold[priced.country] += priced.net_cents
        return Counter({country: cents // 100 for country, cents in sold.items()})
    if panel == PANELS[1]:
        facts = shared["facts"].items()
        return Counter(answer["plan"] for (service, _), answer in facts if service == "profile" and answer)
    return Counter(len(findings) for findings in shared["findings"])


def run(
    graph: kv.Graph, clock: Clock | Literal["virtual"] | None = "virtual", *, hang_rate: float = 0.0
) -> tuple[dict[str, Any], kv.Trace]:
    """Run a graph while the services are open; return the shared store and the trace.

    Parameters
    ----------
    graph
        The report.
    clock
        As for ``kv.record``: ``"virtual"`` for simulated time, None for the real clock.
    hang_rate
        The share of the requests to the social service that get no answer, 0 to 1.
    """
    shared: dict[str, Any] = {}
    settings = {"social": ServiceSettings(latency_s=0.06, hang_rate=hang_rate)}
    with (
        kv.record(clock=clock) as trace,
        serve(settings) as server,
        server.client() as client,
        local_checks(load_customers(), ServiceSettings(latency_s=0.03)) as checks,
    ):
        _open.append(Services(client, checks))
        try:
            graph.run(shared)
        finally:
            _open.pop()
    return shared, trace


def show(panels: Mapping[str, Counter[Any]]) -> None:
    """Draw the page."""
    import matplotlib.pyplot as plt

    _, places = plt.subplots(1, len(panels), figsize=(9.5, 2.6), layout="constrained")
    for axes, (panel, numbers) in zip(places, panels.items(), strict=True):
        names, values = zip(*sorted(numbers.most_common(6), key=lambda pair: (-pair[1], str(pair[0]))), strict=True)
        axes.barh([str(name) for name in names], values, color="#56B4E9")
        axes.invert_yaxis()
        axes.set_title(panel, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)


def none_longer_than(limit_s: float, name: str) -> Goal:
    """Require that no branch of a name takes longer than `limit_s` [s]."""

    def evaluate(trace: kv.Trace) -> Finding:
        branches = named(trace, name)
        if not branches:
            return Finding(False, f"there is no branch called {name!r}")
        longest = max(branches, key=lambda each: each.service_s)
        reason = f"the longest took {longest.service_s:.2f} s"
        if longest.service_s <= limit_s + 0.001:
            return Finding(True, reason)
        zero = zero_of(trace)
        return Finding(False, reason, seconds(longest.started_ns, zero), seconds(longest.ended_ns, zero))

    return Goal(f"no {name} branch longer than {limit_s:g} s", evaluate)


def _services() -> Services:
    if not _open:
        raise RuntimeError("the services can be asked in the process that opened them only: use threads for this part")
    return _open[-1]


SOLUTIONS = {
    "exercise_1": '''
"""Processes for the parts that compute, threads for those that wait.

- Look at the chart: which parts are dark, and which are light? Dark parts need `executor="process"`.
- How many cores are there, and how many requests are allowed? More workers would break the rules.
- Pricing has a few long orders, and `PriceOrders` has a method `cost`: `schedule="longest-first"` starts with them.
"""


def pricing():
    return PriceOrders(max_workers=4, executor="process", schedule="longest-first")


def asking():
    return AskServices(max_workers=6, executor="thread")


def checking():
    return CheckCustomers(max_workers=6, executor="thread")


def counting():
    return CountPanels(max_workers=3, executor="process")


my_page, mine = shop.run(in_a_row(pricing(), asking(), checking(), counting()))
kv.gantt(mine, group_by="node", labels=False, title="My run: each part with workers of its own")
''',
    "exercise_2": '''
"""Two parts at once: pricing with the questions that depend on it, and the checks.

- Asking needs the best customers, so it comes after pricing. Which part does checking need?
- The first part of the report is a `kv.FanOutNode` with two branches: a graph of two nodes, and a single node.
"""

both = kv.FanOutNode({"best customers": in_a_row(pricing(), asking()), "new customers": checking()})
report = in_a_row(both, counting())

my_page, at_once = shop.run(report)
kv.gantt(at_once, group_by="node", labels=False, title="My run: parts at once", end_s=mine.makespan_s)
''',
    "exercise_3": '''
"""A deadline that is passed to the call itself.

- The `timeout=0.3` of a node abandons a thread that is late, but cannot stop it: it still waits, and the service still
  has its request. Try it, and look for hatched bars: how many requests are there at once?
- Only `shop.ask` itself can stop waiting: `help(shop.ask)` shows its arguments.
"""


class AskInTime(AskServices):
    def exec(self, question):
        return shop.ask(*question, patience_s=0.3)


def asking_in_time():
    return AskInTime(max_workers=6, executor="thread")


my_bad_page, in_time = shop.run(in_a_row(pricing(), asking_in_time(), checking(), counting()), hang_rate=0.67)
kv.gantt(in_time, group_by="node", labels=False, title="My run on a bad Monday")
''',
}
