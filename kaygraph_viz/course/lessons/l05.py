"""Lessons 05 and 11: a shop's orders, the functions of its stages, and how many orders are in its pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from os import PathLike

import kaygraph_viz as kv
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.course.patterns.pipeline import Enricher, OrderRow, OrderStore, OrderValidator, price
from kaygraph_viz.course.patterns.sources import customer_sources
from kaygraph_viz.course.services.datasets import Order, load_countries, load_customers, load_orders
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import serve

__all__ = ["Shop", "load_orders", "max_in_pipeline", "open_shop"]

WRITE_S = 0.02  # a slow disk


@dataclass(frozen=True)
class Shop:
    """The functions of the four stages, each of one order, and the database behind the last one."""

    check: Callable[[Order], Order]
    price: Callable[[Order], OrderRow]
    enrich: Callable[[OrderRow], OrderRow]
    load: Callable[[OrderRow], None]
    store: OrderStore


@contextmanager
def open_shop(
    database: str | PathLike[str] = ":memory:", *, latency_s: float | None = None, seed: int = 0
) -> Iterator[Shop]:
    """Start the two services and open the database, for as long as the block lasts.

    Parameters
    ----------
    database
        A file; default: a database in memory, which is gone at the end.
    latency_s
        How long the services take on average, each time another time [s]; default: as usual.
    seed
        The seed of these times.
    """
    customers = {customer["customer_id"]: customer for customer in load_customers()}
    check = OrderValidator(frozenset(customers), frozenset(load_countries()))
    settings = None
    if latency_s is not None:
        each = ServiceSettings(latency_s=latency_s, latency_spread=0.8, seed=seed)
        settings = {"profile": each, "location": each}
    with (
        serve(settings) as server,
        OrderStore(database, write_s=WRITE_S) as store,
        customer_sources(server.base_url, ("profile", "location")) as sources,
    ):
        yield Shop(check, price, Enricher(sources, customers), store.load, store)


def max_in_pipeline(trace: kv.Trace) -> int:
    """Return the largest number of orders that were read, but not loaded yet."""
    branches = trace.where(kind="branch")
    read = [(branch.ended_ns - branch.blocked_ns, 1) for branch in branches if branch.name == "source"]
    loaded = [(branch.ended_ns, -1) for branch in branches if branch.name == "load"]
    return max(accumulate(change for _, change in sorted(read + loaded)))


SOLUTIONS = {
    "exercise_1": '''
"""Workers in proportion to the time of each stage, and short queues.

- Draw the queues with `kv.queue_depth(mine)`. In front of which stage do the orders wait? That stage needs more
  workers.
- A stage processes workers / seconds orders per second. With 4 workers, `render` does 4 / 0.08 = 50. And the others?
- Longer queues do not make the pipeline faster: `buffer=4` is enough.
"""

stages = [
    kv.Stage("read", read_order, workers=1, buffer=4),
    kv.Stage("render", render, workers=4, buffer=4),
    kv.Stage("send", send, workers=2, buffer=4),
]

with kv.record(clock="virtual") as mine:
    kv.PipelineNode(stages, node_id="invoices").run(my_result := {"items": orders[100:140]})

kv.gantt(mine, group_by="node", labels=False, title="My run")
''',
}
