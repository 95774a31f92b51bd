"""Chrome trace events that we wrote ourselves."""

from __future__ import annotations

import json

import pytest

from kaygraph_viz.export.loading import load
from kaygraph_viz.export.perfetto import PART_OF, to_perfetto
from kaygraph_viz.export.perfetto_reader import PerfettoReader
from kaygraph_viz.testing import bar, make_trace
from tests.export.examples import AMPLE, FIELDS, HEAD, OURS, SPAN, write


def test_our_events_in_another_layout_are_read(tmp_path):
    assert list(load(write(tmp_path, json.dumps(OURS, indent=2)))) == list(load(write(tmp_path, OURS)))


def test_a_file_of_the_version_before_parts_is_read(tmp_path):
    data = to_perfetto(make_trace(bar("a", "t-1", 0, 3, cpu_s=1)))
    data["otherData"]["version"] = 1
    (path := tmp_path / "old.json").write_text(json.dumps(data))
    assert [part.kind for part in load(path).spans[0].parts] == ["unknown"]


def reader_of(*events, **head):
    reader = PerfettoReader(AMPLE, HEAD | head)
    for event in events:
        reader.add(event)
    return reader


def test_only_the_events_that_have_the_arguments_of_a_span_make_one():
    end, counter, part = {"ph": "e"}, {"ph": "C", "args": {"waiting": 1}}, {"ph": "X", "args": {PART_OF: 1}}
    columns, dropped = reader_of(end, SPAN, counter, part, dropped=7).finish(is_complete=True)
    assert (columns.column("ended_ns").tolist(), dropped) == ([2], 7)


def test_of_a_file_that_was_cut_off_the_numbers_in_its_head_do_not_count():
    columns, dropped = reader_of(SPAN, spans=100, dropped=7).finish(is_complete=False)
    assert (len(columns), dropped) == (1, 0)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"spans": 2}, "its head counts 2 spans, but has 1"),
        ({"dropped": -1}, "dropped is '-1'"),
        ({"dropped": True}, "dropped"),
    ],
)
def test_a_head_that_cannot_be_is_refused(head, message):
    with pytest.raises(ValueError, match=message):
        reader_of(SPAN, **head).finish(is_complete=True)


def test_an_unknown_version_is_refused():
    with pytest.raises(ValueError, match="it has version 99 of the format"):
        reader_of(version=99)


@pytest.mark.parametrize("args", [None, [], {}, FIELDS | {"kind": "mood"}])
def test_an_event_without_a_span_in_its_arguments_is_refused(args):
    with pytest.raises(ValueError, match=r"."):
        reader_of({"ph": "X", "args": args})
