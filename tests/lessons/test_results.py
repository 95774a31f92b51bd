"""Results as plain data: fingerprints of runs."""

from __future__ import annotations

from kaygraph_viz.lessons.results import digest
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import load


def simulated():
    with record(clock="virtual") as trace, span("work"):
        pass
    return trace


def test_equal_runs_have_one_fingerprint(tmp_path):
    assert digest(simulated()) == digest(simulated())
    assert digest(load(simulated().save(tmp_path / "a.jsonl"))) == digest(simulated())


def test_other_runs_have_another():
    runs = [
        make_trace(bar("a", "t-1", 0, 1)),
        make_trace(bar("b", "t-1", 0, 1)),
        make_trace(bar("a", "t-2", 0, 1)),
        make_trace(bar("a", "t-1", 0, 2)),
        make_trace(bar("a", "t-1", 1, 2, queued_s=1)),
        make_trace(bar("a", "t-1", 0, 1, status="error", error="no")),
        make_trace(bar("\ud800", "t-1", 0, 1)),
        make_trace(),
    ]
    assert len({digest(run) for run in runs}) == len(runs)
