"""Lesson 2: customers, the four services and their graph, and what the log of the services proves.

Belongs here: what the lesson's cells need, under short names. Does not belong here: the services (``services``) and the
nodes that ask them (``patterns.enrichment``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.course.lessons.goals import Finding, Goal
from kaygraph_viz.course.patterns.enrichment import enrichment_graph
from kaygraph_viz.course.patterns.records import Record
from kaygraph_viz.course.patterns.sources import customer_sources
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.endpoints import LoggedRequest, ServiceSettings
from kaygraph_viz.course.services.server import serve

__all__ = [
    "ServiceSettings",
    "customer_sources",
    "each_source_is_asked",
    "enrichment_graph",
    "load_customers",
    "most_in_one_second",
    "refused",
    "serve",
    "within_limit",
]

SOURCES = ("profile", "location", "social", "company")
SECOND_NS = 1_000_000_000
Requests = Sequence[LoggedRequest]


def refused(requests: Requests) -> int:
    """Return how many calls a service refused, since they were too many."""
    return sum(request.status == 429 for request in requests)


def most_in_one_second(requests: Requests, service: str) -> int:
    """Return the largest number of calls that one service got within any second."""
    times = sorted(request.received_ns for request in requests if request.path == f"/{service}")
    return max((sum(first <= time < first + SECOND_NS for time in times) for first in times), default=0)


def within_limit(requests: Requests, service: str, per_second: int) -> Goal:
    """Require that a service refused no call, and never got more than a number of calls within one second."""

    def evaluate(_: object) -> Finding:
        if count := refused(requests):
            return Finding(False, f"{counted(count, 'call was', 'calls were')} refused")
        most = most_in_one_second(requests, service)
        return Finding(most <= per_second, f"none was refused, and {service} got at most {most} calls in one second")

    return Goal(f"no refused call, and never more than {per_second} calls to {service} in one second", evaluate)


def each_source_is_asked(requests: Requests, records: Sequence[Record]) -> Goal:
    """Require that the log of the services has as many answers of each source as there are records."""
    answered = Counter(request.path for request in requests if request.status in (200, 404))

    def evaluate(_: object) -> Finding:
        poor = [f"/{name}" for name in SOURCES if answered[f"/{name}"] < len(records)]
        if poor:
            reason = f"{poor[0][1:]} answered {answered[poor[0]]} questions, but there are {len(records)} customers"
            return Finding(False, reason)
        return Finding(True, f"each of the {len(SOURCES)} services answered about {len(records)} customers")

    return Goal("every service is asked about every customer", evaluate)


SOLUTIONS = {
    "exercise_1": '''
"""Eight records at once, and a rate limit for the service that refuses more calls.

- All of it is waiting. Which executor asks the four sources of a record at once, and how many records may run at once?
- With many calls at once, the service refuses some. What keeps the calls to a source below its limit?
- `shop.customer_sources` takes `limits`: a dict from the name of a source to a `kv.RateLimit`, or one for each source.
"""

rules = {"social": shop.ServiceSettings(latency_s=0.06, latency_spread=0.8, rate_limit=20)}

with kv.record(clock="virtual") as mine, shop.serve(rules) as my_server:
    limits = {"social": kv.RateLimit(per_second=20)}
    with shop.customer_sources(my_server.base_url, deadline_s=2, limits=limits) as sources:
        shop.enrichment_graph(sources, max_workers=8, executor="thread").run({"records": customers[100:124]})

kv.gantt(mine, labels=False, title="My run")
''',
}
