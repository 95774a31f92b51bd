"""Lesson 1: customer records, the four checks with a service that takes its time, and whether all checks were made.

Belongs here: what the lesson's cells need, under short names. Does not belong here: the checks (``patterns.checks``)
and their graph (``patterns.validation``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.course.lessons.goals import Finding as GoalFinding, Goal
from kaygraph_viz.course.patterns.checks import local_checks
from kaygraph_viz.course.patterns.records import Finding, Record
from kaygraph_viz.course.patterns.validation import compare_with_key, validation_graph
from kaygraph_viz.course.services.datasets import load_customers, load_customers_key
from kaygraph_viz.course.services.endpoints import ServiceSettings

__all__ = [
    "CheckLog",
    "Finding",
    "all_checks_made",
    "compare_with_key",
    "load_customers",
    "load_customers_key",
    "open_checks",
    "validation_graph",
]

LATENCY_S = 0.05
Check = Callable[[Record], list[Finding]]


class CheckLog(dict[str, Check]):
    """The four checks by name, which count how often each record was checked."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        super().__init__({name: self._counting(name, check) for name, check in checks.items()})
        self.made: Counter[tuple[str, str]] = Counter()

    def _counting(self, name: str, check: Check) -> Check:
        def counted(record: Record) -> list[Finding]:
            found = check(record)
            self.made[str(record["customer_id"]), name] += 1
            return found

        counted.__name__ = counted.__qualname__ = name  # what a chart of the standard library's pools says
        return counted


@contextmanager
def open_checks(customers: Sequence[Record], *, seed: int = 0, failure_rate: float = 0.0) -> Iterator[CheckLog]:
    """Start the address service on this computer and yield the four checks by name."""
    settings = ServiceSettings(latency_s=LATENCY_S, seed=seed, failure_rate=failure_rate)
    with local_checks(customers, settings) as checks:
        yield CheckLog(checks)


def all_checks_made(checks: Any, records: Sequence[Record]) -> Goal:
    """Require that each check of each record was made exactly once: a result that was known before does not count."""
    made = checks.made if isinstance(checks, CheckLog) else Counter()
    names = list(checks) if isinstance(checks, CheckLog) else []

    def evaluate(_: object) -> GoalFinding:
        wrong = [(str(record["customer_id"]), name) for record in records for name in names]
        wrong = [each for each in wrong if made[each] != 1]
        if wrong or not names:
            customer, name = wrong[0] if wrong else ("a record", "a check")
            reason = f"{len(wrong)} were not made once, the first is {name} of {customer}: {made[customer, name]} times"
            return GoalFinding(False, reason)
        return GoalFinding(True, f"all {made.total()} checks were made")

    return Goal("every check of every record is made once, during the run", evaluate)


SOLUTIONS = {
    "exercise_1": '''
"""Records side by side, with all checks of a record in one branch.

- Look at the chart: is there ever more than one long bar at the same time?
- Each record has only one wait. Which waits can overlap: those of one record, or those of many records?
- Use a `kv.ParallelBatchNode` over the records, with `max_workers=6`; its `exec` makes the four checks of one record.
"""


def check_all(records, checks):
    """Return the findings of each record, by the name of the check."""

    class CheckRecords(kv.ParallelBatchNode):
        def prep(self, shared):
            return shared["records"]

        def exec(self, record):
            return {name: check(record) for name, check in checks.items()}

        def post(self, shared, records, findings):
            shared["findings"] = findings

    shared = {"records": records}
    CheckRecords(max_workers=6).run(shared)
    return shared["findings"]


with kv.record(clock="virtual", capture="all") as mine, shop.open_checks(customers) as my_checks:
    my_findings = check_all(records, my_checks)

kv.gantt(mine, title="My run", labels=False)
''',
}
