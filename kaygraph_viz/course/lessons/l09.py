"""Lesson 9: whether Dask is here, and a simulated cluster on which sending takes time.

The real cluster of the lesson is Dask's; how long a message takes there differs from machine to machine. This one takes
`MESSAGE_S` for each message, and one second for `BYTES_PER_S`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle

import kaygraph_viz as kv
from kaygraph_viz.course.lessons.goals import Finding, Goal
from kaygraph_viz.course.lessons.in_browser import is_here

__all__ = ["all_computed_there", "dask_is_here", "evaluate", "on_cluster", "sending_at_most", "sending_share", "years"]

MESSAGE_S = 0.005
BYTES_PER_S = 10_000_000
EVALUATE_S = 0.002

_chance = random.Random(9)  # measurements that are the same for every reader
# The measurements of four stations: for each day of a year, one for each hour [degrees Celsius].
years = {
    station: [[round(_chance.gauss(10, 8), 1) for _ in range(24)] for _ in range(365)]
    for station in ("north", "east", "south", "west")
}


def dask_is_here() -> bool:
    """Return whether Dask is installed, and say how to install it where it is not."""
    return is_here("distributed")


def evaluate(day: Sequence[float]) -> float:
    """Return the mean of the measurements of a day; it takes 2 ms of computing."""
    kv.compute(EVALUATE_S)
    return round(sum(day) / len(day), 2)


def on_cluster(work: Callable[[Any], Any], parts: Sequence[Any], workers: int = 8) -> tuple[list[Any], kv.Trace]:
    """Run `work` for each part on a simulated cluster, where sending takes time; return the results and the trace."""
    packed = len(cloudpickle.dumps(work))

    def received(part: Any) -> Any:
        kv.sleep(MESSAGE_S + (packed + len(cloudpickle.dumps(part))) / BYTES_PER_S)  # sending
        return work(part)

    clock = kv.VirtualClock(cores=None)  # each worker is a computer of its own
    with kv.record(clock=clock) as trace, kv.get_executor("dask", workers) as cluster:
        results = [outcome.unwrap() for outcome in cluster.imap(received, parts, name="message")]
    return results, trace


def sending_share(trace: kv.Trace) -> float:
    """Return which share of the time of all messages is sending, 0 to 1: the time in which they do not compute."""
    messages = trace.where(kind="branch")
    in_all_s = sum(each.service_s for each in messages)
    return 1 - sum(each.cpu_ns or 0 for each in messages) / 1e9 / in_all_s if in_all_s else 0.0


def sending_at_most(share: float) -> Goal:
    """Require that sending takes at most a share of the time of all messages, 0 to 1."""

    def evaluate_trace(trace: kv.Trace) -> Finding:
        found = sending_share(trace)
        messages = len(trace.where(kind="branch"))
        return Finding(found <= share, f"{messages:,} messages, and sending took {found:.0%} of their time")

    return Goal(f"at most {share:.0%} of the time is sending", evaluate_trace)


def all_computed_there(baseline: kv.Trace) -> Goal:
    """Require that the workers of the cluster evaluate as many days as in another run."""
    expected = _days_in(baseline)

    def evaluate_trace(trace: kv.Trace) -> Finding:
        found = _days_in(trace)
        return Finding(found == expected, f"the cluster evaluated {found:,} of {expected:,} days")

    return Goal("every day is evaluated once, and on the cluster", evaluate_trace)


def _days_in(trace: kv.Trace) -> int:
    return round((kv.summarize(trace).cpu_s or 0) / EVALUATE_S)


SOLUTIONS = {
    "exercise_1": '''
"""Chunks of some days, and only the measurements that a chunk needs.

- Look at `kv.gantt(mine)`: what do the workers do most of the time? How many messages are there, and what is in one?
- A day needs its own 24 measurements, and not those of the whole year. `weather.years["north"][0]` is one day.
- Put 15 to 100 days into each part; then `my_work` returns a list, and `my_results` joins the lists to a single one.
"""


def my_parts():
    days = [day for year in weather.years.values() for day in year]
    return [days[start : start + 40] for start in range(0, len(days), 40)]


def my_work(part):
    return [weather.evaluate(day) for day in part]


def my_results(results):
    return [number for chunk in results for number in chunk]


answers, mine = weather.on_cluster(my_work, my_parts())
my_answers = my_results(answers)
''',
}
