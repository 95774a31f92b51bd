"""The curve of memory in use."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.plot.curves.memory import memory_curve
from kaygraph_viz.plot.description import describe
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.memory import MemorySamples
from kaygraph_viz.trace.trace import Trace

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


def test_without_samples_it_says_how_to_get_them(neat):
    ax = memory_curve(make_trace(bar("a", "t-1", 0, 1)))
    assert "record(memory=True)" in ax.get_title(loc="left")
    neat(ax)


def test_the_time_axis_reaches_as_far_as_asked_for(trace):
    assert memory_curve(trace, end_s=60).get_xlim()[1] > 60


@pytest.mark.parametrize("options", [{"ax": 5}, {"end_s": -1}])
def test_wrong_options_are_refused(trace, options):
    with pytest.raises(OptionError):
        memory_curve(trace, **options)
