"""The DataFrame: one row for each span, and types that hold what a span holds."""

from __future__ import annotations

import math
import sys

import pytest

from kaygraph_viz.base.errors import MissingDependencyError, OptionError
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.export.frame import to_frame
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import TEXT_LIMIT
from kaygraph_viz.trace.span import KINDS, STATUSES

pandas = pytest.importorskip("pandas")


def small():
    exec_ = bar("exec", "main", 10, 14, kind="phase", executor="thread")
    branches = [
        bar("a", "t-1", 11, 13, queued_s=0.5, cpu_s=0.25, blocked_s=0.5, index=0),
        bar("b", "t-2", 11, 14, status="error", error="ValueError: no", attempt=2, index=1, links=(2,)),
    ]
    return make_trace((exec_, branches), dropped=3)


def test_instants_are_seconds_from_the_first_submission():
    frame = to_frame(small())
    assert frame[["submitted_s", "started_s", "ended_s"]].to_numpy().tolist() == [[0, 0, 4], [0.5, 1, 3], [1, 1, 4]]


def test_durations_are_those_of_the_span():
    trace = small()
    frame = to_frame(trace)
    for span in trace:
        row = frame.loc[span.span_id]
        assert (row["queue_wait_s"], row["service_s"]) == (span.queue_wait_s, span.service_s)
        assert row["blocked_s"] == span.blocked_ns / 1e9
        if span.cpu_ns is None:
            assert math.isnan(row["cpu_s"])
            assert math.isnan(row["waiting_s"])
        else:
            assert (row["cpu_s"], row["waiting_s"]) == (span.cpu_ns / 1e9, span.waiting_ns / 1e9)


def test_what_a_span_does_not_have_is_missing():
    frame = to_frame(small())
    assert frame["parent_id"].isna().tolist() == [True, False, False]
    assert frame["index"].isna().tolist() == [True, False, False]
    assert frame["error"].isna().tolist() == [True, True, False]
    assert frame.loc[3, ["parent_id", "index", "error", "attempt"]].tolist() == [1, 1, "ValueError: no", 2]


def test_words_are_categories_with_all_that_exist():
    frame = to_frame(small())
    assert frame["kind"].cat.categories.tolist() == list(KINDS)
    assert frame["status"].cat.categories.tolist() == list(STATUSES)
    assert frame.groupby("lane", observed=True)["service_s"].sum().to_dict() == {"main": 4, "t-1": 2, "t-2": 3}


def test_links_and_attributes_are_objects():
    frame = to_frame(small())
    assert frame["links"].tolist() == [(), (), (2,)]
    assert frame["attributes"].tolist() == [{"executor": "thread"}, {}, {}]


def test_changing_the_frame_leaves_the_trace_as_it_is():
    trace = small()
    frame = to_frame(trace)
    frame["attempt"] += 1
    frame.loc[1, "attributes"]["executor"] = "other"
    frame["parent_id"] = frame["parent_id"] + 1
    assert list(trace) == list(small())


def test_no_spans_make_the_same_columns():
    empty, full = to_frame(make_trace()), to_frame(small())
    assert empty.columns.tolist() == full.columns.tolist()
    assert len(empty) == 0
    for column in ("parent_id", "index", "attempt", "submitted_s", "error"):
        assert empty[column].dtype == full[column].dtype


def test_names_that_became_the_same_by_being_cut_are_one():
    frame = to_frame(make_trace(*(bar("x" * TEXT_LIMIT + end, "main", at, at + 1) for at, end in enumerate("ab"))))
    assert len(frame["name"].cat.categories) == 1


def test_hostile_texts_stay_what_they_are():
    texts = ["\ud800", "a\0b", "\u202e", "<b>"]
    frame = to_frame(make_trace(*(bar(word, word, at, at + 1, error=word) for at, word in enumerate(texts))))
    assert frame["name"].tolist() == frame["lane"].tolist() == frame["error"].tolist() == texts


def test_pandas_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        to_frame(small())


# -- parts -----------------------------------------------------------------------------------------------------------


def with_parts():
    exec_ = bar("exec", "main", 10, 15, kind="phase")
    known = bar("a", "t-1", 11, 14, queued_s=1, parts=[("wait", 2), ("cpu", 1)])
    guessed = bar("b", "t-2", 11, 15, parts=[("unknown", 1, 0.25), ("unknown", 2), ("blocked", 1)])
    return make_trace((exec_, [known, guessed]), dropped=3)


def test_there_is_a_row_for_each_part():
    frame = to_frame(with_parts(), parts=True)
    assert frame.columns.tolist() == ["span_id", "part", "started_s", "ended_s", "cpu_share"]
    assert frame["span_id"].tolist() == [1, 2, 2, 3, 3, 3]
    assert frame["part"].tolist() == ["unknown", "wait", "cpu", "unknown", "unknown", "blocked"]
    assert frame["part"].cat.categories.tolist() == list(PART_KINDS)
    assert frame["started_s"].tolist() == [0, 1, 3, 1, 2, 4]
    assert frame["ended_s"].tolist() == [5, 3, 4, 2, 4, 5]
    assert frame.attrs == {"dropped": 3}


def test_a_share_of_cpu_that_was_not_measured_is_missing():
    shares = to_frame(with_parts(), parts=True)["cpu_share"]
    assert shares.isna().tolist() == [True, False, False, False, True, False]
    assert shares.dropna().tolist() == [0, 1, 0.25, 0]


def test_parts_are_those_of_the_spans_and_fill_them():
    trace = make_trace(*with_parts(), bar("c", "t-3", 12, 15, cpu_s=1, blocked_s=0.5))
    frame = to_frame(trace, parts=True)
    for span in trace:
        rows = frame[frame["span_id"] == span.span_id]
        assert rows["part"].tolist() == [part.kind for part in span.parts]
        assert (rows["ended_s"] - rows["started_s"]).sum() == pytest.approx(span.service_s)


def test_an_empty_trace_has_no_parts():
    assert to_frame(make_trace(), parts=True).shape == (0, 5)


def test_parts_is_a_truth_value():
    with pytest.raises(OptionError, match="parts must be True or False"):
        to_frame(with_parts(), parts="yes")
