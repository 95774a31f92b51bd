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
