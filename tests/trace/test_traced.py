"""traced: on functions, methods and coroutines."""

from __future__ import annotations

import asyncio
import gc
import inspect

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import compute, sleep, sleep_async, use_clock
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import current_scope, span
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


@pytest.mark.parametrize("wrong", [7, "double"])
def test_what_cannot_be_called_is_refused(wrong):
    with pytest.raises(OptionError, match="a function"):
        traced(wrong)


def test_an_unknown_kind_is_refused_at_once():
    with pytest.raises(OptionError, match="kind"):
        traced(kind="step")(double)


# -- generator span ------------------------------------------------------------------------------------------------


@traced
def numbers(count):
    """Count."""
    for number in range(count):
        sleep(1)
        yield number
    return "end"


@traced
async def numbers_async(count):
    for number in range(count):
        await sleep_async(1)
        yield number


@traced
def echo():
    """Yield what was sent, or the name of what was thrown, before it."""
    got = []
    while True:
        try:
            got.append((yield list(got)))
        except ValueError as error:
            got.append(repr(error))


def parts_of(found):
    return [(part.kind, part.lasted_ns / 1e9) for part in found.parts]


def only(trace):
    trace.validate()
    (found,) = trace
    return found


# -- the same behaviour ---------------------------------------------------------------------------------------------


def test_they_are_generator_functions_with_their_names():
    assert inspect.isgeneratorfunction(numbers)
    assert inspect.isasyncgenfunction(numbers_async)
    assert inspect.isgenerator(numbers(1))
    assert (numbers.__name__, numbers.__doc__) == ("numbers", "Count.")


@pytest.mark.parametrize("is_recorded", [True, False])
def test_items_sends_throws_and_the_result_pass_through(is_recorded):
    def delegates():
        return (yield from numbers(0))

    with record() if is_recorded else span("not recorded"):
        generator = echo()
        assert [next(generator), generator.send(1), generator.throw(ValueError("x")), generator.send(2)] == [
            [], [1], [1, "ValueError('x')"], [1, "ValueError('x')", 2],
        ]  # fmt: skip
        with pytest.raises(KeyError):
            generator.throw(KeyError("not caught"))
        assert list(generator) == []
        with pytest.raises(StopIteration) as end:
            next(delegates())
        assert end.value.value == "end"


def test_closing_reaches_the_generator():
    closed = []

    @traced
    def held():
        try:
            yield 1
        finally:
            closed.append(True)

    with record() as trace:
        generator = held()
        next(generator)
        generator.close()
        assert closed == [True]
    assert only(trace).status == "ok"


def test_one_that_refuses_to_be_closed_is_an_error():
    @traced
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = stubborn()
    next(generator)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        generator.close()


def test_stop_iteration_in_its_body_is_the_error_that_it_always_is():
    @traced
    def wrong():
        yield 1
        raise StopIteration

    with record() as trace, pytest.raises(RuntimeError, match="raised StopIteration"):
        list(wrong())
    assert only(trace).status == "error"


def test_sends_and_throws_reach_an_asynchronous_one():
    @traced
    async def echo_async():
        got = []
        while True:
            try:
                got.append((yield list(got)))
            except ValueError as error:
                got.append(repr(error))

    async def use():
        generator = echo_async()
        found = [await anext(generator), await generator.asend(1), await generator.athrow(ValueError("x"))]
        await generator.aclose()
        return found, [item async for item in generator]

    with record() as trace:
        assert asyncio.run(use()) == ([[], [1], [1, "ValueError('x')"]], [])
    assert only(trace).status == "ok"


def test_an_asynchronous_one_that_is_left_is_closed_once_by_its_loop():
    closed, problems = [], []

    @traced
    async def held():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def use():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        generator = held()
        kept.append(generator)
        await anext(generator)

    kept = []
    asyncio.run(use())
    assert (closed, problems) == ([True], [])


# -- the span ---------------------------------------------------------------------------------------------------------


def test_it_lasts_from_the_first_item_to_the_end_and_is_blocked_in_between():
    with record(clock="virtual") as trace:
        generator = numbers(2)
        sleep(5)
        for _ in generator:
            compute(3)
    found = only(trace)
    assert found.service_s == 1 + 3 + 1 + 3
    assert parts_of(found) == [("wait", 1), ("blocked", 3), ("wait", 1), ("blocked", 3)]
    assert (found.cpu_ns, found.blocked_ns) == (0, 6 * 10**9)
    assert found.lane == "generator-1"


