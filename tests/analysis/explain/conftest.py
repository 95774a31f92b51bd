"""Small runs, and the causes that are found in them."""

from __future__ import annotations

from kaygraph_viz.analysis.explain import CAUSES, explain
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace


def call(end, *branches, start=0, workers=4, executor="thread"):
    return (bar("exec", "main", start, end, kind="phase", executor=executor, workers=workers), list(branches))


def each(count, start, end, kind="thread", **facts):
    """Return one branch for each of the first workers."""
    return [bar("b", f"{kind}-{number + 1}", start, end, **facts) for number in range(count)]


def parts_of(*trees, machine=None):
    """Return what occurred, in worker-seconds; the sum is checked."""
    trace = make_trace(*trees, machine=machine)
    found = explain(trace)
    assert list(found.parts) == list(CAUSES)
    assert sum(found.parts_ns.values()) == found.workers * found.makespan_ns
    return {name: spent for name, spent in found.parts.items() if spent}


def simulated(function, kind="thread", workers=4, **options):
    """Return what occurred in a simulated run of as many branches as workers, of which all parts are known."""
    with record(clock=VirtualClock(**options)) as trace, get_executor(kind, workers) as executor:
        list(executor.imap(function, range(workers)))
    found = explain(trace)
    assert sum(found.parts_ns.values()) == found.workers * found.makespan_ns
    return {name: spent for name, spent in found.parts.items() if spent}
