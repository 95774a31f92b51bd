"""The log of a panel, its words, and the options of its runs."""

from __future__ import annotations

from typing import Literal

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.playground import state
from kaygraph_viz.widgets.playground.options import KNOWN, call_with, options_of
from kaygraph_viz.widgets.playground.state import BEST, MAX_TRIED, Log, duration_range, missed_by

OPTIONS = [KNOWN[name] for name in ("workers", "schedule", "items")]


def trace_of(workers, items=8):
    """Return branches of one second on so many workers."""
    return make_trace(*(bar("check", f"t-{at % workers}", at // workers, at // workers + 1) for at in range(items)))


def settings(workers, schedule="dynamic", items=8):
    return {"workers": workers, "schedule": schedule, "items": items}


@pytest.fixture
def log():
    return Log(OPTIONS)


def test_same_settings_again_are_a_run_of_their_own(log):
    first = log.add(settings(2), trace_of(2))
    log.add(settings(4), trace_of(4))
    again = log.add(settings(2), trace_of(1))
    assert [entry.workers for entry in log.entries] == [2, 4, 2]
    assert log.runs(settings(2)) == [first, again]
    assert log.find(settings(2)) is again
    assert log.find(settings(3)) is None


def test_repeats_share_a_line_which_opens_for_one_of_them(log):
    first, again = log.add(settings(2), trace_of(2)), log.add(settings(2), trace_of(1))
    four = log.add(settings(4), trace_of(4))
    assert [row[1:3] for row in log.table()[1:]] == [("2", "2 runs: 4.0-8.0 s"), ("4", "2.00 s")]
    assert log.lines() == log.lines(four) == [again, four]
    assert [row[1:3] for row in log.table(first)[1:]] == [
        ("2", "2 runs: 4.0-8.0 s"), ("run 1", "4.00 s"), ("run 2", "8.00 s"), ("4", "2.00 s")
    ]  # fmt: skip
    assert log.lines(first) == [again, first, again, four]
    assert [log.title(entry) for entry in (first, four)] == ["2 workers, run 1: 4.00 s", "4 workers: 2.00 s"]


def test_a_complete_run_takes_the_place_of_one_that_was_stopped(log):
    log.add(settings(2), trace_of(2), is_whole=False)
    whole = log.add(settings(2), trace_of(2))
    assert log.entries == [whole]


def test_the_nearest_run_differs_in_nothing_but_workers(log):
    two, eight = log.add(settings(2), trace_of(2)), log.add(settings(8), trace_of(8))
    log.add(settings(5, "static"), trace_of(5))
    log.add(settings(4), trace_of(4), is_whole=False)
    assert [log.nearest(settings(count)) for count in (1, 4, 5, 6)] == [two, two, two, eight]
    assert log.nearest(settings(4, items=4)) is None


def test_log_forgets_the_oldest_runs(log):
    trace = trace_of(1)
    for seed in range(MAX_TRIED + 2):
        log.add({**settings(1), "seed": seed}, trace)
    assert len(log.entries) == MAX_TRIED
    assert log.find({**settings(1), "seed": 1}) is None


def test_the_fastest_is_best_and_of_equals_the_one_with_the_fewest_workers(log):
    log.add(settings(2), trace_of(2))
    best, equal = log.add(settings(8), trace_of(8)), log.add(settings(16), trace_of(8))
    assert [log.is_best(entry) for entry in log.entries] == [False, True, False]
    assert (best.trace.makespan_s, equal.trace.makespan_s) == (1.0, 1.0)


def test_a_run_that_was_stopped_is_compared_with_nothing(log):
    log.add(settings(1), trace_of(1))
    stopped = log.add(settings(8), trace_of(8), is_whole=False)
    assert stopped.predicted is None
    assert log.table()[2] == ("", "8", "stopped", "", "8")
    assert log.result(stopped) == "This run was stopped: the chart shows the time until then."
    assert log.title(stopped) == "8 workers: stopped"


def test_gain_is_measured_where_one_worker_was_tried_and_else_predicted(log):
    four = log.add(settings(4), trace_of(4))
    assert log.gain(four) == "about 4.0"
    assert log.result(four).endswith("about 4.0 times as fast as one worker, which would probably take 8.00 s.")
    log.add(settings(1), trace_of(1))
    assert log.gain(four) == "4.0"
    assert log.result(four) == (
        "8 branches with 4 workers took 2.00 s: 4.0 times as fast as one worker, which took 8.00 s."
    )


def test_failed_branches_are_counted_in_the_result(log):
    failed = [bar("check", f"t-{at}", 0, 1, status="error", error="E") for at in range(2)]
    log.add(settings(1, items=4), trace_of(1, 4))
    entry = log.add(settings(4, items=4), make_trace(*failed, bar("check", "t-2", 0, 1), bar("check", "t-3", 0, 1)))
    assert log.result(entry).endswith(" 2 failed.")


def test_large_runs_are_not_predicted(log, monkeypatch):
    monkeypatch.setattr(state, "CHEAP_SPANS", 7)
    four = log.add(settings(4), trace_of(4))
    assert (four.predicted, log.one_worker_s(four), log.gain(four)) == (None, None, "")


def test_table_has_a_column_for_each_setting_that_differs(log):
    log.add(settings(2), trace_of(2))
    log.add(settings(4), trace_of(4))
    log.add(settings(2, items=16), trace_of(2, 16))
    assert log.table() == [
        ("", "workers", "items", "makespan", "times as fast", "at once"),
        ("", "2", "8", "4.00 s", "about 2.0", "2"),
        (BEST, "4", "8", "2.00 s", "about 4.0", "4"),
        ("", "2", "16", "8.00 s", "about 2.0", "2"),
    ]
    assert log.title(log.entries[2]) == "2 workers, items 16: 8.00 s"


def test_a_workload_that_would_fill_hardly_any_of_a_chart_has_a_scale_of_its_own(log):
    many, half = log.add(settings(1, items=32), trace_of(1, 32)), log.add(settings(1, items=16), trace_of(1, 16))
    few, fewer = log.add(settings(1, items=4), trace_of(1, 4)), log.add(settings(4, items=4), trace_of(4, 4))
    assert [log.scale_s(run) for run in (many, half, few, fewer)] == [32.0, 32.0, 4.0, 4.0]


def test_one_worker_whose_branches_have_workers_of_their_own_is_one_worker(log):
    alone = log.add(settings(1), trace_of(4))
    assert log.result(alone) == "8 branches with 1 worker took 2.00 s."


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


@pytest.mark.parametrize(
    ("predicted_s", "measured_s", "end"),
    [(1.1, 1.0, "10% too long."), (0.9, 1.0, "10% too short."), (1.0, 1.0, "right."), (1.0, 0.0, "right.")],
)
def test_a_prediction_is_too_long_too_short_or_right(predicted_s, measured_s, end):
    assert missed_by(predicted_s, measured_s).endswith(f": {end}")


def run(workers=2, *, items=8, schedule="dynamic", latency_s=1.0, clock=None, verbose=True):
    """Stand in for a function that records a run."""


def option(function, name, given=None):
    return next(option for option in options_of(function, given) if option.name == name)


def test_keyword_of_the_readers_own_is_an_option_where_its_choices_are_known():
    def own(workers, way: Literal["gather", "semaphore"] = "semaphore", depth=1):
        """Stand in."""

    way = option(own, "way")
    assert (list(way.choices.values()), way.value, way.is_task) == (["gather", "semaphore"], "semaphore", True)
    assert [option.name for option in options_of(own)] == ["workers", "way"]
    assert option(own, "depth", {"depth": range(1, 10)}).high == 9


def test_a_range_and_choices_can_be_given():
    given = {"items": range(10, 51, 10), "schedule": ["static", "dynamic"]}
    items, schedule = option(run, "items", given), option(run, "schedule", given)
    assert (items.low, items.high, items.step, items.value) == (10, 50, 10, 10)  # 8 is no choice any more
    assert (list(schedule.choices.values()), schedule.value) == (["static", "dynamic"], "dynamic")


def test_a_default_outside_of_the_usual_range_widens_it():
    def many(workers=64):
        """Stand in."""

    assert (option(many, "workers").value, option(many, "workers").high) == (64, 64)


@pytest.mark.parametrize("values", [[], "ab", 3, None, range(0)])
def test_nothing_to_choose_from_is_a_clear_error(values):
    with pytest.raises(OptionError, match=r"controls\['items'\] must be a range or a list of choices"):
        options_of(run, {"items": values})


def test_number_of_workers_is_passed_by_keyword_or_as_the_first_argument():
    settings = {"workers": 3, "items": 5}
    assert call_with(lambda workers, items: (workers, items), settings) == (3, 5)
    assert call_with(lambda count, items: (count, items), settings) == (3, 5)
    assert call_with(lambda count, **others: (count, others), settings) == (3, {"items": 5})


def test_function_without_a_readable_signature_has_the_number_of_workers():
    assert [option.name for option in options_of(dict.fromkeys)] == ["workers"]


@pytest.mark.parametrize(
    ("name", "value", "is_allowed"),
    [
        ("items", 1, True), ("items", 201, False), ("items", 1.0, False), ("items", True, False),
        ("latency_s", 0.25, True), ("latency_s", 0, True), ("latency_s", float("nan"), False),
        ("clock", None, True), ("clock", "real", False),
    ],
)  # fmt: skip
def test_values_outside_of_the_range_or_choices_are_not_allowed(name, value, is_allowed):
    assert KNOWN[name].allows(value) is is_allowed


def test_a_default_that_is_no_choice_becomes_one():
    def own(workers, executor="fiber", schedule=None):
        """Stand in."""

    assert list(option(own, "executor").choices) == ["fiber", "thread", "process", "async", "serial"]
    assert option(own, "schedule").choices["default"] is None
    assert [*option(run, "schedule").choices] == ["dynamic", "static", "longest-first"]


def test_an_argument_that_can_only_be_given_by_name_is_not_the_number_of_workers():
    def own(*, executor="thread"):
        """Stand in."""

    assert [each.name for each in options_of(own)] == ["workers", "executor"]
    assert [each.name for each in options_of(lambda executor="thread": executor)] == ["workers"]


def test_choices_of_an_annotation_have_the_words_that_are_known_for_them():
    def own(workers, clock: Literal["virtual"] = "virtual", executor: Literal["process", "fiber"] = "fiber"):
        """Stand in."""

    assert option(own, "clock").choices == {"simulated": "virtual"}
    assert option(own, "executor").choices == {"process": "process", "fiber": "fiber"}


def test_given_choices_start_at_the_default_where_it_is_among_them_and_else_at_the_first():
    assert option(run, "schedule", {"schedule": ["static", "dynamic"]}).value == "dynamic"
    assert option(run, "schedule", {"schedule": ["static", "longest-first"]}).value == "static"
    assert option(run, "verbose", {"verbose": [False, True]}).value is True
    assert option(run, "schedule", {"schedule": ["static"]}).label == KNOWN["schedule"].label
