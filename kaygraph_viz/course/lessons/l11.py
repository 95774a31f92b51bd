"""Lesson 11: a bank whose connection breaks, the goal of its exercise, and a chart of lags.

The stream of events is that of ``patterns.stream``, and the shop that of lesson 05 (``l05``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import kaygraph_viz as kv
from kaygraph_viz.course.lessons.goals import Finding, Goal
from kaygraph_viz.course.lessons.l05 import load_orders, open_shop
from kaygraph_viz.course.patterns.stream import EventStream, StreamResult, stream_graph
from kaygraph_viz.course.services.datasets import Order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Bank",
    "EventStream",
    "booked_once",
    "lag_chart",
    "load_orders",
    "open_shop",
    "paid_one_by_one",
    "stream_graph",
]

CHARGE_S, LOOK_S = 0.05, 0.02
ANSWER_LOST, CALL_LOST = 13, 22  # the numbers of two calls


class Bank:
    """A bank that books payments, and whose connection breaks twice.

    The first time the payment is booked, and only the answer is lost. The second time nothing is booked.
    """

    def __init__(self) -> None:
        self._lock = kv.Lock()
        self._calls = 0
        self._keys: set[Any] = set()
        self._bookings: list[tuple[str, int]] = []

    def charge(self, order_id: str, cents: int, key: Any = None) -> None:
        """Book a payment; with a `key` that was booked before, do nothing.

        Raises
        ------
        ConnectionError
            If the connection breaks. Nobody knows then whether the payment was booked.
        """
        kv.sleep(CHARGE_S)
        with self._lock:
            self._calls += 1
            call = self._calls
            if call != CALL_LOST and (key is None or key not in self._keys):
                self._keys.add(key)
                self._bookings.append((order_id, cents))
        if call in (ANSWER_LOST, CALL_LOST):
            raise ConnectionError(f"no answer for order {order_id}")

    def is_paid(self, order_id: str) -> bool:
        """Ask whether an order was booked."""
        kv.sleep(LOOK_S)
        return any(booked == order_id for booked, _ in self._bookings)

    @property
    def bookings(self) -> list[tuple[str, int]]:
        """The number and the amount [cents] of each payment, in order."""
        return list(self._bookings)

    @property
    def has_broken(self) -> bool:
        """Whether the connection broke twice."""
        return self._calls >= CALL_LOST


def booked_once(bank: Any, orders: Sequence[Order]) -> Goal:
    """Require that each order was booked once with its amount, although the connection broke twice."""

    def evaluate(trace: kv.Trace) -> Finding:
        if type(bank) is not Bank or not bank.has_broken:
            return Finding(False, "the connection did not break twice: use Bank(), and charge all orders")
        found = Counter(bank.bookings)
        for order in orders:
            if found[order.order_id, order.total_cents] != 1:
                times = sum(order_id == order.order_id for order_id, _ in bank.bookings)
                return Finding(False, f"{order.order_id} was booked {times} times, expected once")
        extra = len(bank.bookings) - len(orders)
        return Finding(not extra, f"{extra} more payments were booked" if extra else f"all {len(orders)} were")

    return Goal("every order is booked exactly once", evaluate)


def paid_one_by_one(orders: Sequence[Order]) -> kv.Trace:
    """Return the run of one worker that charges all orders, beginning anew whenever the connection breaks."""
    bank, is_done = Bank(), False
    with kv.record(clock="virtual") as trace:
        while not is_done:
            with suppress(ConnectionError), kv.span("charge"):
                for order in orders:
                    bank.charge(order.order_id, order.total_cents, key=order.order_id)
                is_done = True
    return trace


def lag_chart(streams: Mapping[int, StreamResult], rush: tuple[float, float]) -> Axes:
    """Draw the lag of each window over its end, a line for each number of workers; return the Axes."""
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(9.5, 3.2), layout="constrained")
    ax.axvspan(*rush, color="#E69F00", alpha=0.2)
    for (workers, result), marker in zip(streams.items(), "osD^v", strict=False):
        ends_s = [window.end_s for window in result.windows]
        ax.plot(ends_s, [window.lag_s for window in result.windows], marker=marker, label=f"{workers} workers")
    ax.annotate("rush", (sum(rush) / 2, ax.get_ylim()[1]), ha="center", va="bottom", color="#7A5500")
    ax.set_xlabel("end of the window [s]")
    ax.set_ylabel("lag [s]")
    ax.legend(frameon=False)
    return ax


SOLUTIONS = {
    "exercise_1": '''
"""The order number is the key of its payment, so that the bank books it once however often it is sent.

- Run the cell as it is, and look at `bank.bookings`. Which orders are there more than once, and in which run were they
  booked?
- A list of your own about what was paid is not enough: at the first break the payment was booked, and your program
  never heard of it. Who knows it?
- Give `bank.charge` a key that is the same each time this order is sent, and another one for each order.
"""

bank = Bank()


def charge(order):
    bank.charge(order.order_id, order.total_cents, key=order.order_id)
    return order.order_id


def pay_all():
    stages = [kv.Stage("charge", charge, workers=3, buffer=4)]
    kv.PipelineNode(stages, node_id="payments", on_error="raise").run(shared := {"items": few})
    return shared["result"].values


with kv.record(clock="virtual") as mine:
    paid = None
    while paid is None:  # until a run gets through
        try:
            paid = pay_all()
        except ConnectionError as error:
            print("stopped by:", error)

kv.gantt(mine, group_by="node", labels=False, title="My run")
''',
    "puzzle_1": '''
"""The first five results of an endless source; the lesson shuffles these lines."""


class FirstFive(kv.PipelineNode):
    def prep(self, shared):
        return itertools.count(1)

    def exec(self, run):
        return [outcome.value for outcome in itertools.islice(run, 5)]

    def post(self, shared, source, squares):
        shared["squares"] = squares


FirstFive([kv.Stage("square", lambda number: number**2)]).run(shared := {})
''',
}
