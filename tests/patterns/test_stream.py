"""A stream of events in windows: their sums, their lag, and the end of an endless stream."""

from __future__ import annotations

import itertools

import pytest

from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.course.patterns.stream import Event, EventStream, EventStreamNode, stream_graph, tumbling_windows
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS
from kaygraph_viz.recording import record

RUSH = EventStream(60, rush=(1, 3, 3))


def processed(events, **options):
    stream_graph(**options).run(shared := {"events": events})
    return shared["stream_result"]


def contents(result):
    return [(window.start_s, window.events, window.cents, window.by_shop) for window in result.windows]


def sold(at_s, processed_s, **values):
    event = Event(0, at_s, round(at_s * 1e9), values.get("shop", "Bergen"), values.get("cents", 250))
    return Outcome(0, event, ended_ns=round(processed_s * 1e9))


# -- events --------------------------------------------------------------------------------------------------------


def test_events_come_when_they_happen():
    from kaygraph_viz.clock.clock import current_clock

    with record(clock="virtual"):
        for event in EventStream(10, count=50):
            assert current_clock().now_ns() == event.happened_ns == round(event.at_s * 1e9)


def test_events_do_not_wait_for_who_is_late():
    from kaygraph_viz.clock.clock import current_clock, sleep

    with record(clock="virtual"):
        stream = iter(EventStream(10))
        next(stream)
        sleep(60)
        assert next(stream).at_s < 60
        assert current_clock().now_ns() < 61_000_000_000


def test_the_same_seed_gives_the_same_events():
    def some(seed):
        with record(clock="virtual"):
            return list(EventStream(100, seed=seed, count=20))

    assert some(1) == some(1) != some(2)


def test_there_are_as_many_events_as_were_asked_for_and_more_in_a_rush():
    with record(clock="virtual"):
        events = list(itertools.takewhile(lambda event: event.at_s < 30, EventStream(100, rush=(10, 20, 3))))
    seconds = [sum(begin <= event.at_s < begin + 10 for event in events) / 10 for begin in (0, 10, 20)]
    assert seconds == pytest.approx([100, 300, 100], rel=0.1)
    assert sum(event.cents is None for event in events) == len(events) // 97


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"per_second": 0}, "per_second must be"),
        ({"per_second": float("nan")}, "per_second must be"),
        ({"rush": (3, 1, 2)}, "rush must be"),
        ({"rush": 3}, "rush must be"),
        ({"rush": (1, 2, 0)}, "rush must be"),
        ({"seed": -1}, "seed must be"),
        ({"count": 2.5}, "count must be"),
    ],
)
def test_impossible_streams_are_refused(options, told):
    with pytest.raises(OptionError, match=told):
        EventStream(**options)


# -- windows -------------------------------------------------------------------------------------------------------


def test_windows_follow_each_other_also_where_nothing_happens():
    found = list(tumbling_windows([sold(0.5, 0.5), sold(3.2, 3.3), sold(4.0, 4.1)], 1))
    assert [(w.start_s, w.end_s, w.events) for w in found] == [(0, 1, 1), (1, 2, 0), (2, 3, 0), (3, 4, 1)]
    assert [round(w.lag_s, 6) for w in found] == [2.3, 1.3, 0.3, 0.1]


def test_an_event_at_the_border_belongs_to_the_later_window():
    first, second = tumbling_windows([sold(1.0, 1.0), sold(2.0, 2.0)], 1)
    assert (first.events, second.events) == (0, 1)


# -- the whole of it -----------------------------------------------------------------------------------------------


def test_every_event_is_in_its_window():
    with record(clock="virtual"):
        events = list(itertools.takewhile(lambda event: event.at_s < 6, RUSH))
        result = processed(RUSH, windows=6, max_workers=4)
    for window in result.windows:
        inside = [e for e in events if window.start_s <= e.at_s < window.end_s and e.cents is not None]
        assert (window.events, window.cents) == (len(inside), sum(event.cents for event in inside))
    assert result.failed == sum(event.cents is None for event in events)


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_neither_kind_nor_number_of_workers_changes_a_window(kind):
    with record(clock="virtual"):
        expected = contents(processed(RUSH, windows=4))
    for workers in (1, 2, 8):
        with record(clock="virtual"):
            assert contents(processed(RUSH, windows=4, max_workers=workers, executor=kind)) == expected


def test_with_enough_workers_there_is_little_lag():
    with record(clock="virtual"):
        result = processed(RUSH, windows=6, max_workers=8)
    assert max(window.lag_s for window in result.windows) < 0.1
    assert result.bottleneck == "source"
    assert result.is_keeping_up


def test_with_too_few_workers_the_lag_grows_from_window_to_window_and_the_source_is_held_back():
    with record(clock="virtual") as trace:
        result = processed(EventStream(90), windows=6, max_workers=1)
    lags = [window.lag_s for window in result.windows]
    assert lags == sorted(lags)
    assert lags[-1] > 1
    assert (result.bottleneck, result.is_keeping_up) == ("handle", False)
    assert sum(branch.blocked_ns for branch in trace.where(name="source")) / 1e9 > 1


def test_a_stream_that_ends_gives_the_windows_that_were_complete():
    with record(clock="virtual"):
        last = list(EventStream(10, count=35))[-1]
        result = processed(EventStream(10, count=35), windows=100)
    assert len(result.windows) == int(last.at_s) > 0


def test_the_endless_stream_is_closed_when_there_are_enough_windows():
    closed = []

    def events():
        try:
            yield from EventStream(200)
        finally:
            closed.append(True)

    assert len(processed(events(), windows=2, width_s=0.02, handle_s=0.001).windows) == 2
    assert closed == [True]


def test_a_simulated_run_is_the_same_every_time(tmp_path, repetitions):
    def run():
        with record(clock="virtual", seed=0) as trace:
            processed(RUSH, windows=3, max_workers=2)
        return trace.save(tmp_path / "trace.jsonl").read_bytes()

    assert len({run() for _ in repetitions}) == 1


def test_without_events_it_says_what_to_write():
    with pytest.raises(DataError, match=r"graph.run\(\{\"events\": EventStream\(\)\}\)"):
        stream_graph().run({})


@pytest.mark.parametrize(
    ("options", "told"),
    [({"windows": 0}, "windows must be"), ({"width_s": -1}, "width_s must be"), ({"handle_s": -1}, "handle_s must be")],
)
def test_impossible_options_are_refused(options, told):
    with pytest.raises(OptionError, match=told):
        EventStreamNode(**options)
