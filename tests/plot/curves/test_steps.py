"""Step functions of time, exact and reduced."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.plot.curves.steps import Steps

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


def test_nothing_open_is_zero_throughout():
    steps = Steps.of(np.empty(0, np.int64), np.empty(0, np.int64), 10)
    assert (steps.peak, steps.mean, steps.lasted_ns()) == (0, 0.0, {0: 10})
