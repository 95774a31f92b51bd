"""Words about several durations."""

from __future__ import annotations

import pytest

from kaygraph_viz.widgets.playground.repeats import duration_range, missed_by, repeats_took


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([1.21, 1.44], "1.2-1.4 s"),
        ([1.44, 1.21], "1.2-1.4 s"),
        ([0.9, 1.1], "0.90-1.1 s"),
        ([0.09, 1.1], "90 ms - 1.1 s"),
        ([1.21, 1.22], "1.21-1.22 s"),
        ([18.5, 18.5], "18.5 s"),
    ],
)
def test_a_range_names_its_unit_once_where_it_has_one(seconds, expected):
    assert duration_range(seconds) == expected


def test_a_single_run_is_not_counted():
    assert [repeats_took(seconds) for seconds in ([1.0], [1.0] * 3)] == ["1.00 s", "3 runs: 1.00 s"]


@pytest.mark.parametrize(
    ("predicted_s", "measured_s", "end"),
    [(1.1, 1.0, "10% too long."), (0.9, 1.0, "10% too short."), (1.0, 1.0, "right."), (1.0, 0.0, "right.")],
)
def test_a_prediction_is_too_long_too_short_or_right(predicted_s, measured_s, end):
    assert missed_by(predicted_s, measured_s).endswith(f": {end}")
