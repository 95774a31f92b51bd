"""What is sent to the browser is the run: read back, it has the same bars, parts, words and rows."""

from __future__ import annotations

import json
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from kaygraph_viz.analysis.own_time import recorded_owner
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.plot.gantt.layout import make_layout
from kaygraph_viz.plot.gantt.scene import Chart, folded
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.widgets.timeline.packing import (
    MAX_ERRORS,
    MAX_PART_SHARE,
    MAX_SHARE,
    NOT_MEASURED,
    OWN,
    PART_NOT_MEASURED,
    PAUSE,
    RUNNING,
    pack,
)


def columns_of(packed):
    """Return the columns as the browser reads them."""
    found = {}
    for name, place in packed.head["columns"].items():
        if "value" in place:
            found[name] = np.full(place["count"], place["value"])
        else:
            assert place["offset"] % 8 == 0
            found[name] = np.frombuffer(packed.data, place["type"], place["count"], place["offset"])
    return found


def parts_of(packed):
    """Return row, number of the bar, kind, from, to and share of CPU, or None, of all parts as the browser has them."""
    head, columns = packed.head, columns_of(packed)
    firsts = [*columns["noted_first"].tolist(), len(columns["part_kind"])]
    noted = dict(zip(columns["noted"].tolist(), pairwise(firsts), strict=True))
    for at in range(head["count"]):
        row, bar_id = sum(one["first"] <= at for one in head["rows"]) - 1, columns["id"][at]
        start, length = columns["start"][at] * head["tick_s"], float(columns["length"][at])
        if at not in noted:
            yield from ((row, bar_id, *part) for part in derived(columns, at, start, length))
            continue
        for place in range(*noted[at]):
            end, share = columns["part_end"][place] * head["tick_s"], columns["part_share"][place]
            kind = PART_KINDS[columns["part_kind"][place]]
            yield row, bar_id, kind, start, end, None if share == PART_NOT_MEASURED else share / MAX_PART_SHARE
            start = end


def derived(columns, at, start, length):
    """Return the parts of a piece of which only sums are sent."""
    if columns["flags"][at] & PAUSE:
        return [("pause", start, start + length, 0)]
    blocked = columns["blocked"][at] / MAX_SHARE
    share = columns["cpu"][at] / MAX_SHARE / max(1 - blocked, 1e-9)
    middle, end = start + length * (1 - blocked), start + length
    if columns["cpu"][at] == NOT_MEASURED:
        first = ("unknown", start, middle, None)
    else:
        kind = "cpu" if share > 0.9999 else "wait" if share == 0 else "unknown"
        first = (kind, start, middle, share)
    return [part for part in (first, ("blocked", middle, end, 0)) if part[2] - part[1] > length / 1000]


def merged(parts):
    """Return row, number, kind, from and to of parts in order, those that go on as one; what takes no time left out."""
    found = []
    for row, bar_id, kind, start, end, *_ in sorted(parts, key=lambda part: (part[0], part[3], part[4])):
        if end - start < 1e-6:
            continue
        if found and found[-1][:3] == (row, bar_id, kind) and abs(found[-1][4] - start) < 1e-6:
            found[-1] = (*found[-1][:4], end)
        else:
            found.append((row, bar_id, kind, start, end))
    return found


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


NOTED = [("cpu", 1), ("pause", 1), ("gil", 0.25), ("cpu", 0.75), ("pause", 1), ("blocked", 0.5), ("unknown", 1.5, 0.3)]


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
    "noted": make_trace(
        bar("a", "t-1", 0, 3, cpu_s=1.5, parts=[("wait", 1), ("cpu", 1), ("unknown", 0.5), ("unknown", 0.5, 0.5)]),
        bar("b", "t-2", 0, 3, cpu_s=1, parts=[("core", 1), ("cpu", 1), ("gil", 1)]), bar("c", "t-3", 1, 2, cpu_s=0.25),
    ),
    "noted retries": make_trace((bar("a", "t-1", 0, 6, cpu_s=2, attempt=3, parts=NOTED), tries(1, 3, 5))),
    "around": make_trace(
        (bar("main", "task-1", 0, 9, cpu_s=2), [
            bar("loop blocked", "task-1", 7, 8, kind="wait"), bar("job", "task-2", 2, 4), bar("job", "task-3", 5, 6),
        ]),
    ),
    "overlapping": make_trace(*(bar("c", "t-1", at, at + 3) for at in range(4)), check=False),
}  # fmt: skip


