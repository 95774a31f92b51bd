"""Names of captured calls."""

from __future__ import annotations

from concurrent.futures.process import _process_chunk
from contextvars import copy_context
from functools import partial
from multiprocessing.pool import mapstar, starmapstar

import pytest

from kaygraph_viz.capture.names import mapped_items, name_of, reached


class Shop:
    def order(self, number):
        return number

    def __call__(self, number):
        return number


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (Shop().order, (), "Shop.order"),
        (Shop(), (), "Shop"),
        (Shop, (), "Shop"),
        (len, (), "len"),
        (partial(partial(Shop().order, 1)), (), "Shop.order"),
        (copy_context().run, (Shop().order, 1), "Shop.order"),
        (partial(copy_context().run, Shop().order), (1,), "Shop.order"),
        (partial(_process_chunk, len), ([("a",)],), "len"),
        (mapstar, ((len, ["a"]),), "len"),
    ],
)
def test_a_call_is_called_after_the_function_that_the_program_wrote(function, arguments, name):
    assert name_of(function, arguments) == name


def test_a_function_within_a_function_has_its_own_name():
    def inner() -> None: ...

    assert name_of(inner) == "inner"


def test_a_handler_that_fastapi_gives_to_a_function_of_its_own_has_its_name():
    def run_handler(*, function, arguments):
        return function(**arguments)

    run_handler.__module__ = "fastapi.routing"
    call = partial(run_handler, function=Shop().order, arguments={"number": 7})
    assert name_of(call) == "Shop.order"
    assert reached(call, (), {})[2] == {"number": 7}


def test_a_mapper_says_what_it_maps():
    assert mapped_items(starmapstar, ((pow, [(2, 3)]),)) == (pow, [(2, 3)], True)
    assert mapped_items(mapstar, ()) is None
    assert mapped_items(len, ("a",)) is None
