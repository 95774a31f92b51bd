"""Two runs: which spans are the same, which got faster, and what that did to the makespan."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st

from kaygraph_viz.analysis.compare import SpanChanges, compare, match
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting


def batch(workers, durations, *, node="Fetch", post=1.0, name="page"):
    """Return a run of one node: items on workers, first come, first served."""
    free, branches = [0.0] * workers, []
    for index, spent in enumerate(durations):
        worker = free.index(min(free))
        start = free[worker]
        branches.append(bar(name, f"thread-{worker + 1}", start, start + spent, queued_s=start, index=index))
        free[worker] += spent
    end = max(free)
    phases = [(bar("exec", "main", 0, end, kind="phase", executor="thread", workers=workers), branches),
              bar("post", "main", end, end + post, kind="phase")]  # fmt: skip
    return make_trace((bar(node, "main", 0, end + post, kind="node"), phases))


def group(comparison, name):
    return next(group for group in comparison.groups if group.name == name)


@given(st.data())
def test_the_causes_add_up_to_the_change_of_the_makespan(any_run, data):
    a, b = data.draw(any_run), data.draw(any_run)
    there, back = compare(a, b), compare(b, a)
    assert sum(there.causes_ns.values()) == there.b_makespan_ns - there.a_makespan_ns
    assert back.makespan_change_s == -there.makespan_change_s
    assert len(there.spans) == len(back.spans)
    keyed = sum(s.kind in ("node", "phase", "branch") for s in a)
    assert len(there.spans) + sum(there.only_in_a.values()) == keyed
    assert str(there).startswith(there.sentence)


@given(st.data())
def test_a_run_is_the_same_as_itself(any_run, data):
    trace = data.draw(any_run)
    found = compare(trace, trace)
    assert (found.only_in_a, found.only_in_b) == ({}, {})
    assert all(change.a_id == change.b_id and change.ratio == 1 for change in found.spans)
    assert set(found.causes_ns.values()) <= {0}
    assert found.ratio == 1


def test_the_same_work_on_more_workers_is_fewer_steps_in_a_row():
    found = compare(batch(1, [2] * 8), batch(4, [2] * 8))
    assert found.makespan_change_s == -12
    pages = group(found, "page")
    assert (pages.matched, pages.ratio, pages.a_steps, pages.b_steps) == (8, 1, 8, 2)
    assert found.causes_ns["page"] == -12_000_000_000
    assert found.sentence == (
        "The second run took 5.00 s instead of 17.0 s: it ran 3.4 times as fast, mainly because of 12.0 s less "
        "in page (2 steps in sequence instead of 8); the 9 units of work in both runs took about the same time in "
        "total."
    )


def test_items_that_got_faster_are_found_by_their_number():
    found = compare(batch(2, [4, 1, 1]), batch(2, [1, 1, 1]))
    changed = [(change.name, change.index, change.change_s) for change in found.spans if change.kind == "branch"]
    assert changed == [("page", 0, -3), ("page", 1, 0), ("page", 2, 0)]
    assert found.spans[0].kind == "node"
    assert [change.index for change in found.spans[-3:-1]] == [1, 2]


def test_a_phase_that_got_slower_is_named_with_its_node():
    found = compare(batch(2, [2, 2]), batch(2, [2, 2], post=3.0))
    assert found.causes_ns["Fetch: post"] == 2_000_000_000
    assert "2.00 s more in Fetch: post (which took 3.0 times as long)" in found.sentence


def test_time_in_which_the_path_stood_still_is_a_cause():
    phase = {"kind": "phase", "executor": "process", "workers": 1}
    a = make_trace((bar("exec", "main", 0, 1, **phase), [bar("a", "process-1", 0, 1)]))
    b = make_trace((bar("exec", "main", 0, 4, **phase), [bar("a", "process-1", 3, 4, queued_s=3)]))
    assert compare(a, b).standstill_ns == {"waiting for a worker": 3_000_000_000, "between the steps": 0}
    assert "3.00 s more waiting for a worker" in compare(a, b).sentence


def test_what_only_one_run_has_is_named_and_counted():
    found = compare(batch(2, [1, 1, 1]), batch(2, [1]))
    assert (found.only_in_a, found.only_in_b) == ({"page": 2}, {})
    assert "Only in the first run: page (2)." in str(found)


def test_runs_of_different_things_have_nothing_in_common():
    found = compare(batch(1, [1]), batch(1, [1], node="Store", name="row"))
    assert len(found.spans) == 0
    assert "no unit of work in common" in found.sentence
    assert found.only_in_b == {"Store": 1, "Store: exec": 1, "Store: post": 1, "row": 1}


def test_runs_that_differ_by_a_hair_took_about_as_long():
    found = compare(batch(1, [1, 1]), batch(1, [1, 1.01]))
    assert "it took about the same time" in found.sentence
    assert "mostly" not in found.sentence


def test_something_that_took_no_time_before_has_no_finite_ratio():
    found = compare(batch(1, [0]), batch(1, [1]))
    assert math.inf in [change.ratio for change in found.spans]
    assert "inf" not in str(found)


def test_an_empty_run_cannot_be_compared():
    for a, b in ((make_trace(), batch(1, [1])), (batch(1, [1]), make_trace()), (make_trace(), make_trace())):
        found = compare(a, b)
        assert "cannot be compared" in str(found)
        assert sum(found.causes_ns.values()) == found.b_makespan_ns - found.a_makespan_ns


def test_the_table_of_many_names_is_cut_and_still_adds_up():
    spans = [bar(f"n{number}", "main", number, number + 1, kind="phase") for number in range(30)]
    longer = [bar(f"n{number}", "main", 2 * number, 2 * number + 2, kind="phase") for number in range(30)]
    text = str(compare(make_trace(*spans), make_trace(*longer)))
    assert "19 others" in text
    assert "+19.0 s" in text


def test_what_took_no_time_in_either_run_is_not_in_the_table():
    def took(end_s):
        return make_trace(bar("prep", "main", 0, 0, kind="phase"), bar("page", "t-1", 0, end_s))

    found = compare(took(4), took(2))
    assert {group.name for group in found.groups} == {"prep", "page"}
    assert [line.split()[0] for line in str(found).splitlines()[3:]] == ["page", "waiting", "between", "makespan"]


def test_the_html_is_escaped():
    made = compare(make_trace(bar("<b>", "t", 0, 1)), make_trace(bar("<i>", "t", 0, 1)))._repr_html_()
    assert "<b>" not in made
    assert "<i>" not in made
    assert "&lt;i&gt; (1)" in made


def pairs(a, b):
    """Return what was paired, as (number in a, number in b)."""
    found = match(Nesting.of(a.columns), Nesting.of(b.columns))
    return [(a.spans[first].span_id, b.spans[second].span_id)
            for first, second in zip(found.first.tolist(), found.second.tolist(), strict=True)]  # fmt: skip


def test_a_graph_around_a_node_makes_no_difference():
    node = bar("n", "main", 0, 1, kind="node", span_id=7)
    assert pairs(make_trace(node), make_trace((bar("g", "main", 0, 1, kind="graph"), [node]))) == [(7, 7)]


def test_a_node_that_runs_twice_is_matched_in_turn():
    a = make_trace(bar("n", "main", 0, 1, kind="node", span_id=1), bar("n", "main", 1, 2, kind="node", span_id=2))
    b = make_trace(bar("n", "main", 0, 1, kind="node", span_id=8), bar("n", "main", 1, 2, kind="node", span_id=9))
    assert pairs(a, b) == [(1, 8), (2, 9)]


def test_nodes_within_items_go_by_their_item_and_not_by_who_was_first():
    def run(first, second):
        items = [
            (bar("item", f"t-{i}", at, at + 1, index=i, span_id=i + 1),
             [bar("exec", f"t-{i}", at, at + 1, kind="phase", span_id=10 + i)])
            for i, at in ((0, first), (1, second))
        ]  # fmt: skip
        return make_trace(*items)

    assert sorted(pairs(run(0, 1), run(1, 0))) == [(1, 1), (2, 2), (10, 10), (11, 11)]


def test_phases_of_different_nodes_are_not_the_same():
    a = make_trace((bar("n", "main", 0, 1, kind="node"), [bar("prep", "main", 0, 1, kind="phase")]))
    b = make_trace((bar("m", "main", 0, 1, kind="node"), [bar("prep", "main", 0, 1, kind="phase")]))
    assert pairs(a, b) == []


def test_changes_of_spans_are_a_sequence():
    a = make_trace(bar("page", "t", 0, 2, index=0), bar("page", "t", 2, 3, index=1)).columns
    b = make_trace(bar("page", "t", 0, 1, index=0), bar("page", "t", 1, 3, index=1)).columns
    found = match(Nesting.of(a), Nesting.of(b))
    changes = SpanChanges(a, b, found.first, found.second)
    assert [(change.index, change.change_s, change.ratio) for change in changes] == [(0, -1, 0.5), (1, 1, 2)]
    assert changes[-1] == changes[0:2][1]
    assert repr(changes) == "<2 spans in both runs>"
