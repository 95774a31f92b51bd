"""The speedup curve: its numbers and its artists."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from matplotlib.figure import Figure

from kaygraph_viz.analysis.what_if.what_if import WhatIf, what_if
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.curves.speedup import Speedups, speedup_curve, speedup_sketch
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace
from tests.list_schedule import list_schedule


def scheduled(durations_ns, workers, serial_s=0.0):
    """A run of independent items on some workers, after a serial part."""
    schedule = list_schedule(durations_ns, workers)
    branches = [
        bar("b", f"t-{worker + 1}", serial_s + start / 1e9, serial_s + end / 1e9, index=index)
        for index, (worker, start, end) in enumerate(zip(*schedule, strict=True))
    ]
    end = serial_s + schedule.makespan_ns / 1e9
    phases = [bar("prep", "main", 0, serial_s, kind="phase")] if serial_s else []
    phase = bar("exec", "main", serial_s, end, kind="phase", executor="t", workers=workers)
    return make_trace((bar("n", "main", 0, end, kind="node"), [*phases, (phase, branches)]))


def sweep(**options):
    items = [1_000_000_000, 500_000_000] * 4
    return {workers: scheduled(items, workers, **options) for workers in (1, 2, 4)}


def prediction(*workers):
    times = ({count: seconds / count for count in workers} for seconds in (6, 5, 8))
    return WhatIf(*times)


def words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


few = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(0, 8), few)
def test_no_measured_point_lies_beyond_the_bounds(items, serial, counts):
    durations = [length * 1_000_000_000 for length in items]
    traces = {count: [scheduled(durations, count, serial_s=float(serial))] for count in counts}
    found = Speedups.of(traces)
    for count in traces:
        assert found.speedup(count) <= found.bound(count) * (1 + 1e-9)


def test_the_baseline_is_one_worker_where_that_was_measured_or_predicted_else_an_estimate():
    runs = sweep()
    assert speedup_curve(runs).get_ylabel() == "speedup over one worker"
    assert speedup_curve(runs[4], what_if=prediction(1, 2)).get_ylabel() == "speedup over one worker, predicted"
    assert speedup_curve(runs[4], what_if=prediction(2)).get_ylabel() == "speedup over serial execution, estimated"
    assert Speedups.of({4: [runs[4]]}).baseline_s == 6.0


def test_work_that_contains_waiting_for_others_does_not_count_as_work():
    slow = WhatIf({1: 3.0}, {1: 3.0}, {1: 3.0})  # six seconds in bars, of which half were waiting for the GIL
    found = Speedups.of({4: [sweep()[4]]}, slow)
    assert (found.baseline_s, found.work_s, found.bound(2)) == (3.0, 3.0, 2.0)


def test_what_was_predicted_from_one_run_goes_through_the_measured_points():
    runs = sweep()
    table = describe(speedup_curve(runs, what_if=what_if(runs[4], workers=[1, 2, 4]))).tables[0]
    assert [row[3] for row in table.rows] == [row[6] for row in table.rows] == ["1.00", "2.00", "3.00"]


def test_the_band_of_a_prediction_ends_where_a_speedup_is_impossible():
    found = Speedups.of({1: [sweep()[1]]})  # its longest branch takes 1 of 6 s
    band = WhatIf({1: 6.0, 2: 3.5, 8: 1.2}, {1: 5.0, 2: 2.0, 8: 0.5}, {1: 7.0, 2: 4.0, 8: 2.0})
    assert [found.predicted(band, count)[2] for count in (1, 2, 8)] == [1.0, 2.0, 6.0]
    assert found.predicted(band, 2)[:2] == (1.5, pytest.approx(6 / 3.5))


def test_each_run_is_a_point_and_several_have_a_median_and_a_range(neat):
    items = [1_000_000_000] * 4
    runs = [
        scheduled(items, 1),
        scheduled(items, 2),
        scheduled(items, 2, serial_s=2.0),
        scheduled(items, 2, serial_s=6.0),
    ]
    ax = speedup_curve(runs)
    (medians,) = (c for c in ax.collections if c.get_gid() == "measured")
    assert medians.get_offsets().tolist() == [[1, 1], [2, 1]]
    ranges = [line.get_ydata() for line in ax.lines if line.get_gid() == "range"]
    assert [tuple(map(float, ends)) for ends in ranges] == [(1, 1), (0.5, 2)]
    neat(ax)


def test_bounds_are_drawn_and_named_with_their_limits(neat):
    ax = speedup_curve(sweep(serial_s=0.5))
    assert {"work law: speedup = workers", "critical path: at most 4.3", "Amdahl, 7.7% serial: at most 13",
            "impossible with any schedule"} <= set(words(ax))  # fmt: skip
    neat(ax)


def test_a_prediction_is_a_band_with_a_line(neat):
    ax = speedup_curve(sweep()[4], what_if=prediction(1, 2, 4, 16))
    (band,) = (c.get_paths()[0].get_extents() for c in ax.collections if c.get_gid() == "band")
    assert (band.x0, band.x1) == (1, 16)
    assert (band.y0, band.y1) == (6 / 8, 16)
    (line,) = (line for line in ax.lines if line.get_gid() == "predicted")
    assert list(line.get_ydata()) == [1, 2, 4, 16]
    assert "predicted: what-if band" in words(ax)
    assert ax.get_xlim() == (0.5, 16.5)
    neat(ax)


def test_the_table_has_measured_and_predicted_numbers():
    description = describe(speedup_curve(sweep(), what_if=prediction(2, 8)))
    assert [row[0] for row in description.tables[0].rows] == ["1", "2", "4", "8"]
    assert description.tables[0].rows[1][:4] == ("2", "1", "3.00 s", "2.00")
    assert description.tables[0].rows[3] == ("8", "", "", "", "", "", "8.00", "6.00", "8.00", "6.00")
    assert "2.0 with 2 workers" in description.sentence
    assert "no number of workers gives more than 6.0." in description.sentence


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"traces": []}, "traces must be at least one Trace"),
        ({"traces": [3]}, "traces"),
        ({"traces": {0: sweep()[1]}}, "workers"),
        ({"traces": make_trace()}, "workers|runs that took"),
        ({"what_if": 3}, "what_if"),
        ({"max_workers": 0}, "max_workers"),
        ({"ax": 3}, "ax"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        speedup_curve(**{"traces": sweep(), **options})


def test_a_profile_has_no_speedup():
    calls = [bar("print", "main", 0, 1)]
    for name in ("run", "main", "<module>", "exec"):
        calls = [(bar(name, "main", 0, 1), calls)]
    with pytest.raises(OptionError, match="not a profile"):
        speedup_curve(make_trace(*calls))


def run(workers):
    return make_trace(*(bar("check", f"t-{at % workers}", at // workers, at // workers + 1) for at in range(8)))


def points(ax, gid):
    return [(x, y) for line in ax.lines if line.get_gid() == gid for x, y in line.get_xydata().tolist()]


@pytest.fixture
def ax():
    return Figure().add_subplot()


def test_each_run_is_a_dot_at_its_workers_and_how_many_times_as_fast_it_was(ax):
    speedup_sketch({1: run(1), 2: run(2), 8: run(8)}, ax=ax)
    assert points(ax, "tried") == [(1, 1.0), (2, 2.0), (8, 8.0)]
    assert points(ax, "shown") == points(ax, "others") == points(ax, "predicted") == []


def test_run_that_is_looked_at_has_a_ring(ax):
    speedup_sketch({1: run(1), 4: run(4)}, ax=ax, shown=4)
    assert points(ax, "shown") == [(4, 4.0)]


def test_runs_in_other_ways_are_hollow_and_named(ax):
    speedup_sketch({1: run(1)}, ax=ax, others=[(4, run(2))])
    assert points(ax, "others") == [(4, 2.0)]
    assert "with other settings" in ax.get_title(loc="left")


def test_what_counts_as_one_can_be_given(ax):
    speedup_sketch({4: run(4)}, ax=ax, one_worker_s=16.0)
    assert points(ax, "tried") == [(4, 8.0)]


def test_prediction_is_a_line_up_to_the_last_number_of_workers(ax):
    trace = make_trace(*(bar("check", f"thread-{at % 2 + 1}", at // 2, at // 2 + 1) for at in range(8)))
    speedup_sketch({2: trace}, ax=ax, what_if=what_if(trace, workers=range(1, 17)), last=4)
    assert [x for x, _ in points(ax, "predicted")] == [1, 2, 3, 4]
    assert "predicted" in ax.get_title(loc="left")
    assert "a line shows what is predicted" in describe(ax).sentence
