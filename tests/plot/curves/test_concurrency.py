"""The curve of what ran at once, by its artists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.plot.curves.concurrency import Steps, concurrency
from kaygraph_viz.plot.curves.limits import limit_curve
from kaygraph_viz.plot.curves.memory import memory_curve
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.gauges import GaugeSamples
from kaygraph_viz.trace.memory import MemorySamples
from kaygraph_viz.trace.trace import Trace


def lines(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def test_the_curve_has_the_number_at_each_moment():
    ax = concurrency(make_trace(bar("a", "t-1", 1, 3, queued_s=1), bar("b", "t-2", 2, 5)))
    (line,) = lines(ax, "highest")
    assert line.get_xdata().tolist() == [0, 1, 2, 3, 5, 5]
    assert line.get_ydata().tolist() == [0, 1, 2, 1, 0, 0]
    assert line.get_drawstyle() == "steps-post"


def test_a_line_shows_the_workers_also_those_without_work(neat):
    phase = bar("exec", "main", 0, 2, kind="phase", executor="thread", workers=5)
    ax = concurrency(make_trace((phase, [bar("a", "thread-1", 0, 2)])))
    assert [line.get_ydata()[0] for line in lines(ax, "line")] == [5, 1]
    assert {"5 workers", "mean 1.0", "running"} <= set(neat(ax))
    assert ax.get_ylim()[1] > 5


def test_many_changes_become_means_and_highest_numbers(batch, monkeypatch, neat):
    monkeypatch.setattr(Steps.drawn, "__defaults__", (10,))
    ax = concurrency(batch(items=60))
    assert len(lines(ax, "highest")[0].get_xdata()) == 11
    assert {"running, mean per interval", "maximum per interval"} <= set(neat(ax))


def test_an_empty_trace_says_so(neat):
    ax = concurrency(make_trace())
    assert [text.get_text() for text in ax.texts] == ["nothing was recorded"]
    assert ax.get_title(loc="left") == "Empty trace"
    assert describe(ax).sentence == "Empty curve of how much ran at once: nothing was recorded."
    neat(ax)


def test_the_table_says_for_how_long_how_many_ran():
    ax = concurrency(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 4)))
    assert list(describe(ax).tables[0].rows) == [("1", "3.00 s", "75%"), ("2", "1.00 s", "25%")]
    assert "at most 2 and on average 1.2 of 2 workers over 4.00 s" in ax.get_label()


def test_a_table_of_many_numbers_is_cut_in_its_middle():
    made = [bar("a", f"t-{number}", number, 100) for number in range(60)]
    rows = describe(concurrency(make_trace(*made))).tables[0].rows
    assert len(rows) == 21
    assert rows[10] == ("...", "", "")


@pytest.mark.parametrize("options", [{"trace": 3}, {"ax": 3}, {"end_s": -1}, {"end_s": np.inf}])
def test_wrong_arguments_are_refused(batch, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        concurrency(**{"trace": batch(), **options})


END = 60


@st.composite
def intervals(draw):
    pairs = draw(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=30))
    starts = np.array([start for start, _ in pairs], np.int64)
    return starts, starts + np.array([length for _, length in pairs], np.int64)


def brute_force(starts, ends):
    """Return the number of open intervals in each unit of time."""
    return np.array([sum(start <= at < end for start, end in zip(starts, ends, strict=True)) for at in range(END)])


@given(intervals())
def test_steps_count_what_is_open(made):
    steps = Steps.of(*made, END)
    counts = brute_force(*made)
    place = np.searchsorted(steps.times_ns, np.arange(END), side="right") - 1
    assert (steps.counts[place] == counts).all()
    assert steps.peak == counts.max()
    assert steps.mean == pytest.approx(counts.mean())
    assert sum(steps.lasted_ns().values()) == END


@given(intervals(), st.sampled_from([1, 2, 3, 4, 6, 10, 60]))
def test_reduced_steps_keep_the_mean_and_the_highest_number_of_each_piece(made, pieces):
    steps = Steps.of(*made, END)
    times, mean, highest = steps.drawn(pieces)
    if len(steps.times_ns) <= pieces:
        assert mean is highest
        return
    counts = brute_force(*made).reshape(pieces, -1)
    assert times.tolist() == pytest.approx((np.arange(pieces + 1) * END / pieces / 1e9).tolist())
    assert mean[:-1] == pytest.approx(counts.mean(axis=1))
    assert highest[:-1].tolist() == counts.max(axis=1).tolist()


TIMES_S, SIZE = [1.0, 2.0, 3.0, 4.0], [40_000_000, 90_000_000, 160_000_000, 60_000_000]


@pytest.fixture
def trace():
    columns = make_trace(bar("a", "t-1", 1, 5, queued_s=0)).columns
    return Trace(columns, 0, MemorySamples((np.array(TIMES_S) * 1e9).astype(np.int64), np.array(SIZE)))


def test_the_curve_begins_with_the_run_and_is_in_bytes(trace, neat):
    ax = memory_curve(trace)
    (line,) = (line for line in ax.lines if line.get_gid() == "memory-line")
    assert line.get_xdata().tolist() == [0, 1, 2, 3]
    assert line.get_ydata().tolist() == SIZE
    assert ax.get_ylabel() == "memory in use [MB]"
    assert ax.get_title(loc="left") == "at most 160 MB, 120 MB more than at the start"
    neat(ax)


def test_it_has_a_text_of_its_own(trace):
    found = describe(memory_curve(trace))
    assert found.sentence == (
        "Curve of memory in use: at most 160 MB, 120 MB more than at the start, after 2.00 s; at the end 60.0 MB."
    )
    assert list(found.tables[0].rows)[1] == ("maximum", "2.00 s", "160 MB")


@pytest.mark.parametrize("options", [{"ax": 5}, {"end_s": -1}])
def test_wrong_options_are_refused(trace, options):
    with pytest.raises(OptionError):
        memory_curve(trace, **options)


SECOND = 10**9


FLIGHT = GaugeSamples((SECOND, 2 * SECOND, 3 * SECOND), (1, 4, 2), (4, 5, 3))


UNITS = GaugeSamples((SECOND,), (700,), (1_000,))


@pytest.fixture
def limits_trace():
    columns = make_trace(bar("a", "t-1", 1, 5, queued_s=0)).columns
    return Trace(columns, gauges={"geo: calls in flight": FLIGHT, "geo: units per minute": UNITS})


def line(ax):
    (found,) = (line for line in ax.lines if line.get_gid() == "limit")
    return found.get_xdata().tolist(), found.get_ydata().tolist()


def test_the_first_curve_begins_with_the_run_and_goes_on_to_its_end(limits_trace, neat):
    ax = limit_curve(limits_trace)
    assert line(ax) == ([0, 1, 2, 4], [4, 5, 3, 3])
    assert ax.get_title(loc="left") == "calls in flight: the limit was 3 to 5, and 3 at the end"
    assert ax.get_ylabel() == "calls in flight"
    neat(ax)


@pytest.mark.parametrize("of", ["units per minute", "geo: units per minute"])
def test_another_curve_is_found_by_the_end_of_its_name(limits_trace, of, neat):
    ax = limit_curve(limits_trace, of)
    assert line(ax)[1] == [1_000, 1_000]
    assert ax.get_title(loc="left") == "units per minute: at most 700 of 1,000"
    neat(ax)


def test_limits_it_has_a_text_of_its_own(limits_trace):
    found = describe(limit_curve(limits_trace))
    assert found.sentence == ("Curve of a limit: geo: calls in flight: the limit was 3 to 5, and 3 at the end.")
    assert list(found.tables[0].rows) == [("0 s", "1", "4"), ("1.00 s", "4", "5"), ("2.00 s", "2", "3")]


def test_names_from_files_are_drawn_as_plain_text(neat):
    columns = make_trace(bar("a", "t-1", 1, 5)).columns
    neat(limit_curve(Trace(columns, gauges={"$\\frac{\x00": UNITS, "": UNITS})))
