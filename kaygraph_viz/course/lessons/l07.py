"""Lesson 7: the offices of a shop, how long each takes to answer, and Amdahl's law."""

from __future__ import annotations

import random
from collections import Counter

from kaygraph_viz.analysis.laws import amdahl_limit, amdahl_speedup
from kaygraph_viz.course.services.datasets import load_orders

__all__ = ["amdahl_limit", "amdahl_speedup", "answer_s", "answer_tonight_s", "orders"]

FEWEST = 6  # orders of a country; those with fewer are typing mistakes
SPREAD = 0.4

# The number of orders of each country, the largest first.
orders = {
    country: count
    for country, count in Counter(order.country for order in load_orders()).most_common()
    if count >= FEWEST
}


def answer_s(country: str) -> float:
    """Return how long an office usually takes to answer [s]: the more orders, the longer.

    >>> round(answer_s("US"), 2)
    0.9
    """
    return 0.3 + orders[country] / 2000


def answer_tonight_s(country: str) -> float:
    """Return how long an office takes on some night [s]: a random time around the usual one."""
    return answer_s(country) * random.lognormvariate(0, SPREAD)


SOLUTIONS = {
    "exercise_1": '''
"""Asking and computing in one branch, in eight processes; only collecting the results is serial.

- Look at the chart: what do the sixteen threads do while `main` computes? Which line of the class is that?
- A branch can ask and compute. Then `post` only collects the results.
- To compute in branches gains nothing as long as they share one interpreter: which kind of worker has its own?
- How many? Not more than the offices allow. `kv.what_if(mine).best_workers` says whether fewer are enough.
"""


class MyReport(Ask):
    def exec(self, country):
        return forecast(ask(country))

    def post(self, shared, countries, forecasts):
        shared["report"] = dict(zip(countries, forecasts, strict=True))


my_report, mine = make_report(MyReport, 8, "process")
kv.gantt(mine, labels=False, title="My run")
''',
}