def drawn_statically(trace):
    """Return row, number of the bar, kind, from and to of all parts that the static chart has."""
    fills = {}  # those of a stretch that is not known when stand on each other
    chart = Chart.of(trace, has_own_time=True)
    columns = chart.runs[0].nesting.columns
    number = dict(zip(columns.rows["span_id"].tolist(), recorded_owner(columns).tolist(), strict=True))
    for rect in make_layout(chart).rects:
        fills.setdefault((rect.row, number[rect.span_id], rect.x0_s, rect.x1_s), []).append(rect.fill)
    for (row, span_id, *times), kinds in fills.items():
        if kinds not in (["queued"], ["around"]):
            yield row, span_id, "unknown" if {"unknown", "busy"} & set(kinds) else kinds[0], *times


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_parts_are_those_of_the_static_chart(trace):
    sent, drawn = merged(parts_of(pack(trace))), merged(drawn_statically(trace))
    assert [part[:3] for part in sent] == [part[:3] for part in drawn]
    assert np.allclose([part[3:] for part in sent], [part[3:] for part in drawn], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["parts", "noted", "noted retries"])
def test_parts_are_those_of_the_spans(name):
    trace, sent = TRACES[name], list(parts_of(pack(TRACES[name])))
    for one in (it for it in trace if it.kind == "branch"):
        mine = merged(part for part in sent if part[1] == one.span_id)
        assert [part[2] for part in mine] == [kind for kind, _ in groupby(part.kind for part in one.parts)]
        ends = {round(part[4], 3) for part in mine}
        assert ends <= {part.ended_ns / 1e9 for part in one.parts}


def test_share_of_cpu_of_what_is_not_known_when_goes_along():
    shares = [part[5] for part in parts_of(pack(TRACES["noted"])) if part[2] == "unknown"]
    assert shares == [None, pytest.approx(0.5, abs=0.003), pytest.approx(0.25, abs=1e-4)]


@st.composite
def tried_again(draw):
    """Return a branch with parts of some milliseconds each, and attempts between any of its milliseconds."""
    parts = draw(st.lists(st.tuples(st.sampled_from(PART_KINDS[:-1]), st.integers(1, 5)), min_size=1, max_size=12))
    total = sum(length for _, length in parts)
    edges = sorted(draw(st.lists(st.integers(0, total), min_size=4, max_size=8)))
    spans = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False) if start < end]
    attempts = [
        bar("a", "t", start / 1000, end / 1000, kind="attempt", attempt=number)
        for number, (start, end) in enumerate(spans, 1)
    ]
    noted = [(kind, length / 1000) for kind, length in parts]
    cpu_s = sum(length for kind, length in noted if kind == "cpu")
    blocked_s = sum(length for kind, length in noted if kind == "blocked")
    tried = bar("a", "t", 0, total / 1000, cpu_s=cpu_s, blocked_s=blocked_s, attempt=max(1, len(spans)), parts=noted)
    return make_trace((tried, attempts))


