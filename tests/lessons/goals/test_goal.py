"""Which branches goals mean."""

from __future__ import annotations

from contextlib import suppress

from kaygraph_viz.lessons.goals import all_ok
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span


def test_a_branch_around_others_is_not_one_more():
    with record() as trace, span("around"):
        for name in ("first", "second"):
            with span(name):
                pass
    assert all_ok(2).evaluate(trace).reason == "all 2 branches succeeded"


def test_a_branch_around_others_that_fails_is_told():
    with record() as trace, suppress(ValueError), span("around"):
        with span("inside"):
            pass
        raise ValueError("no")
    assert all_ok().evaluate(trace).reason.startswith("1 of 2 branches failed, the first is around at ")
