"""Pictures of a panel, each drawn once, and those of predictions."""

from __future__ import annotations

import io
import re

import matplotlib.image
import numpy as np
import pytest

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.playground import pictures
from kaygraph_viz.widgets.playground.options import KNOWN
from kaygraph_viz.widgets.playground.pictures import STYLE, Album, forecast, gantt_picture, lines_of, preview
from kaygraph_viz.widgets.playground.state import Log


def height_and_lowest_ink(trace):
    picture = matplotlib.image.imread(io.BytesIO(gantt_picture(trace).png))[..., :3]
    return len(picture), int(np.flatnonzero((picture < 0.9).any(axis=(1, 2))).max())


def test_a_note_below_the_axis_is_not_cut_off():
    whole = make_trace(bar("whole", "thread-1", 0, 1, parts=[("wait", 1)]))
    in_bits = make_trace(bar("in bits", "thread-1", 0, 1, parts=[("cpu", 0.001), ("wait", 0.001)] * 500))
    (height, without), (same, noted) = height_and_lowest_ink(whole), height_and_lowest_ink(in_bits)
    assert same == height
    assert without < noted < height - 2


def test_very_many_workers_are_folded():
    picture = gantt_picture(make_trace(*(bar("a", f"t-{lane}", 0, 1) for lane in range(1_000))))
    assert "folded into 20 bands" in picture.alt


# -- what a panel shows for settings that were not run -----


def trace_of(workers):
    return make_trace(*(bar("check", f"t-{at % workers}", at // workers, at // workers + 1) for at in range(8)))


@pytest.fixture
def log():
    log = Log([KNOWN["workers"], KNOWN["items"]])
    log.add({"workers": 4, "items": 8}, trace_of(4))
    return log


def test_nothing_is_predicted_for_another_workload(log):
    assert forecast(log, {"workers": 2, "items": 9}) is None
    assert preview(log, {"workers": 2, "items": 9}, last=16) is None


def test_the_pictures_of_a_prediction_say_that_it_is_one(log, monkeypatch):
    asked = []
    draw = pictures.gantt
    monkeypatch.setattr(pictures, "gantt", lambda *args, **options: asked.append(options) or draw(*args, **options))
    found = preview(log, {"workers": 1, "items": 8}, last=16)
    assert (asked[0]["title"], asked[0]["end_s"]) == ("1 worker: predicted 8.00 s", 8.0)
    assert "predicted from the run with 4 workers, not measured" in found.chart.alt
    assert found.sketch is not None


# -- pictures that are drawn once, and what another run makes out of date -----


@pytest.fixture
def album_log():
    album_log = Log([KNOWN["workers"]])
    album_log.add({"workers": 4}, trace_of(4))
    return album_log


@pytest.fixture
def album(album_log):
    return Album(album_log, 16)


@pytest.fixture
def drawn(monkeypatch):
    """Count what is drawn, in place of drawing it."""
    names = []
    for name in ("gantt_picture", "sketch_picture"):
        monkeypatch.setattr(pictures, name, lambda *_args, name=name, **_options: names.append(name) or object())
    return names


def test_each_picture_is_drawn_once(album_log, album, drawn):
    (run,) = album_log.entries
    assert album.chart(run) is album.chart(run)
    assert album.sketch(run) is album.sketch(run)
    assert drawn == ["gantt_picture", "sketch_picture"]


def test_another_run_makes_sketches_new_and_charts_of_another_scale(album_log, album, drawn):
    (run,) = album_log.entries
    before = album.chart(run), album.sketch(run)
    album_log.add({"workers": 1}, trace_of(1))
    assert (album.chart(run) is before[0], album.sketch(run) is before[1]) == (False, False)


def test_a_prediction_is_known_until_another_run_is_there(album_log, album):
    assert album.known_preview({"workers": 2}) is None
    made = album.new_preview({"workers": 2})
    assert album.known_preview({"workers": 2}) is made
    album_log.add({"workers": 1}, trace_of(1))
    assert album.known_preview({"workers": 2}) is None


def test_a_prediction_during_which_another_run_came_is_not_kept(album_log, album, monkeypatch):
    def slow(*_args, **_options):
        album_log.add({"workers": 2}, trace_of(2))
        return object()

    album.known_preview({"workers": 2})
    monkeypatch.setattr(pictures, "preview", slow)
    album.new_preview({"workers": 2})
    assert album.known_preview({"workers": 2}) is None


# -- tables as lines of a list, and the style sheet -----


def test_no_blank_is_left_that_the_entry_of_a_list_would_lose():
    assert " " not in "".join(lines_of([("", "c d"), ("★", "with the longest branches first")]))


def test_style_sheet_loads_nothing_and_is_whole():
    assert not re.search(r"url\(|@import|https?:", STYLE)
    assert STYLE.count("{") == STYLE.count("}")
