"""The numbers of one run, the words and names in which they are said, and what is said of profiles."""

from __future__ import annotations

import html
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis import summary as metrics
from kaygraph_viz.analysis.critical_path import critical_path
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.serial_time import Estimate
from kaygraph_viz.analysis.summary import Summary, summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.analysis.wording import duration, html_table, join_words, named, significant
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.export.loading import load
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.columns import SPAN_DTYPE, SpanColumns
from kaygraph_viz.trace.nesting import PROFILE, Nesting, is_profile
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.span import KINDS
from kaygraph_viz.trace.trace import Trace

lengths = st.integers(0, 50).map(lambda value: value / 8)


@given(st.data())
def test_the_laws_of_a_run_hold(any_run, data):
    trace = data.draw(any_run)
    found, resolution = summarize(trace), 1e-9
    assert found.critical_path_s <= found.makespan_s + resolution
    assert found.efficiency * found.workers == pytest.approx(found.speedup)
    assert found.peak_concurrency <= found.workers
    assert found.mean_concurrency <= found.peak_concurrency + resolution
    assert found.makespan_s == pytest.approx(trace.makespan_s)


def test_four_branches_on_two_workers():
    branches = [bar("b", f"process-{i % 2 + 1}", i // 2, i // 2 + 1, queued_s=i // 2, cpu_s=0.25) for i in range(4)]
    found = summarize(make_trace((bar("exec", "main", 0, 2, kind="phase"), branches)))
    assert (found.makespan_s, found.work_s, found.cpu_s) == (2.0, 4.0, 1.0)
    assert (found.speedup, found.workers, found.efficiency) == (2.0, 2, 1.0)
    assert (found.peak_concurrency, found.mean_concurrency) == (2, 2.0)
    assert (found.queue_wait_s, found.max_queue_wait_s, found.critical_path_s) == (0.5, 1.0, 1.0)
    assert (found.counts["branches"], found.counts["ok"], found.counts["error"]) == (4, 4, 0)


def test_lanes_that_ran_only_prep_and_post_are_no_workers():
    phases = [bar("prep", "main", 0, 1, kind="phase"),
              (bar("exec", "main", 1, 2, kind="phase"), [bar("a", "thread-1", 1, 2)])]  # fmt: skip
    assert summarize(make_trace((bar("n", "main", 0, 2, kind="node"), phases))).workers == 1


def test_phases_within_branches_are_run_by_workers():
    items = [(bar("item", f"thread-{i}", 1, 2), [bar("exec", f"thread-{i}", 1, 2, kind="phase")]) for i in (1, 2, 3)]
    trace = make_trace(bar("prep", "main", 0, 1, kind="phase"), *items)
    assert summarize(trace).workers == 3


def test_failures_and_retries_are_counted():
    found = summarize(make_trace(bar("a", "t", 0, 1, status="error", attempt=3), bar("b", "u", 0, 1, status="timeout"),
                                 bar("c", "v", 0, 1), dropped=5))  # fmt: skip
    assert {key: found.counts[key] for key in ("ok", "error", "timeout", "retries", "dropped")} == {
        "ok": 1, "error": 1, "timeout": 1, "retries": 2, "dropped": 5,
    }  # fmt: skip
    assert "1 failed, 1 timed out and 2 retries" in found.sentence
    assert "5 spans not kept" in str(found)


def test_cpu_is_none_where_it_was_never_measured():
    assert summarize(make_trace(bar("a", "t", 0, 1))).cpu_s is None
    assert summarize(make_trace(bar("a", "t", 0, 1), bar("b", "t", 1, 2, cpu_s=0))).cpu_s == 0.0


def test_an_empty_trace_gives_zeros():
    found = summarize(make_trace())
    assert found == Summary()
    assert str(found) == found.sentence == "Nothing was recorded."


def test_a_trace_without_duration_gives_zeros():
    found = summarize(make_trace(bar("a", "t", 0, 0)))
    assert (found.makespan_s, found.speedup, found.efficiency, found.workers) == (0.0, 0.0, 0.0, 1)


def test_a_live_trace_counts_what_has_ended():
    clock = FakeClock()
    with record(clock=clock) as trace:
        assert summarize(trace).makespan_s == 0.0
        with span("exec", kind="phase"), span("a"):
            clock.sleep(1)
        with span("still running"):
            assert summarize(trace).work_s == 1.0


def test_phases_add_up_and_the_longest_branch_counts():
    branches = [bar("a", "t", 1, 4), bar("b", "t", 4, 5), bar("c", "u", 1, 3)]
    phases = [bar("prep", "main", 0, 1, kind="phase"),
              (bar("exec", "main", 1, 5, kind="phase"), branches),
              bar("post", "main", 5, 7, kind="phase")]  # fmt: skip
    trace = make_trace((bar("n", "main", 0, 7, kind="node"), phases), bar("later", "main", 8, 9, kind="node"))
    assert summarize(trace).critical_path_s == 6.0


def test_an_abandoned_branch_does_not_stretch_the_path_beyond_the_run():
    phases = [(bar("exec", "main", 0, 1, kind="phase"), [bar("slow", "t", 0, 10, status="abandoned")]),
              bar("post", "main", 1, 6, kind="phase")]  # fmt: skip
    found = summarize(make_trace((bar("n", "main", 0, 6, kind="node"), phases)))
    assert found.critical_path_s == 6.0


# -- speedup --------------------------------------------------------------------------------------------------------


def waits(count, workers, lasts_s=1.0):
    """Return a run in which branches only wait."""
    bars = [bar("b", f"thread-{n % workers + 1}", n // workers * lasts_s, (n // workers + 1) * lasts_s, cpu_s=0,
                queued_s=n // workers * lasts_s) for n in range(count)]  # fmt: skip
    end = -(-count // workers) * lasts_s
    return make_trace((bar("exec", "main", 0, end, kind="phase", executor="thread", workers=workers), bars))


def test_a_speedup_is_measured_where_a_serial_run_is_given():
    found = summarize(waits(4, 4), serial=waits(4, 1, lasts_s=1.5))
    assert (found.serial_s, found.speedup, found.efficiency, found.speedup_source) == (6.0, 6.0, 1.5, "measured")
    assert found.speedup_low == found.speedup_high == found.speedup


def test_an_estimate_has_a_band():
    found = summarize(waits(4, 4))
    assert found.speedup_source == "estimated"
    assert found.speedup_low <= found.speedup <= found.speedup_high
    assert found.speedup == 4.0


@pytest.mark.parametrize(
    ("trace", "serial", "took", "says"),
    [
        (waits(8, 4), None, "8 branches on 4 workers took 2.00 s",
         " instead of about 8.00 s one after the other: about 4.0 times as fast, an efficiency of 100%."),
        (waits(8, 4), waits(8, 1, 0.8), "8 branches on 4 workers took 2.00 s",
         " instead of 6.40 s one after the other, as measured: 3.2 times as fast, an efficiency of 80%."),
        (waits(8, 4), waits(1, 1, 2), "8 branches on 4 workers took 2.00 s",
         ", and 2.00 s one after the other, as measured: no speedup."),
        (waits(8, 4), waits(1, 1), "8 branches on 4 workers took 2.00 s",
         ", but 1.00 s one after the other, as measured: 2.0 times as long."),
        (waits(8, 4), waits(1, 1, 1.6), "8 branches on 4 workers took 2.00 s",
         ", but 1.60 s one after the other, as measured: 25% slower."),
        (waits(2, 1), None, "2 branches on 1 worker took 2.00 s",
         ", of which 2.00 s was work: one worker runs one branch at a time."),
        (waits(2, 1), waits(2, 1), "2 branches on 1 worker took 2.00 s",
         ", and 2.00 s one after the other, as measured: no speedup."),
    ],
    ids=["estimated", "measured", "no faster", "far slower", "slower", "one worker", "one worker, measured"],
)  # fmt: skip
def test_the_sentence_says_how_many_times_as_fast_and_where_that_comes_from(trace, serial, took, says):
    assert summarize(trace, serial=serial).sentence == took + says


def test_an_estimate_that_is_slower_is_marked():
    trace = make_trace((bar("exec", "main", 0, 4, kind="phase", executor="process", workers=2),
                        [bar("b", f"process-{n}", 3, 3.5, cpu_s=0, queued_s=3) for n in (1, 2)]))  # fmt: skip
    assert "4.00 s, but about 1.00 s one after the other: about 4.0 times as long." in summarize(trace).sentence


def test_the_table_says_where_the_speedup_comes_from():
    assert "about 4.00   about 4.00 s one after the other / makespan" in str(summarize(waits(4, 4)))
    measured = str(summarize(waits(4, 4), serial=waits(4, 1)))
    assert "4.00 s one after the other, as measured / makespan" in measured
    assert "about" not in measured


@pytest.mark.parametrize("serial", [3, "trace", make_trace(), make_trace(bar("a", "t", 0, 0))])
def test_what_is_no_serial_run_is_refused(serial):
    with pytest.raises(
        OptionError, match=r"serial must be the trace of a run .* For example: summarize\(trace, serial="
    ):
        summarize(waits(4, 4), serial=serial)


def test_the_estimate_is_not_made_before_it_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(metrics, "serial_estimate", lambda trace: asked.append(trace) or Estimate(2.0, 2.0, 2.0))
    found = summarize(waits(4, 4))
    assert (found.mean_concurrency, asked) == (4.0, [])
    assert (found.speedup, found.speedup_low, found.efficiency, len(asked)) == (2.0, 2.0, 0.5, 1)


def test_the_estimate_of_a_live_trace_is_of_the_moment_of_the_summary():
    clock = FakeClock()
    with record(clock=clock) as trace:
        with span("a"):
            clock.sleep(1)
        found = summarize(trace)
        with span("b"):
            clock.sleep(1)
    assert (found.makespan_s, found.serial_s) == (1.0, 1.0)


def test_the_table_is_aligned_and_its_html_escaped():
    found = summarize(make_trace(bar("<b>", "t", 0, 1)))
    lines = str(found).splitlines()[2:]
    assert lines[0].startswith("speedup")
    assert len({line.index(line.split("   ")[-1]) for line in lines}) == 1
    assert html.escape("makespan") in found._repr_html_()
    assert "<b>" not in found._repr_html_()


def test_a_summary_can_be_sent_to_another_process():
    found = summarize(make_trace(bar("a", "t", 0, 1)))
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found
    assert (copy.speedup, str(copy)) == (found.speedup, str(found))


def test_time_in_which_anything_ran_stands_beside_the_sum():
    summary = summarize(make_trace(bar("a", "t-1", 0, 3), bar("b", "t-2", 1, 4), bar("c", "t-1", 6, 7)))
    assert (summary.work_s, summary.busy_s, summary.makespan_s) == (7, 5, 7)


def around(*within, status="ok"):
    return bar("main", "task-1", 0, 3, status=status), list(within)


def test_a_branch_around_others_is_a_caller_and_no_branch() -> None:
    jobs = [bar("job", f"task-{lane}", 0, 3) for lane in (2, 3)]
    summary = summarize(make_trace(around(*jobs)))
    assert (summary.counts["branches"], summary.counts["callers"], summary.counts["ok"]) == (2, 1, 2)
    assert summary.sentence.startswith("2 branches on 2 workers")
    assert (summary.mean_concurrency, summary.speedup, summary.efficiency) == (2, 2, 1)


def test_an_error_that_a_caller_passes_on_is_counted_once() -> None:
    jobs = bar("job", "task-2", 0, 3, status="error"), bar("job", "task-3", 0, 3)
    assert summarize(make_trace(around(*jobs, status="error"))).counts["error"] == 1


def test_an_error_of_a_caller_itself_is_counted() -> None:
    summary = summarize(make_trace(around(bar("job", "task-2", 0, 3), status="error")))
    assert (summary.counts["ok"], summary.counts["error"]) == (1, 1)
    assert summary.sentence.endswith("problems: 1 failed.")


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


def test_every_text_of_the_html_is_escaped():
    made = html_table([("<script>", "&")], headings=("<i>", '"'))
    assert "<script>" not in made
    assert "&lt;script&gt;" in made
    assert "&lt;i&gt;" in made


def test_a_duration_has_a_unit_that_fits_after_rounding():
    assert [duration(seconds) for seconds in (0.0996, 0.09996, 0.000999, 0.0009996)] == [
        "99.6 ms",
        "0.100 s",
        "999 µs",
        "1.00 ms",
    ]


def test_numbers_keep_their_significant_digits():
    assert [significant(value, 2) for value in (0.00123, 9.99, 99.9, 1234.5)] == ["0.0012", "10", "100", "1,234"]


def test_words_are_joined_as_in_a_sentence():
    assert [join_words(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


ANALYSES = [summarize, explain, what_if, critical_path]


def stack(lane, depth, *, wide=4):
    """Return a stack of calls, of which the innermost function makes some more."""
    tree = [bar("leaf", lane, depth + n, depth + n + 1) for n in range(wide)]
    for level in reversed(range(depth)):
        tree = [(bar(f"level {level}", lane, level, 2 * depth + wide - level), tree)]
    return tree[0]


def of_trace(*tree):
    return is_profile(Nesting.of(make_trace(*tree).columns))


def test_stacks_of_calls_are_a_profile():
    assert of_trace(stack("thread 1", 5), stack("thread 2", 4), stack("thread 3", 1))


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_chunks_around_items_and_recorded_helpers_are_none(depth):
    tree = stack("t-1", depth) if depth else bar("a", "t-1", 0, 1)
    assert not of_trace(tree, bar("b", "t-2", 0, 1))


def test_levels_on_lanes_of_their_own_are_none():
    tree = [bar("leaf", "t-9", 4, 5), bar("leaf", "t-10", 4, 5)]
    for level in range(8):
        tree = [(bar("fan-out", f"t-{level}", 3, 6), tree)]
    assert not of_trace(tree[0])


def test_nested_nodes_are_none():
    tree = [bar("a", "t-1", 4, 5), bar("b", "t-2", 4, 5)]
    for _ in range(6):
        tree = [(bar("graph", "main", 4, 5, kind="graph"), tree)]
    assert not of_trace(tree[0])


def test_a_trace_without_branches_is_none():
    assert not of_trace(bar("n", "main", 0, 1, kind="node"))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_each_analysis_says_so_and_gives_no_numbers(analysis):
    found = analysis(make_trace(stack("thread 1", 6), stack("thread 2", 6)))
    assert found.is_profile
    assert found.sentence == str(found) == PROFILE
    assert found._repr_html_().startswith("<p>This trace is a profile")


def test_what_is_said_of_a_profile_holds_no_speedup_and_no_prediction():
    trace = make_trace(stack("thread 1", 6), stack("thread 2", 6))
    assert summarize(trace).speedup == 0
    assert explain(trace).parts_ns == explain(make_trace()).parts_ns
    assert (what_if(trace).makespan_s, what_if(trace).best_workers) == ({}, 0)


@pytest.fixture(scope="module")
def tower():
    """A trace of 200,000 calls, each within the one before."""
    count = 200_000
    levels = np.arange(count)
    rows = np.zeros(count, SPAN_DTYPE)
    rows["span_id"], rows["parent_id"], rows["index"] = levels + 1, levels, -1
    rows["submitted_ns"] = rows["started_ns"] = levels
    rows["ended_ns"], rows["kind"], rows["attempt"] = 2 * count - levels, KINDS.index("branch"), 1
    return Trace(SpanColumns(rows, ("f",), ("main",)))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_tower_of_200_000_calls_is_a_profile(analysis, tower):
    assert analysis(tower).is_profile


def test_profiles_of_other_tools_are_found(tmp_path):
    path = tmp_path / "result.json"
    names = ["<module>", "main", "run", "work", "inner"]
    events = [
        {"ph": "X", "cat": "FEE", "name": name, "ts": 10 * n + level, "dur": 10 - 2 * level, "pid": 1, "tid": 1}
        for n in range(3)
        for level, name in enumerate(names)
    ]
    path.write_text(json.dumps({"traceEvents": events}))
    assert explain(load(path)).is_profile
