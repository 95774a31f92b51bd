"""Lesson 3: orders, the graph that prices them, and the search for repeated orders.

Belongs here: what the lesson's cells need, under short names. Does not belong here: pricing (``patterns.pricing``) and
its graph (``patterns.batch``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.course.patterns.batch import batch_graph, compare_with_key, price_order, sample_orders
from kaygraph_viz.course.services.datasets import Order, load_orders, load_orders_key

__all__ = [
    "batch_graph",
    "by_country",
    "compare_with_key",
    "count_repeats",
    "load_orders",
    "load_orders_key",
    "price",
    "sample_orders",
    "search_in_turn",
]

PAIR_S = 1e-6  # CPU time to compare two orders
Groups = Mapping[str, Sequence[Order]]


def price(order: Order) -> int:
    """Return the price of an order with its tax, in cents, after as much CPU time as it costs; 0 for a broken one."""
    kv.compute(order.cost_s)
    try:
        return price_order(order).gross_cents
    except ValueError:
        return 0


def by_country(orders: Sequence[Order]) -> dict[str, list[Order]]:
    """Return the orders of each country, the countries in alphabetical order."""
    found: dict[str, list[Order]] = {}
    for order in sorted(orders, key=lambda order: order.country):
        found.setdefault(order.country, []).append(order)
    return found


def count_repeats(orders: Sequence[Order]) -> int:
    """Compare each order with each other one, which takes CPU time, and return how many are repeated."""
    kv.compute(PAIR_S * len(orders) ** 2)
    return len(orders) - len({(order.customer_id, order.items) for order in orders})


class _Search(kv.ParallelBatchNode):
    """Search the countries in their order."""

    def __init__(self, groups: Groups) -> None:
        super().__init__(max_workers=4, executor="process")
        self.groups = groups

    def prep(self, shared: Any) -> list[str]:
        return list(self.groups)

    def exec(self, prep_res: str) -> int:
        return count_repeats(self.groups[prep_res])

    def post(self, shared: Any, prep_res: list[str], exec_res: Any) -> None:
        shared["repeats"] = dict(zip(prep_res, exec_res, strict=True))


def search_in_turn(groups: Groups) -> tuple[dict[str, int], kv.Trace]:
    """Search the countries in alphabetical order with four processes; return the repeats by country, and the trace."""
    shared: dict[str, Any] = {}
    with kv.record(clock="virtual") as trace:
        _Search(groups).run(shared)
    return shared["repeats"], trace


SOLUTIONS = {
    "exercise_1": '''
"""A cost function, so that the longest country is begun first.

- Look at the chart: which country ends last, and when does it start?
- If all costs are equal, the longest does not come first. Only the order of the costs counts, not their size.
- `by_country[country]` is the list of orders of a country.
"""

by_country = shop.by_country(orders)


class FindRepeats(kv.ParallelBatchNode):
    def prep(self, shared):
        return list(by_country)  # the items: names of countries

    def branch_name(self, country):
        return country

    def cost(self, country):
        return len(by_country[country])

    def exec(self, country):
        return shop.count_repeats(by_country[country])  # compares each order with each

    def post(self, shared, countries, repeats):
        shared["repeats"] = dict(zip(countries, repeats, strict=True))


with kv.record(clock="virtual") as mine:
    FindRepeats(max_workers=4, executor="process", schedule="longest-first").run(my_result := {})

kv.gantt(mine, title="My run")
''',
}
