"""What-if predictions: options, words, bounds, limits, and runs of every shape."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.what_if.predictions import Options, Predictions, cores_of, predictions_of
from kaygraph_viz.analysis.what_if.replay import Speed, varied
from kaygraph_viz.analysis.what_if.sampling import sampled, thinned
from kaygraph_viz.analysis.what_if.tasks import BranchOperations
from kaygraph_viz.analysis.what_if.what_if import WhatIf, what_if
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import Machine, usable_cores
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.rates.rate_limit import RateLimit
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.graph.pipeline import PipelineNode
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import COUNTS, call, model_of, one_after_the_other, run, stages, two_nodes


@pytest.mark.parametrize("name", ["slow", "shop slow"])  # the branches, or their stage
def test_one_stage_alone_gets_other_workers(name):
    def shop(workers):
        stages = [Stage("quick", lambda x: sleep(0.01), buffer=2), Stage("slow", lambda x: sleep(0.04), workers, 2)]
        return run(PipelineNode(stages, node_id="shop"), {"items": range(12)})

    found = what_if(shop(2), COUNTS, only=name)
    assert found.makespan_s == {workers: shop(workers).makespan_s for workers in COUNTS}
    assert found.recorded_workers == 2
    assert found.sentence.startswith(f"In {name}, 4 workers are enough")


def test_a_name_around_several_calls_means_all_of_them():
    trace = two_nodes()
    whole = what_if(trace, 3)
    assert what_if(trace, 3, only="Slow").makespan_s[3] > whole.makespan_s[3]
    assert what_if(stages(1), 3, only="PipelineNode").makespan_s == what_if(stages(1), 3).makespan_s


# -- the result -----------------------------------------------------------------------------------------------------


def test_the_smallest_number_of_workers_within_five_percent_is_enough():
    long = bar("b", "thread-1", 0, 10)
    short = [bar("b", "thread-1", 10 + n, 11 + n, queued_s=10 + n) for n in range(20)]
    found = what_if(make_trace(call(30, long, *short)), range(1, 9))
    assert found.makespan_s == {1: 30, 2: 15, 3: 10, 4: 10, 5: 10, 6: 10, 7: 10, 8: 10}
    assert found.best_workers == 3
    assert found.speedup[3] == 3
    assert found.sentence == "3 workers are enough: they would take 10.0 s; the run took 30.0 s with 1 worker."


def test_a_best_that_is_not_the_fastest_says_how_fast_that_is():
    bars = [bar("b", "thread-1", 25.0 * n, 25.0 * (n + 1), queued_s=25.0 * n) for n in range(2)]
    rest = [bar("b", "thread-1", 50 + n, 51 + n, queued_s=50 + n) for n in range(2)]
    found = what_if(make_trace(call(52, *bars, *rest)), [2, 3, 4])
    assert (
        found.sentence
        == "2 workers are enough: they would take 26.0 s (3 would take 25.0 s); the run took 52.0 s with 1 worker."
    )


def test_what_was_asked_for_is_said():
    found = what_if(one_after_the_other(), 2, executor="process", schedule="longest-first", speed={"b": 2})
    assert found.sentence == (
        "As processes, with the longest first, with b 2.0 times as fast, 2 workers would take 1.00 s; "
        "the run took 4.00 s with 1 worker."
    )


def test_the_table():
    text = str(what_if(one_after_the_other(8), [1, 8]))
    assert text.splitlines() == [
        "8 workers are enough: they would take 1.00 s; the run took 8.00 s with 1 worker.", "",
        "workers  makespan     low    high  speedup   limited by",
        "      1    8.00 s  8.00 s  8.00 s     1.0x   the number of workers",
        "      8    1.00 s  1.00 s  1.00 s     8.0x   the number of workers", "",
        "A replay with the recorded settings takes 8.00 s, as long as the run.",
        "No CPU time was recorded: all time counts as waiting, which any number of workers can do at once.",
    ]  # fmt: skip
    assert "<td" in what_if(one_after_the_other(), [1, 2])._repr_html_()


def test_names_are_never_markup():
    trace = make_trace(call(1, bar("<script>", "thread-1", 0, 1)))
    shown = what_if(trace, 1, speed={"<script>": 2})._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


# -- nothing to vary, and wrong options -----------------------------------------------------------------------------


def test_nothing_was_recorded():
    found = what_if(make_trace())
    assert (str(found), found.best_workers, found.makespan_s) == ("Nothing was recorded.", 0, {})
    assert found == WhatIf()
    with pytest.raises(OptionError, match="a result of what_if"):
        found.trace(2)


def test_without_branches_workers_make_no_difference():
    found = what_if(make_trace(bar("n", "main", 0, 2, kind="node")), [1, 8])
    assert found.makespan_s == {1: 2, 8: 2}
    assert str(found) == "No branches were recorded, so the number of workers makes no difference."
    assert len(found.trace(8)) == 1


def test_branches_one_after_the_other_stay_so_unless_another_kind_is_asked_for():
    bars = [bar("b", "main", number, number + 1, queued_s=number) for number in range(4)]
    trace = make_trace(call(4, *bars, executor="serial"))
    assert what_if(trace, [1, 4]).makespan_s == {1: 4, 4: 4}
    assert str(what_if(trace)) == "No parallel call was recorded, so the number of workers makes no difference."
    assert what_if(trace, [1, 4], executor="thread").makespan_s == {1: 4, 4: 1}
    assert what_if(one_after_the_other(), [1, 4], executor="serial").makespan_s == {1: 4, 4: 4}


def test_the_usual_numbers_and_the_recorded_one():
    trace = make_trace(call(1, *[bar("b", f"thread-{n}", 0, 1) for n in range(1, 7)], workers=6))
    assert list(what_if(trace).makespan_s) == [1, 2, 4, 6, 8, 16]
    assert list(what_if(trace, 5).makespan_s) == [5]
    assert list(what_if(trace, iter([4, 2, 4])).makespan_s) == [2, 4]


def test_spans_that_were_not_kept_are_mentioned():
    trace = make_trace(call(1, bar("b", "thread-1", 0, 1)), dropped=3)
    assert "The trace lacks 3 spans of the run: all predicted times are too short." in str(what_if(trace))
    assert what_if(trace).trace(2).dropped == 3


@pytest.mark.parametrize("workers", [0, -1, True, 4097, 2.0, "4", [], [1, 0], {1: 2}, range(1, 400), object()])
def test_numbers_of_workers_are_checked(workers):
    with pytest.raises(OptionError, match="workers must be"):
        what_if(one_after_the_other(), workers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "fiber"}, "executor must be one of 'serial', 'thread', 'process', 'async', 'dask', got 'fiber'"),
        ({"schedule": "lifo"}, "schedule must be one of 'dynamic', 'static', 'longest-first', got 'lifo'"),
        ({"only": "c"}, "only must be the name of a parallel node, stage or branch: 'exec', 'b', got 'c'"),
        ({"speed": 2}, "speed must be how many times as fast, by name, got 2"),
        ({"speed": {"c": 2}}, "speed must be the name of a node or branch: 'exec', 'b', got 'c'"),
        ({"speed": {"b": 0}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"speed": {"b": nan}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"speed": {"b": inf}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"speed": {"b": True}}, r"speed\['b'\] must be a number from 1e-06 to 1e6"),
        ({"cores": 0}, "cores must be a whole number from 1 to 4096, got 0"),
        ({"computes_first": 1}, "computes_first must be True, False or None, got 1"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        what_if(one_after_the_other(), **options)


@pytest.mark.parametrize("workers", [0, True, "2"])
def test_the_workers_of_a_trace_are_checked(workers):
    with pytest.raises(OptionError, match="workers must be a whole number"):
        what_if(one_after_the_other()).trace(workers)


# -- runs of every shape --------------------------------------------------------------------------------------------


@given(
    st.data(), st.sampled_from([None, "thread", "process", "async", "serial"]),
    st.sampled_from([None, "static", "longest-first", "dynamic"]),
    st.sampled_from([{}, {"b": 2.0}, {"n0": 0.5}, {"inner": 3.0}]), st.sampled_from([None, 1, 2]),
)  # fmt: skip
def test_any_run_can_be_replayed(any_run, data, kind, schedule, speed, cores):
    trace = data.draw(any_run)
    speed = {name: times for name, times in speed.items() if name in trace.columns.names}
    found = what_if(trace, [1, 3], executor=kind, schedule=schedule, speed=speed, cores=cores)
    assert found.sentence.endswith(".")
    assert str(found).startswith(found.sentence)
    for workers, seconds in found.makespan_s.items():
        replayed = found.trace(workers).validate()
        assert replayed.makespan_s == pytest.approx(seconds, abs=1e-6)
        assert found.low_s[workers] <= seconds + 1e-9
        assert seconds <= found.high_s[workers] + 1e-9


def test_a_run_held_up_by_a_rate_limit_is_told_to_be_so():
    limit = RateLimit(in_flight=2)

    def ask(number):
        with limit:
            sleep(1)

    with record(clock="virtual") as held_up, get_executor("thread", 4) as executor:
        list(executor.imap(ask, range(8)))
    assert any("rate limit" in remark for remark in what_if(held_up).remarks)
    with record(clock="virtual") as free, get_executor("thread", 4) as executor:
        list(executor.imap(sleep, [1] * 8))
    assert not any("rate limit" in remark for remark in what_if(free).remarks)


def test_a_predicted_trace_says_what_it_was_predicted_from():
    phase = bar("exec", "main", 0, 2, kind="phase", executor="thread", workers=2)
    trace = make_trace((phase, [bar("a", "thread-1", 0, 1, cpu_s=0), bar("b", "thread-2", 0, 2, cpu_s=0)]))
    predicted = what_if(trace).trace(1)
    assert predicted.predicted_from == "the run with 2 workers"
    assert predicted.makespan_s == 3.0


@pytest.fixture
def asked(monkeypatch):
    """The numbers of workers for which bounds were found."""
    found, band_ns = [], Predictions.band_ns

    def noted(self, count, *rest):
        found.append(count)
        return band_ns(self, count, *rest)

    monkeypatch.setattr(Predictions, "band_ns", noted)
    return found


@pytest.fixture
def predicted():
    calls = bar("exec", "main", 0, 6, kind="phase", executor="thread", workers=1)
    return what_if(make_trace((calls, [bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 3), bar("c", "t-1", 3, 6)])), [1, 2])


def test_both_bounds_of_a_prediction_are_found_at_once_and_kept(asked, predicted):
    assert predicted.low_s[2] <= predicted.makespan_s[2] <= predicted.high_s[2]
    assert asked == [2]


LIMITED = [
    ("the longest branch", [bar("b", "thread-1", 0, 5), bar("b", "thread-2", 0, 1)], 2, {}),
    ("the number of workers", [bar("b", "thread-1", n, n + 1, queued_s=n) for n in range(9)], 2, {}),
    ("the GIL", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4, {}),
    ("the event loop", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4,
     {"executor": "async"}),
    ("the cores", [bar("b", "thread-1", n, n + 1, queued_s=n, cpu_s=1) for n in range(9)], 4,
     {"executor": "process", "cores": 2}),
    ("starting and ending the workers", [bar("b", f"process-{n}", 5, 6, queued_s=5) for n in (1, 2)], 2, {}),
    ("the input", [bar("b", "thread-1", 2 * n + 1, 2 * n + 2) for n in range(9)], 4, {}),
    ("serial parts", [bar("b", "thread-1", 0, 1)], 1, {}),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "bars", "workers", "options"), LIMITED)
def test_what_limits_a_run_is_named(limit, bars, workers, options):
    before = bar("prep", "main", -30 if limit == "serial parts" else -1, 0, kind="phase")
    end = max(span.ended_ns for span in bars) / 1e9
    found = what_if(make_trace(before, call(end, *bars)), workers, **options)
    assert found.limits[workers].startswith(limit)


def test_the_band_is_always_the_same_and_holds_what_is_predicted():
    bars, at = [], 0
    for number in range(40):
        bars.append(bar("b", "thread-1", at, at + 1 + number % 7, queued_s=at))
        at += 1 + number % 7
    found, again = (what_if(make_trace(call(at, *bars)), COUNTS) for _ in range(2))
    assert (found.low_s, found.high_s) == (again.low_s, again.high_s)
    assert found == again
    for workers in COUNTS:
        assert found.low_s[workers] < found.makespan_s[workers] < found.high_s[workers]


def test_the_band_reaches_as_far_as_the_replay_misses_the_run():
    held_up = [bar("b", "thread-1", 0, 1), bar("b", "thread-2", 0, 1), bar("b", "thread-1", 3, 4, queued_s=3)]
    trace = make_trace(call(4, *held_up, bar("b", "thread-2", 1.1, 2.1, queued_s=1.1), workers=2))
    found = what_if(trace, 2)
    assert found.replayed_s < found.recorded_s == 4
    assert found.high_s[2] == pytest.approx(found.makespan_s[2] * 4 / found.replayed_s)


TWO = Machine(2, "CPython 3.11", has_gil=True)


def model_with(*, executor="thread", cpu_s=0.9, at_once=2):
    lanes = range(1, at_once + 1)
    gaps = (0, 0.01, 0.03, 0.02)
    bars = [bar("b", f"{executor}-{lane}", 1.1 * n + gap + 0.01, 1.1 * n + gap + 1.01, queued_s=0.01 + gap, cpu_s=cpu_s)
            for lane in lanes for n, gap in enumerate(gaps)]  # fmt: skip
    return model_of(make_trace(call(5, *bars, workers=at_once, executor=executor)))


def predictions_with(model, machine, **options):
    which = varied(model, also_serial=False)
    return predictions_of(model, machine, Options(**options), which, Speed.of(model, {}))


def test_the_recorded_machine_counts_before_the_wish():
    model = model_with()
    assert cores_of(model, TWO) == 2
    assert cores_of(model, TWO, wanted=7) == 2
    assert cores_of(model, None, wanted=7) == 7


def test_a_run_of_an_unknown_machine_is_taken_to_be_from_this_one():
    assert cores_of(model_with(cpu_s=0)) == usable_cores()


def test_a_run_that_used_more_cores_than_there_are_was_not_limited_by_them():
    assert cores_of(model_with(at_once=4, cpu_s=1), TWO) is None
    assert cores_of(model_with(at_once=2, cpu_s=1), TWO) == 2


@pytest.mark.parametrize(("executor", "cores"), [("thread", None), ("process", 2)])
def test_cores_limit_processes_and_not_python_code_in_threads(executor, cores):
    assert predictions_with(model_with(executor=executor, at_once=1), TWO).terms.cores == cores


def test_without_a_gil_cores_limit_threads_too():
    found = predictions_with(model_with(at_once=1), TWO, gil=False)
    assert (found.terms.has_gil, found.terms.cores, found.machine.has_gil) == (False, 2, False)


def test_where_code_may_hold_the_gil_or_not_both_are_predicted():
    found = predictions_with(model_with(at_once=1), TWO)
    assert found.is_in_turns
    assert found.otherwise is not None
    assert found.otherwise.held.sum() < found.operations.held.sum()
    assert predictions_with(model_with(at_once=1), TWO, kind="process").otherwise is None


def test_options_change_the_terms_but_not_what_was_recorded():
    found = predictions_with(model_with(), TWO, kind="process", schedule="static", cores=8)
    assert (found.terms.kind, found.terms.schedule, found.terms.cores) == ("process", "static", 8)
    assert (found.had_cores, found.had_gil, found.machine.cores) == (2, True, 8)


def test_a_large_run_is_replayed_as_a_sample():
    bars, at = [], 0
    for number in range(6_000):
        bars.append(bar("b", "thread-1", at, at + 1 + number % 7, queued_s=at))
        at += 1 + number % 7
    found = what_if(make_trace(call(at, *bars), check=False), [1, 4])
    assert found.makespan_s[1] == at
    assert found.makespan_s[4] == pytest.approx(found.trace(4).makespan_s, rel=0.01)


def test_a_long_pipeline_is_replayed_as_a_sample():
    items, stages = 2_000, 3
    end = items + stages - 1
    made = []
    for stage in range(stages):
        bars = [
            bar(f"s{stage}", f"t-{stage}", at + stage, at + stage + 1, queued_s=0 if stage else at, index=at, cpu_s=0,
                span_id=10 + stage * items + at, links=(10 + (stage - 1) * items + at,) if stage else ())
            for at in range(items)
        ]  # fmt: skip
        made.append((bar(f"P s{stage}", "main", 0, end, kind="node", executor="thread", workers=1, buffer=4), bars))
    found = what_if(make_trace((bar("P", "main", 0, end, kind="node"), made), check=False), [1])
    assert found.replayed_s == pytest.approx(end, rel=0.01)
    assert found.makespan_s[1] == pytest.approx(end, rel=0.01)


def test_many_small_calls_are_replayed_as_a_sample():
    def one(at):
        return call(at + 3, bar("b", "t-1", at, at + 2), bar("b", "t-1", at + 2, at + 3, queued_s=2), start=at)

    found = what_if(make_trace(*(one(3 * number) for number in range(3_000)), check=False), [1, 2])
    assert found.makespan_s == {1: pytest.approx(9_000), 2: pytest.approx(6_000)}


def test_a_small_call_is_left_out_or_replayed_as_a_whole():
    def one(at):
        return call(at + 2, bar("b", "t-1", at, at + 1), bar("b", "t-1", at + 1, at + 2, queued_s=1), start=at)

    model = model_of(make_trace(*(one(2 * number) for number in range(4))))
    sample = thinned(model, BranchOperations(model.service, np.zeros_like(model.service)), max_branches=4)
    assert [sample.leaves_out([call.number]) for call in model.calls] == [False, True, False, True]
    assert sample.times == {0: 2.0, 2: 2.0}


def test_what_follows_from_chosen_branches_is_in_the_sample():
    model = model_of(stages(1))
    (cluster,) = (cluster for cluster in model.clusters[-1] if len(cluster) > 1)
    found = sampled(model, cluster, lambda members: members[:2])
    calls = [model.calls[number] for number in cluster]
    for call_ in calls:
        if call_.feeder >= 0:
            assert found[call_.number].tolist() == [call_.follows[each] for each in found[call_.feeder].tolist()]
