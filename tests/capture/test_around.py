"""Functions that record themselves."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from kaygraph_viz.capture.around import around


def divide(a, b):
    return a // b


async def divide_later(a, b):
    return a // b


def run(function, *args):
    found = function(*args)
    return asyncio.run(found) if asyncio.iscoroutine(found) else found


@pytest.mark.parametrize("function", [divide, divide_later])
def test_what_is_opened_is_ended_with_the_error(function):
    ended = []
    wrapped = around(lambda a, b: ended.append)(function)
    assert run(wrapped, 6, 3) == 2
    with pytest.raises(ZeroDivisionError) as caught:
        run(wrapped, 1, 0)
    assert ended == [None, caught.value]


@pytest.mark.parametrize("function", [divide, divide_later])
def test_the_traceback_is_that_of_the_function(function):
    def frames(called):
        with pytest.raises(ZeroDivisionError) as caught:
            run(called, 1, 0)
        return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

    assert frames(around(lambda a, b: lambda error: None)(function)) == frames(function)


@pytest.mark.parametrize("function", [divide, divide_later])
def test_where_nothing_is_opened_it_is_just_called(function):
    assert run(around(lambda a, b: None)(function), 6, 3) == 2
