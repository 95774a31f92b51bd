"""The curve of a limit."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.curves.limits import limit_curve
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.gauges import GaugeSamples
from kaygraph_viz.trace.trace import Trace

SECOND = 10**9
FLIGHT = GaugeSamples((SECOND, 2 * SECOND, 3 * SECOND), (1, 4, 2), (4, 5, 3))
UNITS = GaugeSamples((SECOND,), (700,), (1_000,))


@pytest.fixture
def trace():
    columns = make_trace(bar("a", "t-1", 1, 5, queued_s=0)).columns
    return Trace(columns, gauges={"geo: calls in flight": FLIGHT, "geo: units per minute": UNITS})


def line(ax):
    (found,) = (line for line in ax.lines if line.get_gid() == "limit")
    return found.get_xdata().tolist(), found.get_ydata().tolist()


def test_the_first_curve_begins_with_the_run_and_goes_on_to_its_end(trace, neat):
    ax = limit_curve(trace)
    assert line(ax) == ([0, 1, 2, 4], [4, 5, 3, 3])
    assert ax.get_title(loc="left") == "calls in flight: the limit was 3 to 5, and 3 at the end"
    assert ax.get_ylabel() == "calls in flight"
    neat(ax)


@pytest.mark.parametrize("of", ["units per minute", "geo: units per minute"])
def test_another_curve_is_found_by_the_end_of_its_name(trace, of, neat):
    ax = limit_curve(trace, of)
    assert line(ax)[1] == [1_000, 1_000]
    assert ax.get_title(loc="left") == "units per minute: at most 700 of 1,000"
    neat(ax)


def test_it_has_a_text_of_its_own(trace):
    found = describe(limit_curve(trace))
    assert found.sentence == ("Curve of a limit: geo: calls in flight: the limit was 3 to 5, and 3 at the end.")
    assert list(found.tables[0].rows) == [("0 s", "1", "4"), ("1.00 s", "4", "5"), ("2.00 s", "2", "3")]


def test_without_a_limit_it_says_so(neat):
    ax = limit_curve(make_trace(bar("a", "t-1", 0, 1)), "units per minute")
    assert ax.get_title(loc="left") == "No call was made under a RateLimit"
    neat(ax)


def test_names_from_files_are_drawn_as_plain_text(neat):
    columns = make_trace(bar("a", "t-1", 1, 5)).columns
    neat(limit_curve(Trace(columns, gauges={"$\\frac{\x00": UNITS, "": UNITS})))


def test_the_time_axis_reaches_as_far_as_asked_for(trace):
    assert limit_curve(trace, end_s=60).get_xlim()[1] > 60


@pytest.mark.parametrize("options", [{"ax": 5}, {"end_s": -1}, {"of": "calls per day"}, {"of": 3}])
def test_wrong_options_are_refused(trace, options):
    with pytest.raises(OptionError):
        limit_curve(trace, **options)
