"""traced: on functions, methods and coroutines."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.recording import record
from kaygraph_viz.trace.traced import traced


@traced
def double(x):
    """Double it."""
    return 2 * x


def test_a_function_keeps_its_name_text_and_result():
    with record() as trace:
        assert double(21) == 42
    assert (double.__name__, double.__doc__) == ("double", "Double it.")
    assert [(s.name, s.kind) for s in trace] == [("double", "branch")]


def test_without_a_recording_it_is_the_function():
    assert double(21) == 42


def test_name_and_kind_can_be_given():
    @traced(name="Load", kind="phase")
    def load():
        pass

    with record() as trace:
        load()
    assert [(s.name, s.kind) for s in trace] == [("Load", "phase")]


def test_a_method_knows_its_object():
    class Box:
        content = 7

        @traced
        def get(self):
            return self.content

    with record() as trace:
        assert Box().get() == 7
    assert trace.spans[0].name == "get"


def test_a_recursive_function_nests():
    @traced
    def down(n):
        return n and down(n - 1)

    with record() as trace:
        down(3)
    assert [s.parent_id for s in trace] == [None, 1, 2, 3]


def test_a_coroutine_function_is_recorded_until_it_ends():
    @traced
    async def fetch(x):
        await asyncio.sleep(0)
        return x

    with record() as trace:
        assert asyncio.run(fetch(3)) == 3
    assert inspect.iscoroutinefunction(fetch)
    assert [(s.name, s.status) for s in trace] == [("fetch", "ok")]


def test_arguments_are_kept_masked_as_they_were_before_the_call():
    @traced(arguments=True)
    def login(user, items, *, password, **more):
        items.append(2)

    with record() as trace:
        login("ada", [1], password="hunter2", token="t", page=3)
    assert trace.spans[0].attributes == {
        "user": "ada", "items": [1], "password": "***", "more": {"token": "***", "page": 3},
    }  # fmt: skip


def test_wrong_arguments_are_the_callers_error():
    @traced(arguments=True)
    def one(x):
        pass

    with record() as trace, pytest.raises(TypeError, match="argument"):
        one(1, 2)
    assert trace.spans[0].status == "error"


def test_an_error_is_passed_on():
    @traced
    def fail():
        raise ValueError("bad")

    with record() as trace, pytest.raises(ValueError, match="bad"):
        fail()
    assert trace.spans[0].error == "ValueError: bad"


@pytest.mark.parametrize("wrong", [7, "double"])
def test_what_cannot_be_called_is_refused(wrong):
    with pytest.raises(OptionError, match="a function"):
        traced(wrong)


def test_an_unknown_kind_is_refused_at_once():
    with pytest.raises(OptionError, match="kind"):
        traced(kind="step")(double)
