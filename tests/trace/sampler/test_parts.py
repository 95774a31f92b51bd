"""The parts of spans where threads were sampled, from made-up timelines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.trace.columns import Spans
from kaygraph_viz.trace.sampler.parts import LaneThread, placed, with_samples
from kaygraph_viz.trace.sampler.thread_timeline import Timeline

MS = 1_000_000
TICK = 2 * MS
NOT_MEASURED = -1


def line(*pieces, tid=7, began=0):
    """Return a timeline from kinds and their ends [ms]."""
    kind = np.array([PART_CODE[name] for name, _ in pieces], np.uint8)
    return Timeline(1, tid, kind, np.rint(np.array([began, *(end for _, end in pieces)]) * MS).astype(np.int64))


def columns(*spans):
    """Return spans from started, ended, CPU [ms], and parts in a row's form or None, on lane ``a`` or another."""
    kept = Spans()
    for number, (started, ended, cpu, *rest) in enumerate(spans, 1):
        parts, lane = (*rest, None, "a")[:2] if not rest else (*rest, "a")[:2]
        cpu_ns = cpu if cpu == NOT_MEASURED else round(cpu * MS)
        times = (started * MS, started * MS, ended * MS)
        blocked = sum(part[0] == PART_CODE["blocked"] for part in parts or ()) * MS
        kept.append(
            (number, 0, -1, "s", "branch", lane, *times, cpu_ns, blocked, "ok", 1, None, None, None, parts)
        )  # fmt: skip
    return kept.columns()


A_IS_7 = (LaneThread("a", 7, 0),)


def sampled(spans, *lines, lanes=A_IS_7):
    """Return the parts of each span as texts of kind and end [ms]."""
    found = with_samples(spans, lines, lanes, tick_ns=TICK)
    return [[f"{p.kind} {p.ended_ns / MS:g}" for p in found.span(place).parts] for place in range(len(found))]


SLEEPS_THEN_COMPUTES = line(("wait", 50), ("cpu", 100), ("wait", 200))


def test_what_was_unknown_becomes_what_the_thread_did():
    assert sampled(columns((0, 100, 50)), SLEEPS_THEN_COMPUTES) == [["wait 50", "cpu 100"]]


def test_the_cpu_of_a_span_is_what_its_clock_said():
    assert sampled(columns((0, 100, 48)), SLEEPS_THEN_COMPUTES) == [["wait 52", "cpu 100"]]


def test_each_span_gets_its_own_time():
    two = columns((0, 60, 10), (60, 120, 40))
    assert sampled(two, SLEEPS_THEN_COMPUTES) == [["wait 50", "cpu 60"], ["cpu 100", "wait 120"]]


def test_a_span_and_what_it_encloses_agree():
    nested = columns((0, 150, 50), (20, 120, 50))
    outer, inner = sampled(nested, SLEEPS_THEN_COMPUTES)
    assert (outer, inner) == (["wait 50", "cpu 100", "wait 150"], ["wait 50", "cpu 100", "wait 120"])


def test_parts_that_are_known_stay_as_they_are():
    parts = (
        (PART_CODE["wait"], 20 * MS, -1.0), (PART_CODE["unknown"], 80 * MS, 0.5), (PART_CODE["blocked"], 90 * MS, -1.0),
        (PART_CODE["pause"], 100 * MS, -1.0),
    )  # fmt: skip
    assert sampled(columns((0, 100, 30, parts)), SLEEPS_THEN_COMPUTES) == [
        ["wait 50", "cpu 80", "blocked 90", "pause 100"]
    ]


def test_waiting_for_the_gil_and_for_a_core_are_told():
    busy = line(("gil", 10), ("cpu", 15), ("core", 20), ("cpu", 25))
    assert sampled(columns((0, 25, 10)), busy) == [["gil 10", "cpu 15", "core 20", "cpu 25"]]


def test_without_cpu_time_the_readings_alone_say_it():
    assert sampled(columns((0, 100, NOT_MEASURED)), SLEEPS_THEN_COMPUTES) == [["wait 50", "cpu 100"]]


def test_lanes_that_were_not_sampled_stay_unknown():
    assert sampled(columns((0, 100, 50, None, "b")), SLEEPS_THEN_COMPUTES) == [["unknown 100"]]


def test_a_span_shorter_than_a_tick_stays_unknown():
    spans = columns((0, 1, 0.5), (40, 60, 10))
    assert sampled(spans, SLEEPS_THEN_COMPUTES) == [["unknown 1"], ["wait 50", "cpu 60"]]


def test_a_span_from_before_the_thread_was_seen_stays_unknown():
    assert sampled(columns((0, 100, 50)), line(("wait", 50), ("cpu", 100), began=10)) == [["unknown 100"]]


def test_a_thread_that_dies_just_after_its_last_reading_goes_on_as_it_was():
    assert sampled(columns((0, 100, 52)), line(("wait", 48), ("cpu", 98))) == [["wait 48", "cpu 100"]]


def test_a_thread_that_contradicts_the_clock_of_the_span_is_not_believed():
    assert sampled(columns((0, 100, 90)), SLEEPS_THEN_COMPUTES) == [["unknown 100"]]


def test_the_number_of_a_dead_thread_is_that_of_another_one_later():
    first, second = line(("cpu", 10), ("wait", 40)), line(("wait", 70), ("cpu", 90), began=50)
    lanes = [LaneThread("a", 7, 0), LaneThread("b", 7, 50 * MS)]
    spans = columns((0, 40, 10), (50, 90, 20, None, "b"))
    assert sampled(spans, first, second, lanes=lanes) == [["cpu 10", "wait 40"], ["wait 70", "cpu 90"]]


def test_a_lane_goes_from_one_thread_to_the_next():
    lanes = [LaneThread("a", 7, 0), LaneThread("a", 8, 100 * MS)]
    lines = line(("wait", 10), ("cpu", 200)), line(("wait", 140), ("cpu", 200), began=90, tid=8)
    assert sampled(columns((0, 40, 30), (100, 180, 40)), *lines, lanes=lanes) == [
        ["wait 10", "cpu 40"], ["wait 140", "cpu 180"],
    ]  # fmt: skip


def test_without_anything_sampled_the_spans_are_the_same_object():
    spans = columns((0, 100, 50))
    assert with_samples(spans, [], [], tick_ns=TICK) is spans


def test_a_little_cpu_that_no_reading_shows_is_at_the_end():
    assert sampled(columns((0, 100, 1)), line(("wait", 100))) == [["wait 99", "cpu 100"]]


@given(data=st.data())
def test_pieces_tile_their_stretches_and_their_cpu_adds_up(data):
    lasted = data.draw(st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
    kinds = data.draw(st.lists(st.integers(0, 3), min_size=len(lasted), max_size=len(lasted)))
    edges = np.append(0, np.cumsum(lasted))
    thread = Timeline(1, 1, np.array(kinds, np.uint8), edges)
    begins = np.array(data.draw(st.lists(st.integers(0, int(edges[-1]) - 1), min_size=1, max_size=5)))
    ends = begins + np.array([data.draw(st.integers(1, 10**10)) for _ in begins])
    cpu = np.array([data.draw(st.integers(0, int(length))) for length in ends - begins])
    found = placed(thread, begins, ends, cpu)
    for number in range(len(begins)):
        mine = found.owner == number
        lengths = np.diff(np.append(begins[number], found.until_ns[mine]))
        assert (lengths > 0).all()
        assert found.until_ns[mine][-1] == ends[number]
        assert lengths[found.kind[mine] == PART_CODE["cpu"]].sum() == pytest.approx(cpu[number], abs=1)
