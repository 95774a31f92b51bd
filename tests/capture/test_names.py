"""Names of captured calls."""

from __future__ import annotations

from concurrent.futures.process import _process_chunk
from contextvars import copy_context
from functools import partial
from multiprocessing.pool import mapstar, starmapstar
from types import SimpleNamespace

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


def of_library(function, module):
    function.__module__ = module
    return function


def test_a_method_that_answers_for_a_server_of_grpc_has_its_name():
    def _unary_response_in_pool(rpc_event, state, behavior, *others): ...

    call = of_library(_unary_response_in_pool, "grpc._server")
    assert name_of(call, (None, None, Shop().order, None)) == "Shop.order"


def test_a_job_of_a_scheduler_is_called_after_its_function_and_has_its_arguments():
    def run_job(job, *others): ...

    job = SimpleNamespace(func=Shop().order, args=(7,), kwargs={"in_a_hurry": True})
    call = of_library(run_job, "apscheduler.executors.base")
    assert name_of(call, (job,)) == "Shop.order"
    assert reached(call, (job,), {}) == (job.func, (7,), {"in_a_hurry": True})


def test_a_mapper_says_what_it_maps():
    assert mapped_items(starmapstar, ((pow, [(2, 3)]),)) == (pow, [(2, 3)], True)
    assert mapped_items(mapstar, ()) is None
    assert mapped_items(len, ("a",)) is None
