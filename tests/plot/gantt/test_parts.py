"""What was recorded is what is drawn: parts of simulated runs in the Gantt chart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import kaygraph_viz as kv
from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.plot.gantt.layout import make_layout


def recorded(kind, function, items, **options):
    with kv.record(clock=kv.VirtualClock(**options)) as trace, kv.get_executor(kind, 4) as executor:
        list(executor.imap(function, items))
    return trace


def rects_of(trace, fill, **options):
    return [rect for rect in make_layout(Chart.of(trace), **options).rects if rect.fill == fill]


def test_of_threads_that_compute_only_one_is_drawn_to_compute_at_a_time():
    computing = rects_of(recorded("thread", lambda _: kv.compute(0.02), range(4)), "cpu")
    assert {rect.row for rect in computing} == {0, 1, 2, 3}
    ordered = sorted(computing, key=lambda rect: rect.x0_s)
    assert all(one.x1_s <= other.x0_s + 1e-12 for one, other in pairwise(ordered))


def test_of_threads_whose_turns_are_too_short_each_is_filled_to_its_share():
    trace = recorded("thread", lambda _: kv.compute(3), range(4))
    computing = rects_of(trace, "cpu", shortest_s=0.02)
    for time in np.linspace(0.5, 11.5, 12):
        shares = [rect.high - rect.low for rect in computing if rect.x0_s <= time < rect.x1_s]
        assert sum(shares) == pytest.approx(0.74, rel=0.1)


def test_a_branch_that_waits_first_is_drawn_to_compute_last():
    def branch(_):
        kv.sleep(0.2)
        kv.compute(0.05)

    for rect in rects_of(recorded("thread", branch, range(1)), "cpu"):
        assert rect.x0_s >= 0.2


def test_the_picture_and_its_words_name_the_same_parts():
    ax = gantt(recorded("process", lambda _: kv.compute(3), range(4), cores=2))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CPU", "waiting for a core"]
    assert "50% is computing and 50% waiting for a core; at most 2 compute at once." in kv.describe(ax).sentence
    heading = str(kv.describe(ax)).splitlines()[2].split()
    assert heading == ["worker", "bar", "from", "to", "CPU", "core", "ended"]


def test_an_image_names_the_same_parts():
    ax = gantt(recorded("thread", lambda _: kv.compute(0.02), range(4)), max_bars=1)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CPU", "waiting for the interpreter"]