def test_that_of_an_asynchronous_one_does_so_too():
    async def use():
        async for _ in numbers_async(2):
            await sleep_async(3)

    with record(clock="virtual") as trace:
        asyncio.run(use())
    assert parts_of(only(trace)) == [("wait", 1), ("blocked", 3), ("wait", 1), ("blocked", 3)]


def test_under_the_real_clock_its_cpu_time_is_that_of_its_own_stretches():
    clock = FakeClock()

    @traced
    def work():
        for _ in range(2):
            clock.compute(1)
            yield

    with record(clock=clock) as trace:
        for _ in work():
            clock.compute(3)
    found = only(trace)
    assert parts_of(found) == [("cpu", 1), ("blocked", 3), ("cpu", 1), ("blocked", 3)]
    assert found.cpu_ns == 2 * 10**9


def test_one_that_never_starts_leaves_no_span():
    with record() as trace:
        numbers(3).close()
        del (generator := [numbers(3)])[0]
        gc.collect()
    assert (len(trace), generator) == (0, [])


def test_one_that_raises_has_failed():
    @traced
    def fails():
        yield 1
        raise ValueError("no")

    with record() as trace, pytest.raises(ValueError, match="no"):
        list(fails())
    found = only(trace)
    assert (found.status, found.error) == ("error", "ValueError: no")


def test_what_it_records_lies_within_it_and_what_its_consumer_records_does_not():
    @traced
    def outer():
        for number in range(2):
            with span(f"inner {number}"):
                pass
            yield number

    with record() as trace, span("around"):
        for number in outer():
            with span(f"use {number}"):
                pass
    trace.validate()
    names = {found.span_id: found.name for found in trace}
    assert {found.name: names.get(found.parent_id) for found in trace} == {
        "around": None, "outer": "around", "inner 0": "outer", "inner 1": "outer", "use 0": "around", "use 1": "around",
    }  # fmt: skip


def test_a_span_that_is_open_where_it_yields_goes_on_when_it_does():
    @traced
    def outer():
        with span("open"):
            yield 1
            with span("in it"):
                pass

    with record() as trace:
        for _ in outer():
            with span("use"):
                pass
    parents = {found.name: found.parent_id for found in trace}
    ids = {found.name: found.span_id for found in trace}
    assert (parents["in it"], parents["open"], parents["use"]) == (ids["open"], ids["outer"], None)


def test_one_that_outlives_the_span_in_which_it_began_belongs_to_what_is_around_that():
    with record(clock="virtual") as trace, span("around"):
        with span("first"):
            generator = numbers(2)
            next(generator)
        list(generator)
    trace.validate()
    ids = {found.name: found.span_id for found in trace}
    assert {found.parent_id for found in trace if found.name == "numbers"} == {ids["around"]}


def test_those_at_once_have_lanes_of_their_own():
    with record() as trace:
        assert list(zip(numbers(0), numbers(0), strict=True)) == []
        assert list(zip(echo(), numbers(0), strict=False)) == []
    trace.validate()


def test_one_that_is_suspended_when_the_recording_ends_is_abandoned():
    with record(clock="virtual") as trace:
        generator = numbers(2)
        next(generator)
        sleep(4)
    found = only(trace)
    assert (found.status, parts_of(found)) == ("abandoned", [("wait", 1), ("blocked", 4)])
    with use_clock(FakeClock()):
        assert list(generator) == [1]


def test_of_very_many_stretches_the_sums_are_kept(monkeypatch):
    monkeypatch.setattr("kaygraph_viz.trace.traced.MAX_ENTRIES", 10)
    with record(clock="virtual") as trace:
        for _ in numbers(20):
            sleep(1)
    found = only(trace)
    assert (found.service_s, found.blocked_ns, found.noted_parts) == (40, 20 * 10**9, None)


def test_one_that_is_collected_while_a_lane_is_taken_gives_its_own_back(monkeypatch):
    with record() as trace:
        lanes = current_scope().recorder.lanes
        held = [echo()]
        next(held[0])
        make = lanes._make
        monkeypatch.setattr(lanes, "_make", lambda name, *rest: (held.clear(), make(name))[1])
        lanes.take("thread")
    assert only(trace).status == "ok"
