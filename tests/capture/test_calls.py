"""Calls as branches, without a library around them."""

from __future__ import annotations

import traceback
from contextvars import ContextVar, copy_context
from functools import partial

import pytest

from kaygraph_viz.capture.calls import OpenCall, call_recorded, lost, scope_by_context, scope_for
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import current_scope, span
from tests.user_errors import ERRORS, Raises


def test_a_call_is_a_branch_of_the_scope_that_submitted_it():
    with record() as trace:
        with span("outer"):
            scope = current_scope()
            assert call_recorded(scope, 0, max, 1, 2) == 2
    assert [(each.name, each.parent_id) for each in trace] == [("outer", None), ("max", 1)]


def test_what_runs_in_a_context_of_its_own_belongs_to_the_call():
    color = ContextVar("color", default="red")

    def paint() -> str:
        with span("inside"):
            return color.get()

    context = copy_context()
    context.run(color.set, "blue")
    with record() as trace:
        context = copy_context()
        context.run(color.set, "blue")
        assert call_recorded(current_scope(), 0, context.run, paint) == "blue"
        assert call_recorded(current_scope(), 0, partial(context.run, paint)) == "blue"
    names = {each.span_id: each.name for each in trace}
    assert [names[each.parent_id] for each in trace if each.name == "inside"] == ["paint", "paint"]


def test_an_error_has_no_frame_of_ours():
    with record() as trace, pytest.raises(ZeroDivisionError) as caught:
        call_recorded(current_scope(), 0, divmod, 1, 0)
    assert [frame.name for frame in traceback.extract_tb(caught.tb)] == ["test_an_error_has_no_frame_of_ours"]
    assert [each.status for each in trace] == ["error"]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_of_any_kind_arrives_as_it_is(name):
    error = ERRORS[name]()
    with record(), pytest.raises(type(error)) as caught:
        call_recorded(current_scope(), 0, Raises(error))
    assert caught.value is error


def test_after_the_recording_a_call_is_just_made():
    with record() as trace:
        scope = current_scope()
    assert call_recorded(scope, 0, max, 1, 2) == 2
    assert not len(trace)


def test_a_call_that_is_cut_is_two_branches():
    with record() as trace:
        call = OpenCall(current_scope(), "items").begin()
        call.cut(call.started_ns + 10, items=3)
        call.end()
    trace.validate()
    assert [(each.name, dict(each.attributes)) for each in trace] == [("items", {"items": 3}), ("items", {})]


def test_a_lost_call_is_noted():
    with record() as trace:
        lost(current_scope(), 1, "fetch", RuntimeError("the worker died"))
    assert [(each.name, each.status, each.error) for each in trace] == [
        ("fetch", "lost", "RuntimeError: the worker died")
    ]


def test_only_a_recording_that_wants_a_kind_has_a_scope_for_it():
    assert scope_for("futures") is None
    with record(capture="futures"):
        assert scope_for("futures") is scope_by_context("futures") is current_scope()
        assert scope_for("asyncio") is None
        assert copy_context().run(scope_by_context, "futures") is not None
