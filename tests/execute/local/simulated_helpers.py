"""What tests of simulated workers share: running a batch in simulated time, and reading its bars in seconds."""

from __future__ import annotations

from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

S = 10**9


def now_s():
    return current_clock().now_ns() / S


def bars(trace, kind="branch"):
    """Return the item, begin, end [s] and status of each bar, by item."""
    found = [(s.index, s.started_ns / S, s.ended_ns / S, s.status) for s in trace.where(kind=kind)]
    return sorted(found, key=lambda bar: bar[0])


def run(kind, function, items, workers=2, clock=None, **options):
    """Return the outcomes of a batch, its trace, and when it was over [s]."""
    clock = clock or VirtualClock()
    with record(clock=clock) as trace, get_executor(kind, workers) as executor:
        outcomes = list(executor.imap(function, items, **options))
        over_s = clock.now_ns() / S
    return outcomes, trace.validate(), over_s
