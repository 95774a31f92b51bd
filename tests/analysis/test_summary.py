"""The numbers of a run, and the laws between them."""

from __future__ import annotations

import html
import pickle

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis import summary as metrics
from kaygraph_viz.analysis.critical_path import critical_path_ns
from kaygraph_viz.analysis.serial_time import Estimate
from kaygraph_viz.analysis.summary import Summary, summarize
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import compute
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.nesting import Nesting
from kaygraph_viz.trace.recorder import span

lengths = st.integers(0, 50).map(lambda value: value / 8)


@st.composite
def runs(draw):
    """Nodes one after the other; each with prep, an exec of branches dealt out to lanes, and post."""
    at, nodes = 0.0, []
    for number in range(draw(st.integers(0, 4))):
        start, free = at, [0.0] * draw(st.integers(1, 4))
        prep, post = draw(lengths), draw(lengths)
        free = [start + prep] * len(free)
        branches = []
        for duration in draw(st.lists(lengths, max_size=8)):
            lane = free.index(min(free))
            branches.append(
                bar("b", f"thread-{lane + 1}", free[lane], free[lane] + duration, queued_s=free[lane] - start)
            )
            free[lane] += duration
        end = max(free) + post
        phases = [bar("prep", "main", start, start + prep, kind="phase"),
                  (bar("exec", "main", start + prep, end - post, kind="phase"), branches),
                  bar("post", "main", end - post, end, kind="phase")]  # fmt: skip
        nodes.append((bar(f"n{number}", "main", start, end, kind="node"), phases))
        at = end + draw(lengths)
    return make_trace(*nodes)


@given(runs())
def test_the_laws_of_a_run_hold(trace):
    found = summarize(trace)
    resolution = 1e-9
    assert found.critical_path_s <= found.makespan_s + resolution
    assert found.critical_path_s <= found.work_s + resolution
    if found.workers:
        assert found.makespan_s + resolution >= max(found.work_s / found.workers, found.critical_path_s)
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


def test_nodes_that_overlap_in_time_count_once():
    def node(lane, start, end):
        return (bar(lane, lane, start, end, kind="node"), [bar("exec", lane, start, end, kind="phase")])

    trace = make_trace((bar("g", "main", 0, 9, kind="graph"), [node("t", 0, 4), node("u", 2, 5), node("t", 5, 8)]))
    assert summarize(trace).critical_path_s == 4 + 3


def test_an_abandoned_branch_does_not_stretch_the_path_beyond_the_run():
    phases = [(bar("exec", "main", 0, 1, kind="phase"), [bar("slow", "t", 0, 10, status="abandoned")]),
              bar("post", "main", 1, 6, kind="phase")]  # fmt: skip
    found = summarize(make_trace((bar("n", "main", 0, 6, kind="node"), phases)))
    assert found.critical_path_s == 6.0


def test_a_chain_of_many_levels_is_no_recursion():
    tree = bar("leaf", "t", 0, 1)
    for _ in range(10_000):
        tree = (bar("n", "t", 0, 1, kind="node"), [tree])
    assert critical_path_ns(Nesting.of(make_trace(tree).columns)) == 1_000_000_000


# -- speedup --------------------------------------------------------------------------------------------------------


def waits(count, workers, lasts_s=1.0):
    """Return a run in which branches only wait."""
    bars = [bar("b", f"thread-{n % workers + 1}", n // workers * lasts_s, (n // workers + 1) * lasts_s, cpu_s=0,
                queued_s=n // workers * lasts_s) for n in range(count)]  # fmt: skip
    end = -(-count // workers) * lasts_s
    return make_trace((bar("exec", "main", 0, end, kind="phase", executor="thread", workers=workers), bars))


def test_threads_that_only_compute_are_no_faster():
    node = ParallelBatchNode(4)
    node.prep, node.exec = lambda shared: [3.0] * 4, compute
    with record(clock="virtual") as trace:
        node.run({})
    found = summarize(trace)
    assert (found.makespan_s, found.serial_s, found.speedup, found.efficiency) == (12.0, 12.0, 1.0, 0.25)
    assert found.mean_concurrency > 3.9
    assert found.sentence == "4 branches on 4 workers took 12.0 s, and about 12.0 s one after the other: no speedup."


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


def test_summaries_are_equal_if_their_numbers_are():
    assert summarize(waits(4, 4)) == summarize(waits(4, 4))
    assert summarize(waits(4, 4)) != summarize(waits(4, 4), serial=waits(4, 1))


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
