"""Lesson 12: a day of short and long requests, how they are answered, and the goals of a short wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import kaygraph_viz as kv
from kaygraph_viz.analysis.laws import usl_best_workers, usl_speedup
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.lessons.goals import Finding, Goal, seconds, zero_of

__all__ = ["Request", "answer", "run_day", "usl_best_workers", "usl_speedup", "waits_at_most"]

TAKES_S = {"short": 0.1, "long": 2.0}
SHORT_REQUESTS, EVERY_S = 360, 1 / 9
REPORTS, REPORTS_EVERY = 8, 90  # long requests come together, with every so many short ones


@dataclass(frozen=True)
class Request:
    """A request of a customer: its number, whether it is short or long, and when it came [ns]."""

    number: int
    kind: str
    came_ns: int


def answer(request: Request) -> int:
    """Answer a request; it takes 0.1 s or 2 s."""
    waited_s = (current_clock().now_ns() - request.came_ns) / 1e9
    with kv.span(request.kind, waited_s=waited_s):
        kv.sleep(TAKES_S[request.kind])
    return request.number


def run_day(serve_all: Callable[[Iterator[Request]], list[int]]) -> tuple[list[int], kv.Trace]:
    """Pass the requests of a day to a function, each when it comes; return its answers and the trace."""

    def coming() -> Iterator[Request]:
        number = 0
        for short in range(SHORT_REQUESTS):
            kv.sleep(EVERY_S)
            kinds = ["short"] + ["long"] * (REPORTS if short % REPORTS_EVERY == REPORTS_EVERY // 2 else 0)
            for kind in kinds:
                yield Request(number, kind, current_clock().now_ns())
                number += 1

    with kv.record(clock="virtual", capture="all") as trace:
        answers = serve_all(coming())
    return answers, trace


def waits_at_most(limit_s: float, kind: str, *, of_100: int = 100) -> Goal:
    """Require that so many of 100 requests of a kind wait at most `limit_s` [s] for their answer to begin."""

    def evaluate(trace: kv.Trace) -> Finding:
        answers = sorted(trace.where(name=kind), key=lambda each: each.attributes["waited_s"])
        if not answers:
            return Finding(False, f"no {kind} request was answered")
        found = answers[-(-len(answers) * of_100 // 100) - 1]
        wait_s = found.attributes["waited_s"]
        reason = f"{of_100} of 100 waited at most {wait_s:.2f} s"
        if wait_s <= limit_s + 1e-6:
            return Finding(True, reason)
        began_s = seconds(found.started_ns, zero_of(trace))
        return Finding(False, reason, began_s - wait_s, began_s)

    who = f"{of_100} of 100 {kind} requests wait" if of_100 < 100 else f"every {kind} request waits"
    return Goal(f"{who} at most {limit_s:g} s", evaluate)


SOLUTIONS = {
    "exercise_1": '''
"""Two pools: a long request can only wait for another long one.

- Look at the chart at 5 s: which requests do the six workers answer, and what do the short ones do meanwhile?
- As long as a worker may take either kind, all six can be busy with long requests. Which workers should never take one?
- Two pools, six workers together. By Little's law, the short requests keep 9 x 0.1 = 0.9 workers busy, and the long
  ones 0.8 x 2 = 1.6. So how many does each kind need at least?
"""


def serve_all(coming):
    with ThreadPoolExecutor(3) as for_short, ThreadPoolExecutor(3) as for_long:
        pools = {"short": for_short, "long": for_long}
        futures = [pools[request.kind].submit(answer, request) for request in coming]
    return [future.result() for future in futures]


my_answers, mine = run_day(serve_all)
kv.gantt(mine, color_by="name", labels=False, title="My run")
''',
}
