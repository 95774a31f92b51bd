"""Calls as branches, without a library around them."""

from __future__ import annotations

import asyncio
import functools
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import _process_chunk
from contextvars import ContextVar, copy_context
from functools import partial
from multiprocessing.pool import ThreadPool, mapstar
from pathlib import Path
from types import SimpleNamespace

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.capture.calls import OpenCall, call_recorded, labels_of, name_of, reached
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import Recorder, current_scope, span
from tests.user_errors import ERRORS, Raises


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


# -- names ---------------------------------------------------------------------------------------------------------


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


# -- labels --------------------------------------------------------------------------------------------------------


def fetch(url: object, *more: object, **options: object) -> object:
    return url


def login(user: str, password: str) -> None: ...


def of(function, *args, label="arguments", **keywords) -> str:
    """Return the label of a call."""
    (found,) = labels_of(Recorder(REAL, label=label), function, args, keywords)
    return found


def labels(trace) -> list[tuple[str, object]]:
    trace.validate()
    return sorted((each.name, each.attributes.get("label")) for each in trace if each.kind == "branch")


def retried(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


class Hostile:
    """An object that must not be asked for anything."""

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __format__ = __eq__ = __repr__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    def __call__(self, *args: object) -> None: ...


@pytest.mark.parametrize(
    ("args", "keywords", "label"),
    [
        ((7,), {}, "7"),
        (("a.html", 1.5, True, None), {}, '"a.html", 1.5, True, None'),
        ((Path("a") / "b.png",), {}, f'"{Path("a") / "b.png"}"'),
        (("x",), {"page": 2, "on": Hostile()}, '"x", page=2, on=…'),
        ((Hostile(), 3), {}, "…, 3"),
        ((Hostile(),), {"at": [1]}, ""),
        ((), {}, ""),
        (("https://example.com/a/long/way/to/page-17.html",), {}, '"https://example.com…/way/to/page-17.html"'),
        (("a\n\x1b[1mb",), {}, r'"a\n\x1b[1mb"'),
        ((f"https://ada:{'pw'}@example.com",), {}, '"https://***@example.com"'),
        (("x" * 1_000_000,), {}, f'"{"x" * 19}…{"x" * 19}…"'),
        ((1 << 5_000,), {"n": 1}, "…, n=1"),
    ],
)
def test_arguments_that_are_numbers_texts_or_paths_are_shown(args, keywords, label):
    assert of(fetch, *args, **keywords) == label


def test_arguments_with_names_of_secrets_are_masked():
    class Shop:
        def login(self, user: str, password: str) -> None: ...

        @functools.wraps(login)
        def wrapped(self, *args: object) -> None: ...

    assert of(login, "ada", "pw") == '"ada", ***'
    assert of(Shop().login, "ada", password="pw") == '"ada", password=***'
    assert of(partial(login, "ada"), "pw") == '"ada", ***'
    assert of(functools.wraps(login)(lambda *args: None), "ada", "pw") == '"ada", ***'


def test_a_function_is_called_with_the_arguments_of_the_call():
    assert of(fetch, "a", "b", label=lambda url, last: f"{last} of {url}") == "b of a"
    assert of(partial(fetch, "a"), label=lambda url: [url, 2]) == "a, 2"
    assert of(fetch, "a", label=lambda url: Hostile()) == "<Hostile>"
    assert of(fetch, "a", label=lambda url: None) == ""
    assert of(fetch, "a", "b", label=lambda url: url, timeout=2) == "a"
    assert of(fetch, "a", label=lambda url, last: last) == ""
    assert len(of(fetch, "a", label=lambda url: "long" * 100)) == 60


@pytest.mark.parametrize("raises", [ValueError, StopIteration, SystemExit, GeneratorExit])
def test_a_function_that_raises_is_no_fault_of_the_call(raises):
    def label(*_: object) -> str:
        raise raises

    assert of(fetch, "a", label=label) == ""


def test_an_interrupt_in_a_function_is_passed_on():
    def label(*_: object) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        of(fetch, "a", label=label)


def test_what_is_neither_is_an_error():
    with pytest.raises(OptionError, match="label must be 'arguments', or a function"), kv.record(label="name"):
        pass


def test_calls_in_a_pool_of_threads():
    with kv.record(capture="futures", label="arguments") as trace, ThreadPoolExecutor(2) as pool:
        list(pool.map(fetch, [1, 2]))
        pool.submit(Hostile(), "x").result()
    assert labels(trace) == [("Hostile", '"x"'), ("fetch", "1"), ("fetch", "2")]


def test_without_being_asked_for_there_is_none():
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(1) as pool:
        pool.submit(fetch, 1)
    assert labels(trace) == [("fetch", None)]


def test_tasks_have_the_arguments_of_their_coroutines():
    class Shop:
        async def order(self, item: str, *more: int, count: int = 1) -> object:
            return lambda: (item, self)  # both live in cells

        @retried
        async def login(self, user: str, password: str) -> None: ...

    async def main() -> None:
        await asyncio.gather(Shop().order("tea", 2, count=3), Shop().login("ada", "pw"), asyncio.to_thread(fetch, 4))

    with kv.record(capture="asyncio", label="arguments") as trace:
        asyncio.run(main())
    assert [each for each in labels(trace) if each[1]] == [
        ("Shop.login", '"ada", ***'), ("Shop.order", '"tea", 2, count=3'), ("fetch", "4"),
    ]  # fmt: skip


def test_a_function_is_called_with_the_arguments_of_a_task():
    async def page(url: str, other: int = 1, *, depth: int = 0, more: int = 2) -> None: ...

    async def main() -> None:
        await asyncio.gather(page("a"), page("b", depth=2))

    with kv.record(capture="asyncio", label=lambda url, *, depth: f"{url} at {depth}") as trace:
        asyncio.run(main())
    assert [each for each in labels(trace) if each[1]] == [("page", "a at 0"), ("page", "b at 2")]


def test_threads_and_timers():
    with kv.record(capture="threading", label="arguments") as trace:
        for thread in (
            threading.Thread(target=fetch, args=(1,), kwargs={"page": 2}), threading.Timer(0, fetch, args=(3,)),
        ):  # fmt: skip
            thread.start()
            thread.join()
    assert labels(trace) == [("fetch", "1, page=2"), ("fetch", "3")]


def test_items_of_a_pool_and_bundles_of_them(monkeypatch):
    monkeypatch.setattr("kaygraph_viz.capture.process_recorder.SHORT_NS", 1 << 62)
    with kv.record(capture="multiprocessing", label="arguments") as trace, ThreadPool(1) as pool:
        pool.map(fetch, [1, 2, 3], chunksize=2)
        pool.apply(fetch, (4,))
    trace.validate()
    assert [(each.attributes.get("label"), each.attributes.get("items")) for each in trace] == [
        (None, 2), ("3", None), ("4", None),
    ]  # fmt: skip


def test_each_long_item_of_a_chunk_has_its_label(monkeypatch):
    monkeypatch.setattr("kaygraph_viz.capture.process_recorder.SHORT_NS", 0)
    with kv.record(capture="multiprocessing", label=lambda n: f"page {n}") as trace, ThreadPool(1) as pool:
        pool.map(fetch, [1, 2], chunksize=2)
    assert labels(trace) == [("fetch", "page 1"), ("fetch", "page 2")]
