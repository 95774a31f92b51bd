"""The table of spans in a report."""

from __future__ import annotations

import re

from kaygraph_viz.html_report import spans as spans_module
from kaygraph_viz.html_report.spans import spans_table
from kaygraph_viz.testing import bar, make_trace


def table_of(trace):
    return spans_table(trace.columns, trace.dropped)


def test_of_many_spans_those_that_failed_and_took_longest_are_listed_and_the_others_told(monkeypatch):
    monkeypatch.setattr(spans_module, "MAX_SPANS", 3)
    spans = [bar(f"b{i}", "t-1", i, i + 0.1 * (1 + i % 3), status="error" if i == 3 else "ok") for i in range(9)]
    table = table_of(make_trace(*spans, dropped=7))
    assert re.findall(r"<td[^>]*>(b\d)</td>", table) == ["b2", "b3", "b5"]
    assert "3 of 9 spans" in table
    assert "6 are not shown here" in table
    assert "The recording did not keep 7 spans" in table


def cells_of(trace):
    """Return the table, row by row, by heading."""
    rows = re.findall(r"<tr>(.*?)</tr>", table_of(trace), re.DOTALL)
    head, *others = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [dict(zip(head, row, strict=True)) for row in others]


def test_the_table_says_for_how_long_spans_did_what():
    held_up = [("blocked", 0.5), ("wait", 1), ("gil", 0.5), ("cpu", 1), ("pause", 1)]
    trace = make_trace(bar("a", "t-1", 0, 4, cpu_s=1, blocked_s=0.5, parts=held_up), bar("b", "t-2", 0, 2, cpu_s=0.5))
    a, b = cells_of(trace)
    names = ("took", "CPU", "waiting", "interpreter", "blocked", "pause")
    assert [a[name] for name in names] == ["4.00 s", "1.00 s", "1.00 s", "0.500 s", "0.500 s", "1.00 s"]
    assert [b[name] for name in names] == ["2.00 s", "0.500 s", "", "", "", ""]  # nobody knows what else it did


def test_what_no_span_did_has_no_column():
    (row,) = cells_of(make_trace(bar("a", "t-1", 0, 2, cpu_s=0)))
    assert list(row)[8:] == ["took", "CPU", "waiting", "ended", "error"]
