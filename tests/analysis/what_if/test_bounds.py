"""Bounds of predictions: found when they are first read, and once."""

from __future__ import annotations

import pytest

from kaygraph_viz.analysis.what_if.predictions import Predictions
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.testing import bar, make_trace


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


def test_a_prediction_alone_takes_no_replays_for_bounds(asked, predicted):
    assert predicted.makespan_s[2] == pytest.approx(4)
    assert predicted.best_workers == 2
    assert asked == []


def test_both_bounds_of_a_prediction_are_found_at_once_and_kept(asked, predicted):
    assert predicted.low_s[2] <= predicted.makespan_s[2] <= predicted.high_s[2]
    assert asked == [2]


def test_they_are_mappings_as_the_makespans_are(predicted):
    assert list(predicted.low_s) == list(predicted.high_s) == [1, 2]
    assert len(predicted.high_s) == 2
    assert 4 not in predicted.low_s
    assert repr(predicted.low_s) == repr(dict(predicted.low_s))
