"""What is sent to the browser is the run: read back, it has the same bars, parts, words and rows."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from kaygraph_viz.plot.chart import Chart
from kaygraph_viz.plot.layout import make_layout
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import record, span
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.widgets.packing import MOST_ERRORS, MOST_SHARE, NOT_MEASURED, PAUSE, RUNNING, SLIM, pack


def columns_of(packed):
    """Return the columns as the browser reads them."""
    count, found = packed.head["count"], {}
    for name, place in packed.head["columns"].items():
        if "value" in place:
            found[name] = np.full(count, place["value"])
        else:
            assert place["offset"] % 8 == 0
            found[name] = np.frombuffer(packed.data, place["type"], count, place["offset"])
    return found


def parts_of(packed):
    """Return row, from, to and part of all that is drawn, queues left out."""
    head, columns = packed.head, columns_of(packed)
    for at in range(head["count"]):
        row = sum(one["first"] <= at for one in head["rows"]) - 1
        start, length = columns["start"][at] * head["tick_s"], float(columns["length"][at])
        if columns["look"][at] & PAUSE:
            yield row, "pause", start, start + length
            continue
        is_known = columns["cpu"][at] != NOT_MEASURED
        cpu = length * columns["cpu"][at] / MOST_SHARE if is_known else 0
        blocked = length * columns["blocked"][at] / MOST_SHARE
        rest = ("waiting" if is_known else "busy", length - cpu - blocked)
        for part, seconds in (("cpu", cpu), rest, ("blocked", blocked)):
            if seconds > length / 1000:
                yield row, part, start, start + seconds
            start += seconds


def tries(*ends, status="error"):
    """Return attempts of a second, each of which begins a second after the one before has ended."""
    last = len(ends)
    states = [status] * (last - 1) + ["ok"]
    return [
        bar(
            "a", "t-1", end - 1, end, kind="attempt", attempt=number, status=state, error=None if state == "ok" else "e"
        )
        for number, (end, state) in enumerate(zip(ends, states, strict=True), 1)
    ]


TRACES = {
    "nothing": make_trace(),
    "one": make_trace(bar("a", "t-1", 0, 1)),
    "parts": make_trace(
        bar("a", "t-1", 1, 3, queued_s=1, cpu_s=0.5, blocked_s=0.25), bar("b", "t-2", 1, 2, cpu_s=1),
        bar("c", "t-3", 1, 2),
    ),
    "phases": make_trace(
        (bar("Load", "main", 0, 2, kind="node"),
         [bar("prep", "main", 0, 0.5, kind="phase"), bar("exec", "main", 0.5, 1.5, kind="phase")]),
        (bar("Check", "main", 2, 4, kind="node"),
         [(bar("exec", "main", 2, 4, kind="phase"), [bar("c", f"t-{at}", 2, 3, index=at) for at in range(3)])]),
    ),
    "retries": make_trace(
        (bar("a", "t-1", 0, 6, cpu_s=1.5, blocked_s=0.3, attempt=3), tries(1, 3, 5)), bar("b", "t-1", 6, 7)
    ),
    "overlapping": make_trace(*(bar("c", "t-1", at, at + 3) for at in range(4)), check=False),
}  # fmt: skip


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_parts_are_those_of_the_static_chart(trace):
    drawn = [rect for rect in make_layout(Chart.of(trace)).rects if rect.fill != "queued"]
    sent = sorted(parts_of(pack(trace)))
    expected = sorted((rect.row, rect.fill, rect.x0_s, rect.x1_s) for rect in drawn)
    assert [part[:2] for part in sent] == [part[:2] for part in expected]
    assert np.allclose([part[2:] for part in sent], [part[2:] for part in expected], rtol=0, atol=1e-3)


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_pieces_are_sorted_and_do_not_overlap_within_a_row(trace):
    packed = pack(trace)
    columns, rows = columns_of(packed), packed.head["rows"]
    borders = [*(row["first"] for row in rows), packed.head["count"]]
    ends = columns["start"] * packed.head["tick_s"] + columns["length"]
    for low, high in pairwise(borders):
        starts = columns["start"][low:high] * packed.head["tick_s"]
        assert (starts[1:] >= ends[low:high][:-1] - 1e-6).all()


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_head_is_plain_json(trace):
    assert json.loads(json.dumps(pack(trace).head))["count"] == pack(trace).head["count"]


def test_exact_numbers_of_one_bar():
    trace = make_trace(
        bar("first", "t-1", 0, 10),
        bar("a", "t-2", 4, 6, queued_s=1, cpu_s=0.5, blocked_s=0.25, index=7, status="timeout", attempt=2, span_id=99),
    )
    packed = pack(trace)
    one = {name: values[1] for name, values in columns_of(packed).items()}
    assert one["start"] * packed.head["tick_s"] == pytest.approx(4, abs=1e-8)
    assert (one["length"], one["queued"]) == (2, 1)
    assert (one["cpu"] / MOST_SHARE, one["blocked"] / MOST_SHARE) == pytest.approx((0.25, 0.125), abs=1e-5)
    assert (one["item"], one["id"], one["attempt"], one["tries"]) == (7, 99, 2, 2)
    assert STATUSES[one["look"]] == "timeout"


def test_names_are_those_of_the_static_chart():
    head = pack(TRACES["phases"]).head
    labels = [(text, head["nodes"][node], phase, numbered) for text, node, phase, numbered in head["labels"]]
    assert {("Load", "Load", "prep", 0), ("Load", "Load", "", 0), ("c", "Check", "", 1)} <= set(labels)


def test_prep_and_post_are_slim():
    columns = columns_of(pack(TRACES["phases"]))
    assert (columns["look"] & SLIM > 0).sum() == 1


def test_errors_go_along_up_to_a_number():
    count = MOST_ERRORS + 5
    trace = make_trace(*(bar("a", "t-1", at, at + 1, status="error", error=f"E {at}") for at in range(count)))
    errors = pack(trace).head["errors"]
    assert (len(errors), errors["3"]) == (MOST_ERRORS, "E 3")


def test_error_of_an_attempt_is_at_the_attempt():
    assert pack(TRACES["retries"]).head["errors"] == {"0": "e", "2": "e"}


def test_a_column_of_one_value_is_sent_as_that_value():
    places = pack(TRACES["overlapping"]).head["columns"]
    assert (places["attempt"], places["cpu"]) == ({"value": 1}, {"value": NOT_MEASURED})


def test_numbers_of_spans_beyond_32_bits_survive():
    trace = make_trace(bar("a", "t-1", 0, 1, span_id=2**40 + 1), bar("b", "t-1", 1, 2, span_id=2**40 + 2))
    assert columns_of(pack(trace))["id"].tolist() == [2**40 + 1, 2**40 + 2]


def test_times_are_as_fine_at_the_end_of_a_long_run():
    day_s = 86_400
    trace = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-1", day_s - 1, day_s), bar("c", "t-2", day_s - 0.0005, day_s))
    packed = pack(trace)
    starts = columns_of(packed)["start"] * packed.head["tick_s"]
    assert starts[2] == pytest.approx(day_s - 0.0005, abs=3e-5)


def test_hostile_texts_are_plain_and_short():
    evil = "<script>\x00\u202e" + "x" * 1_000_000
    packed = pack(make_trace(bar(evil, evil, 0, 1, status="error", error=evil)))
    text = json.dumps(packed.head, ensure_ascii=False)
    assert len(text) < 10_000
    assert not {"\x00", "\u202e"} & set(text)


def test_what_still_runs_is_there_and_says_so():
    with record() as trace, span("tea") as tea:
        packed = pack(trace)
    assert (packed.head["is_live"], packed.head["bars"]) == (True, 1)
    assert columns_of(packed)["look"][0] & RUNNING
    assert packed.ids.tolist() == [tea.span_id]
    assert not columns_of(pack(trace))["look"][0] & RUNNING
