"""Alternative texts of figures, also as IPython stores them."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from kaygraph_viz.plot import alt_text as module
from kaygraph_viz.plot.alt_text import MAX_LENGTH, NOTHING, alt_text
from kaygraph_viz.plot.curves.concurrency import concurrency
from kaygraph_viz.plot.description import describe
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import bar, make_trace


def trace():
    return make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2))


def test_the_text_of_our_chart_is_its_description():
    ax = gantt(trace())
    assert alt_text(ax.figure) == describe(ax).sentence


def test_a_figure_of_several_charts_has_the_sentences_of_all():
    figure, (upper, lower) = plt.subplots(2)
    gantt(trace(), ax=upper)
    concurrency(trace(), ax=lower)
    figure.suptitle("One run")
    assert alt_text(figure) == f"One run. {describe(upper).sentence} {describe(lower).sentence}"


def test_a_figure_that_is_not_ours_is_described_by_its_titles_labels_and_lines():
    _, ax = plt.subplots()
    ax.set(title="How long it took", xlabel="workers", ylabel="seconds")
    ax.plot([1, 2], [2, 1], label="threads")
    ax.plot([1, 2], [2, 2], label="processes")
    assert alt_text(ax.figure) == (
        "How long it took: workers on the x axis and seconds on the y axis. It shows threads and processes."
    )


def test_the_same_is_not_said_twice():
    figure, axes = plt.subplots(1, 3)
    for ax in axes:
        ax.set(title="A queue")
    assert alt_text(figure) == "A queue."


@pytest.mark.parametrize("drawn", [(), ("plot",)])
def test_a_figure_without_a_word_has_a_text(drawn):
    figure = Figure()
    for name in drawn:
        getattr(figure.add_subplot(), name)([1, 2])
    assert alt_text(figure) == NOTHING


def test_a_text_is_plain_and_not_endless():
    figure = Figure()
    figure.add_subplot().set_title("a\x00b\u202e" + "long " * 10_000)
    text = alt_text(figure)
    assert len(text) <= MAX_LENGTH
    assert not {"\x00", "\u202e"} & set(text)


@pytest.fixture
def shell(monkeypatch):
    """A shell of IPython that shows figures as the inline backend does."""
    shell = InteractiveShell()
    monkeypatch.setattr(module.sys.modules["IPython"], "get_ipython", lambda: shell)
    select_figure_formats(shell, {"png"})
    return shell


def test_ipython_stores_the_text_beside_the_picture(shell):
    ax = gantt(trace())
    data, metadata = shell.display_formatter.format(ax.figure)
    assert metadata == {"image/png": {"alt": describe(ax).sentence}}
    assert {"image/png", "text/plain"} == set(data)


def test_a_figure_of_the_reader_looks_as_before_and_has_a_text(shell):
    figure = Figure()
    figure.add_subplot().set_title("Mine")
    before, nothing = shell.display_formatter.format(figure)
    gantt(trace())
    data, metadata = shell.display_formatter.format(figure)
    assert (nothing, metadata) == ({}, {"image/png": {"alt": "Mine."}})
    assert data == before


def test_the_text_stays_when_another_format_is_chosen(shell):
    ax = gantt(trace())
    select_figure_formats(shell, {"svg"})
    _, metadata = shell.display_formatter.format(ax.figure)
    assert set(metadata) == {"image/svg+xml"}


def test_nothing_happens_where_no_ipython_runs(monkeypatch):
    monkeypatch.setattr(module.sys.modules["IPython"], "get_ipython", lambda: None)
    assert gantt(trace()).figure.axes
