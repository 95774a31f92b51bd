"""How the time of the workers was used: each cause alone, and the sum for any run."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.explain import CAUSES, USEFUL, explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.recorder import span
from tests.analysis.explain.conftest import call, each, parts_of


@given(st.data())
def test_the_parts_add_up_to_the_nanosecond(any_run, data):
    trace = data.draw(any_run)
    found, summary = explain(trace), summarize(trace)
    assert sum(found.parts_ns.values()) == found.workers * found.makespan_ns
    assert all(spent >= 0 for spent in found.parts_ns.values())
    assert found.workers == summary.workers
    assert found.makespan_s == summary.makespan_s
    assert found.useful_workers * found.makespan_s <= summary.work_s + 1e-6


@given(st.data())
def test_an_explanation_can_be_read(any_run, data):
    found = explain(data.draw(any_run))
    assert found.sentence.endswith(".")
    assert "\n" not in found.sentence
    assert str(found).startswith(found.sentence)


def test_workers_that_are_always_busy_do_useful_work():
    found = explain(make_trace(call(2, *each(4, 0, 1), *each(4, 1, 2, queued_s=1))))
    assert found.parts == {name: 8 if name == USEFUL else 0 for name in CAUSES}
    assert (found.useful_workers, found.losses) == (4, {})
    assert found.sentence == "On average 4.0 of 4 workers did useful work, which took nearly all of the worker time."
    assert "To reduce" not in str(found)


def test_threads_that_compute_wait_for_the_gil():
    found = explain(make_trace(call(4, *each(4, 0, 4, cpu_s=1))))
    assert (found.parts[USEFUL], found.parts["waiting for the GIL"]) == (4, 12)
    said = "On average 1.0 of 4 workers did useful work; waiting for the GIL took 75% of the worker time."
    assert found.sentence == said


def test_one_worker_is_told_that_it_does_one_thing_at_a_time():
    tree = call(3, bar("a", "main", 0, 1), bar("b", "main", 2, 3, queued_s=2), workers=1, executor="serial")
    found = explain(make_trace(tree))
    assert found.sentence == (
        "One worker runs one branch at a time; useful work took 67% of the worker time and dispatch 33%."
    )


def test_the_largest_losses_are_named_in_their_order():
    phases = [bar("prep", "main", 0, 2, kind="phase"),
              call(6, bar("long", "thread-1", 2, 6), *each(4, 2, 3)[1:], start=2)]  # fmt: skip
    found = explain(make_trace((bar("n", "main", 0, 6, kind="node"), phases)))
    assert list(found.losses) == ["straggler tail", "serial parts"]
    assert found.sentence == (
        "On average 1.5 of 4 workers did useful work; the straggler tail took 38% of the worker time and "
        "serial parts 25%."
    )
    assert str(found).endswith("start the longest items first, or split them into smaller ones.")
    assert sum(found.shares.values()) == pytest.approx(1)


def test_the_table_is_sorted_and_has_the_causes_that_occurred():
    lines = str(explain(make_trace(call(5, bar("long", "thread-1", 0, 5), *each(4, 0, 1)[1:])))).splitlines()
    table = lines[2:-2]
    assert table[1].split()[:3] == ["straggler", "tail", "60%"]
    assert table[2].startswith(USEFUL)
    assert [name for name in CAUSES if any(line.startswith(name) for line in table)] == [USEFUL, "straggler tail"]
    assert table[-1].startswith("total")


def test_the_html_says_what_would_help():
    made = explain(make_trace(call(5, bar("long", "thread-1", 0, 5), *each(4, 0, 1)[1:])))._repr_html_()
    assert "start the longest items first" in made
    assert made.startswith("<p>On average 1.6 of 4 workers")


@pytest.mark.parametrize("trace", [make_trace(), make_trace(bar("g", "main", 0, 1, kind="graph"))], ids=["no", "graph"])
def test_without_any_work_there_is_nothing_to_explain(trace):
    found = explain(trace)
    assert str(found) == found.sentence == "Nothing was recorded."
    assert found._repr_html_() == "<p>Nothing was recorded.</p>"
    assert set(found.parts.values()) == {0}
    assert found.useful_workers == 0


def test_a_live_trace_is_explained_as_far_as_it_goes():
    clock = FakeClock()
    with record(clock=clock) as trace:
        with span("a"):
            clock.sleep(1)
        with span("still running"):
            assert explain(trace).parts[USEFUL] == 1


def test_a_note_that_no_call_can_have_left_does_no_harm():
    phase = bar("exec", "main", 0, 2, kind="phase", executor="thread", workers=-5)
    assert parts_of((phase, [bar("a", "thread-1", 0, 2)])) == {USEFUL: 2}


def test_an_explanation_can_be_sent_to_another_process():
    found = explain(make_trace(call(2, *each(2, 0, 2))))
    assert pickle.loads(pickle.dumps(found)) == found


def test_what_is_known_is_not_called_an_upper_bound():
    turns = [("cpu", 1), ("gil", 1), ("cpu", 1)], [("gil", 1), ("cpu", 1), ("gil", 1), ("cpu", 1)]
    known = make_trace(bar("a", "thread-1", 0, 3, cpu_s=2, parts=turns[0]), bar("b", "thread-2", 0, 4, cpu_s=2, parts=turns[1]))  # noqa: E501  # fmt: skip
    guessed = make_trace(bar("a", "thread-1", 0, 3, cpu_s=2), bar("b", "thread-2", 0, 4, cpu_s=2))
    assert "upper limit" not in str(explain(known))
    assert "upper limit" in str(explain(guessed))
    assert explain(guessed).estimated == {"waiting for the GIL"}
