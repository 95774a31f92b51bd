"""A predicted trace knows what it was predicted from."""

from __future__ import annotations

import pickle

from kaygraph_viz.analysis.what_if.predicted_trace import PredictedTrace
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.machine import Machine
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import Trace


def test_a_prediction_says_what_it_was_predicted_from():
    phase = bar("exec", "main", 0, 2, kind="phase", executor="thread", workers=2)
    trace = make_trace((phase, [bar("a", "thread-1", 0, 1, cpu_s=0), bar("b", "thread-2", 0, 2, cpu_s=0)]))
    predicted = what_if(trace).trace(1)
    assert predicted.predicted_from == "the run with 2 workers"
    assert predicted.makespan_s == 3.0
    assert repr(predicted).endswith("predicted from the run with 2 workers>")


def test_everything_else_of_the_trace_is_kept():
    trace = Trace(make_trace(bar("a", "t-1", 0, 1)).columns, 7, machine=Machine(4, "CPython 3.11", has_gil=True))
    predicted = PredictedTrace.of(trace, "the run")
    assert (predicted.columns, predicted.dropped, predicted.machine) == (trace.columns, 7, trace.machine)
    assert pickle.loads(pickle.dumps(predicted)).predicted_from == "the run"
