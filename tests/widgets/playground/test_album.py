"""Pictures that are drawn once, and what another run makes out of date."""

from __future__ import annotations

import pytest

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.playground import album as module
from kaygraph_viz.widgets.playground.album import Album
from kaygraph_viz.widgets.playground.options import KNOWN
from kaygraph_viz.widgets.playground.state import Log


def trace_of(workers):
    return make_trace(*(bar("check", f"t-{at % workers}", at // workers, at // workers + 1) for at in range(8)))


@pytest.fixture
def log():
    log = Log([KNOWN["workers"]])
    log.add({"workers": 4}, trace_of(4))
    return log


@pytest.fixture
def album(log):
    return Album(log, 16)


@pytest.fixture
def drawn(monkeypatch):
    """Count what is drawn, in place of drawing it."""
    names = []
    for name in ("gantt_picture", "sketch_picture"):
        monkeypatch.setattr(module, name, lambda *_args, name=name, **_options: names.append(name) or object())
    return names


def test_each_picture_is_drawn_once(log, album, drawn):
    (run,) = log.entries
    assert album.chart(run) is album.chart(run)
    assert album.sketch(run) is album.sketch(run)
    assert drawn == ["gantt_picture", "sketch_picture"]


def test_another_run_makes_sketches_new_and_charts_of_another_scale(log, album, drawn):
    (run,) = log.entries
    before = album.chart(run), album.sketch(run)
    log.add({"workers": 1}, trace_of(1))
    assert (album.chart(run) is before[0], album.sketch(run) is before[1]) == (False, False)


def test_a_prediction_is_known_until_another_run_is_there(log, album):
    assert album.known_preview({"workers": 2}) is None
    made = album.new_preview({"workers": 2})
    assert album.known_preview({"workers": 2}) is made
    log.add({"workers": 1}, trace_of(1))
    assert album.known_preview({"workers": 2}) is None


def test_a_prediction_during_which_another_run_came_is_not_kept(log, album, monkeypatch):
    def slow(*_args, **_options):
        log.add({"workers": 2}, trace_of(2))
        return object()

    album.known_preview({"workers": 2})
    monkeypatch.setattr(module, "preview", slow)
    album.new_preview({"workers": 2})
    assert album.known_preview({"workers": 2}) is None


def test_the_axis_of_workers_has_room_for_all_runs(log, album):
    assert (album.last, Album(Log([KNOWN["workers"]]), 8).last) == (16, 8)
    log.add({"workers": 40}, trace_of(8))
    assert album.last == 40