BLOCKED_THROUGHOUT = make_trace(
    (
        bar("a", "t", 0, 0.006, cpu_s=0, blocked_s=0.006, attempt=2, parts=[("blocked", 0.006)]),
        [bar("a", "t", at / 1000, (at + 1) / 1000, kind="attempt", attempt=at // 2 + 1) for at in (1, 3)],
    )
)


@given(tried_again())
@example(BLOCKED_THROUGHOUT)
def test_parts_of_attempts_are_those_of_their_branch(trace):
    sent = merged(parts_of(pack(trace)))
    assert [part[2] for part in sent] == [kind for kind, _ in groupby(part.kind for part in next(iter(trace)).parts)]
    drawn = merged(drawn_statically(trace))
    assert np.allclose([part[3:] for part in sent], [part[3:] for part in drawn], rtol=0, atol=1e-6)


def test_a_million_tiny_bars_cost_no_bytes_for_parts():
    columns = pack(make_trace(*(bar("a", "t-1", at, at + 1, cpu_s=1, parts=[("cpu", 1)]) for at in range(50)))).head
    assert [columns["columns"][name]["count"] for name in ("noted", "noted_first", "part_kind")] == [0, 0, 0]


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_head_is_plain_json(trace):
    assert json.loads(json.dumps(pack(trace).head))["count"] == pack(trace).head["count"]


def test_exact_numbers_of_one_bar():
    trace = make_trace(
        bar("first", "t-1", 0, 10),
        bar("a", "t-2", 4, 6, queued_s=1, cpu_s=0.5, blocked_s=0.25, index=7, status="timeout", attempt=2, span_id=99),
    )
    packed = pack(trace)
    one = {name: values[1] for name, values in columns_of(packed).items() if len(values)}
    assert one["start"] * packed.head["tick_s"] == pytest.approx(4, abs=1e-8)
    assert (one["length"], one["queued"]) == (2, 1)
    assert (one["cpu"] / MAX_SHARE, one["blocked"] / MAX_SHARE) == pytest.approx((0.25, 0.125), abs=1e-5)
    assert (one["item"], one["id"], one["attempt"], one["tries"]) == (7, 99, 2, 2)
    assert STATUSES[one["flags"]] == "timeout"


def stretches_of(packed, name):
    """Return row, number of the bar, from and to of stretches beside bars as the browser has them."""
    columns, firsts = columns_of(packed), [one["first"] for one in packed.head["rows"]]
    for at, start, end in zip(*(columns[f"{name}_{part}"].tolist() for part in ("piece", "start", "end")), strict=True):
        row = sum(first <= at for first in firsts) - 1
        yield row, columns["id"][at], *(round(time * packed.head["tick_s"], 3) for time in (start, end))


def test_a_branch_around_others_has_pieces_for_its_own_work_and_stretches_of_waiting():
    packed = pack(TRACES["around"])
    columns = columns_of(packed)
    assert (columns["id"] == 1).tolist() == (columns["flags"] & OWN > 0).tolist() == [True] * 3 + [False] * 2
    assert {packed.head["labels"][code][0] for code in columns["label"][:3]} == {"main"}
    assert list(stretches_of(packed, "around")) == [(0, 1, 2, 4), (0, 1, 5, 6)]
    assert 1 in packed.ids


def test_what_held_up_a_loop_goes_along():
    assert list(stretches_of(pack(TRACES["around"]), "held")) == [(0, 1, 7, 8)]
    assert list(stretches_of(pack(TRACES["phases"]), "held")) == []


def test_of_a_branch_around_others_that_goes_on_the_last_piece_is_running_and_the_first_is_not():
    clock = FakeClock()
    with record(clock=clock) as trace, span("outer"):
        for _ in range(2):
            clock.advance(2)
            with span("inner"):
                clock.advance(0 if len(trace) else 1)
        columns = columns_of(pack(trace))
    running = columns["flags"][columns["flags"] & OWN > 0] & RUNNING > 0
    assert (running[0], running[-1]) == (False, True)


def test_errors_go_along_up_to_a_number():
    count = MAX_ERRORS + 5
    trace = make_trace(*(bar("a", "t-1", at, at + 1, status="error", error=f"E {at}") for at in range(count)))
    errors = pack(trace).head["errors"]
    assert (len(errors), errors["3"]) == (MAX_ERRORS, "E 3")


def test_error_of_a_branch_around_others_is_at_its_end():
    failed = bar("task", "t-1", 0, 9, status="error", error="no room"), [bar("job", "t-2", 2, 5)]
    packed = pack(make_trace(failed))
    assert packed.head["errors"] == {"1": "no room"}
    assert [STATUSES[flags & 7] for flags in columns_of(packed)["flags"]] == ["ok", "error", "ok"]


def test_error_of_an_attempt_is_at_the_attempt():
    assert pack(TRACES["retries"]).head["errors"] == {"0": "e", "2": "e"}


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
    assert columns_of(packed)["flags"][0] & RUNNING
    assert packed.ids.tolist() == [tea.span_id]
    assert not columns_of(pack(trace))["flags"][0] & RUNNING


def test_very_many_rows_are_sent_with_the_bands_that_the_picture_has():
    trace = make_trace(bar("prep", "main", 0, 1, kind="phase"), *(bar("a", f"t-{lane}", 1, 2) for lane in range(999)))
    head = pack(trace).head
    rows = folded(Chart.of(trace)).rows
    assert [text for _, _, text in head["bands"]] == [row.text for row in rows if row.stands_for > 1]
    assert head["bands"][0] == (1, 51, "t-0 to 49 (50)")
    assert head["bands"][-1] == (951, 1_000, "t-950 to 998 (49)")
    assert len(head["rows"]) == 1_000
    assert "folded into 20 bands" in head["sentence"]


def test_captured_calls_show_their_labels():
    calls = [bar("fetch", "t", at, at + 1, label=label) for at, label in enumerate(["1", "2", "1"])]
    packed = pack(make_trace(*calls, bar("fetch", "t", 3, 4)))
    assert [(entry[0], *entry[4:]) for entry in packed.head["labels"]] == [("fetch",), ("fetch", "1"), ("fetch", "2")]
    assert columns_of(packed)["label"].tolist() == [1, 2, 1, 0]
