"""Names of branches, phases and nodes in tables."""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.wording import named
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting


def test_branches_with_many_names_are_called_after_their_node():
    def texts(count):
        branches = [bar(f"map {number}", f"t-{number}", 0, 1) for number in range(count)]
        trace = make_trace((bar("Count", "main", 0, 1, kind="node"), branches))
        return set(named(Nesting.of(trace.columns), np.arange(len(trace)))[1])

    assert texts(3) == {"Count", "map 0", "map 1", "map 2"}
    assert texts(30) == {"Count"}


def test_branches_without_a_node_keep_their_names():
    trace = make_trace(*(bar(f"job {number}", f"t-{number}", 0, 1) for number in range(30)))
    assert len(named(Nesting.of(trace.columns), np.arange(30))[1]) == 30


def test_phases_and_attempts_are_called_after_their_node():
    inside = [
        bar("prep", "main", 0, 1, kind="phase"),
        (bar("page", "t-1", 1, 2), [bar("attempt 1", "t-1", 1, 2, kind="attempt")]),
    ]
    trace = make_trace((bar("Check", "main", 0, 2, kind="node"), inside))
    number, texts = named(Nesting.of(trace.columns), np.arange(len(trace)))
    assert [texts[each] for each in number] == ["Check", "Check: prep", "page", "Check: attempt 1"]


def test_the_same_phase_of_two_nodes_has_two_names():
    nodes = [(bar(name, "main", at, at + 1, kind="node"), [bar("prep", "main", at, at + 1, kind="phase")])
             for at, name in enumerate("ab")]  # fmt: skip
    trace = make_trace(*nodes)
    phases = np.flatnonzero(trace.columns.is_kind("phase"))
    number, texts = named(Nesting.of(trace.columns), phases)
    assert [texts[each] for each in number] == ["a: prep", "b: prep"]
