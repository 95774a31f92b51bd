"""What held up a loop of coroutines, in words."""

from __future__ import annotations

from kaygraph_viz.analysis.blocked_loop import blocked_loop_sentence, blocked_loops
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import Trace


def held_up(*names: str) -> Trace:
    """Return a trace in which each task held up the loop, each for longer than the one before."""
    return make_trace(*(
        (bar(name, f"task-{at}", 0, 9), [bar("loop blocked", f"task-{at}", 1, 1 + at, kind="wait")])
        for at, name in enumerate(names, 1)
    ))  # fmt: skip


def test_the_worst_one_comes_first_and_calls_of_a_function_are_taken_together():
    found = blocked_loops(held_up("fetch", "parse", "fetch").columns)
    assert [(each.name, each.times, each.longest_ns, each.total_ns) for each in found] == [
        ("fetch", 2, 3_000_000_000, 4_000_000_000), ("parse", 1, 2_000_000_000, 2_000_000_000),
    ]  # fmt: skip


def test_the_sentence_names_the_worst_three():
    assert blocked_loop_sentence(held_up("fetch", "parse", "fetch").columns) == (
        "The loop was held up, so that no other coroutine could go on: in fetch 2 times, for 3.00 s at most and in "
        "parse for 2.00 s."
    )
    assert blocked_loop_sentence(held_up(*"abcde").columns).endswith("in c for 3.00 s and in 2 more.")


def test_a_branch_of_that_name_is_none():
    assert blocked_loop_sentence(make_trace(bar("loop blocked", "task-1", 0, 1)).columns) == ""


def test_an_explanation_tells_it():
    found = explain(held_up("fetch<b>", "parse"))
    assert found.blocked_loop in str(found)
    assert "in fetch&lt;b&gt; for 1.00 s" in found._repr_html_()
    assert explain(make_trace(bar("a", "task-1", 0, 1))).blocked_loop == ""
