"""Fields of a span in a file: what may not stand there, beyond what test_files reads from damaged files."""

from __future__ import annotations

from kaygraph_viz.trace.row import MAX_LEVELS, as_fields, as_row, problem_with
from kaygraph_viz.trace.span import Span


def nested(levels):
    inner = {}
    for _ in range(levels - 1):
        inner = {"a": [inner]} if levels % 2 else {"a": inner}
    return inner


def test_fields_of_a_span_are_without_problem_and_make_its_row():
    span = Span(2, 1, "a", "wait", "main", 0, 1, 2, 1, 1, "error", 2, 3, "ValueError", {"x": 1}, (1,))
    fields = as_fields(span) | {"links": [1]}
    assert problem_with(fields) is None
    row = (2, 1, 3, "a", "wait", "main", 0, 1, 2, 1, 1, "error", 2, "ValueError", {"x": 1}, (1,), None)
    assert as_row(fields) == row


def test_attributes_that_are_nested_too_deeply_to_be_written_again_are_refused():
    fields = as_fields(Span(1, None, "a", "branch", "main", 0, 1, 2))
    assert problem_with(fields | {"attributes": nested(MAX_LEVELS)}) is None
    assert "nested" in problem_with(fields | {"attributes": nested(MAX_LEVELS + 2)})
