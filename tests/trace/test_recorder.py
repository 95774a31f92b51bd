"""record and span: nesting, statuses, live reading, the cap, and faults of the recorder."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.clock.clock import REAL, current_clock, use_clock
from kaygraph_viz.execute.cancel import CancelToken, stopping_all
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace import recorder as recorder_module
from kaygraph_viz.trace.options import told_of_traces
from kaygraph_viz.trace.recorder import NO_RECORDER, NO_SCOPE, current_scope, span
from kaygraph_viz.trace.span import KINDS
from kaygraph_viz.trace.traced import traced
from tests.interrupts import interrupted

GUARD_S = 20.0


def in_thread(function, *, name=None):
    thread = threading.Thread(target=function, name=name)
    thread.start()
    thread.join(GUARD_S)
    assert not thread.is_alive()


def parents(trace):
    names = {s.span_id: s.name for s in trace}
    return {s.name: names.get(s.parent_id) for s in trace}


def test_spans_nest():
    with record() as trace, span("a"):
        with span("b"), span("c"):
            pass
        with span("d"):
            pass
    assert parents(trace) == {"a": None, "b": "a", "c": "b", "d": "a"}


def test_stamps_come_from_the_clock():
    clock = FakeClock(start_s=100)
    with record(clock=clock) as trace, span("a"):
        clock.compute(1)
        clock.sleep(2)
    (a,) = trace
    assert (a.started_ns, a.ended_ns, a.cpu_ns, a.queue_wait_s) == (100 * 10**9, 103 * 10**9, 10**9, 0)


def test_without_cpu_time_none_is_recorded():
    with record(cpu_time=False) as trace, span("a"):
        pass
    assert trace.spans[0].cpu_ns is None


def test_a_thread_with_a_copied_context_nests():
    def inside():
        with span("inner"):
            pass

    with record() as trace, span("outer"):
        context = contextvars.copy_context()
        in_thread(lambda: context.run(inside))
    assert parents(trace) == {"outer": None, "inner": "outer"}


def test_a_thread_without_a_context_is_recorded_at_the_top_on_its_own_lane():
    def inside():
        with span("inner"):
            pass

    with record() as trace, span("outer"):
        in_thread(lambda: contextvars.Context().run(inside), name="helper")  # else without a GIL it has a copied one
    assert parents(trace) == {"outer": None, "inner": None}
    assert trace.where(name="inner")[0].lane == "helper"


def test_nothing_is_recorded_outside():
    with record() as trace:
        pass
    with span("late"):
        assert current_scope() is NO_SCOPE
    assert len(trace) == 0


def test_the_recorder_that_is_there_without_a_recording_keeps_nothing():
    lane = NO_RECORDER.lanes.take("thread")
    with NO_RECORDER.lanes.occupied(lane), span("a") as unrecorded:
        NO_RECORDER.add((1, 0, 0, "a", "branch", lane.name, 0, 0, 1, 0, 0, "ok", 1, None, None, None, None))
        NO_RECORDER.keep_open(unrecorded)
        NO_RECORDER.relate(1, 2, lambda _: [0])
        assert NO_RECORDER.lanes.mine() is lane
    assert NO_RECORDER.next_id() == 0
    assert (NO_RECORDER.open_spans, NO_RECORDER.dropped, lane.noting()) == ({}, 0, None)


def test_the_recorder_that_is_there_without_a_recording_has_the_clock_in_force():
    clock = FakeClock(7.0)
    with use_clock(clock):
        assert (NO_RECORDER.clock, NO_RECORDER.now_ns()) == (clock, 7_000_000_000)
    assert NO_RECORDER.clock is REAL


def test_a_context_that_outlives_the_recording_records_nothing():
    with record() as trace, span("a"):
        context = contextvars.copy_context()
    assert context.run(current_scope) is NO_SCOPE
    assert len(trace) == 1


def test_a_recording_inside_another_takes_over_until_it_ends():
    with record() as outer:
        with span("before"):
            pass
        with record() as inner, span("inside"):
            pass
        with span("after"):
            pass
    assert [s.name for s in outer] == ["before", "after"]
    assert [s.name for s in inner] == ["inside"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("bad"), "error"), (KeyboardInterrupt(), "cancelled"), (SystemExit(1), "cancelled")],
)
def test_a_span_that_raises_says_so_and_passes_it_on(error, status):
    with pytest.raises(type(error)), record() as trace, span("a"):
        raise error
    assert trace.spans[0].status == status
    assert trace.spans[0].error.startswith(type(error).__name__)


def test_links_name_the_spans_whose_results_were_needed():
    with record() as trace:
        with span("a") as a:
            pass
        with span("sum") as total:
            total.link(a)
    assert trace.where(name="sum")[0].links == (a.span_id,)


def test_a_span_object_can_be_used_again_also_when_nothing_is_recorded():
    again = span("again")
    with record() as trace:
        for _ in range(2):
            with again:
                pass
    with again:
        pass
    assert len(trace) == 2


def test_a_name_that_is_no_text_becomes_one():
    with record() as trace:
        for name in (7, ["a"], "x" * 100_000):
            with span(name):
                pass
    assert [s.name[:5] for s in trace] == ["7", "['a']", "xxxxx"]
    assert max(len(s.name) for s in trace) <= 200


@pytest.mark.parametrize("is_recorded", [False, True])
def test_an_unknown_kind_is_refused_recording_or_not(is_recorded):
    def use():
        with pytest.raises(OptionError, match="graph, node, phase"), span("a", kind="step"):
            pass

    if is_recorded:
        with record():
            use()
    else:
        use()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_recorded(kind):
    with record() as trace, span("a", kind=kind):
        pass
    assert trace.spans[0].kind == kind


# -- live, and afterwards ------------------------------------------------------------------------------------------


def test_a_trace_can_be_read_while_it_runs():
    with record() as trace:
        with span("a"):
            assert len(trace) == 0
        assert [s.name for s in trace] == ["a"]
        assert trace.is_live
        assert trace.validate() is trace
    assert not trace.is_live


def test_a_trace_can_be_read_from_another_thread_while_it_runs():
    seen = []
    with record() as trace:
        with span("a"):
            pass
        in_thread(lambda: seen.append((len(trace), trace.counts(), trace.lanes)))
    assert seen == [(1, {"branch": 1}, ("main",))]


def test_what_was_read_does_not_change_while_more_is_recorded():
    with record() as trace:
        with span("a", n=1):
            pass
        columns = trace.columns
        with span("b", n=2):
            pass
        assert len(trace) == 2
    assert len(columns) == len(columns.attributes) == 1


def test_a_finished_trace_is_immutable():
    with record() as trace, span("a", city="Oslo"):
        pass
    with pytest.raises(ValueError, match="read-only"):
        trace.columns.rows["ended_ns"][0] = 0
    with pytest.raises(AttributeError):
        trace.spans[0].name = "b"
    trace.spans[0].attributes["city"] = "Rome"
    assert trace.spans[0].attributes == {"city": "Oslo"}


def test_the_end_of_a_recording_between_two_looks_does_no_harm():
    """The trace asks once whether it is live, so that another thread may end it right after."""
    with record() as trace:
        with span("a"):
            pass
        read = trace._read
        trace._read = lambda: (setattr(trace, "_read", None), read())[1]
        assert len(trace.columns) == 1


def test_spans_that_are_open_at_the_end_are_abandoned():
    started, release = threading.Event(), threading.Event()

    def endless():
        with span("endless"):
            with span("done"):
                pass
            started.set()
            release.wait(GUARD_S)

    thread = threading.Thread(target=endless)
    with record() as trace:
        thread.start()
        assert started.wait(GUARD_S)
    release.set()
    thread.join(GUARD_S)
    assert {s.name: s.status for s in trace} == {"done": "ok", "endless": "abandoned"}
    assert trace.validate()


def test_a_block_that_is_left_in_another_context_still_ends_once():
    with record() as trace:
        held = span("held")
        contextvars.copy_context().run(held.__enter__)
        held.__exit__(None, None, None)
    assert [s.status for s in trace] == ["ok"]


def test_a_generator_that_holds_a_span_and_is_closed_elsewhere():
    def numbers():
        with span("numbers"):
            yield 1
            yield 2

    with record() as trace:
        iterator = contextvars.copy_context().run(lambda: (made := numbers(), next(made))[0])
        iterator.close()
    assert [(s.name, s.status) for s in trace] == [("numbers", "cancelled")]


# -- the cap and compaction ----------------------------------------------------------------------------------------


def test_the_cap_keeps_memory_flat_and_says_what_was_dropped():
    with record(max_spans=1000) as trace:
        for _ in range(20_000):
            with span("a"):
                pass
    assert len(trace) == 1000
    assert trace.dropped == 19_000
    assert "19,000 dropped" in repr(trace)


def test_the_cap_keeps_the_structure():
    with record(max_spans=1) as trace:
        with span("graph", kind="graph"), span("node", kind="node"):
            for _ in range(5):
                with span("item"):
                    pass
        assert trace.dropped == 4
    assert trace.counts() == {"graph": 1, "node": 1, "branch": 1}


def test_a_short_recording_is_turned_over_when_it_ends_and_a_long_one_in_portions(monkeypatch):
    monkeypatch.setattr(recorder_module, "COMPACT_FIRST_AT", 5)
    monkeypatch.setattr(recorder_module, "COMPACT_AT", 2)
    waiting = []
    with record() as trace:
        for _ in range(10):
            with span("item"):
                pass
            waiting.append(len(current_scope().recorder._spans.buffer))
    assert waiting == [1, 2, 3, 4, 0, 1, 0, 1, 0, 1]
    assert len(trace) == 10


def test_compaction_loses_nothing_with_eight_threads_writing_and_one_reading(monkeypatch):
    monkeypatch.setattr(recorder_module, "COMPACT_FIRST_AT", 40)
    monkeypatch.setattr(recorder_module, "COMPACT_AT", 16)
    start = threading.Barrier(9)

    def write(number):
        start.wait(GUARD_S)
        for i in range(500):
            with span(f"{number}-{i}", i=i):
                pass

    with record() as trace:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        start.wait(GUARD_S)
        while any(thread.is_alive() for thread in threads):
            trace.validate()
        for thread in threads:
            thread.join(GUARD_S)
    assert sorted(s.name for s in trace) == sorted(f"{number}-{i}" for number in range(8) for i in range(500))
    assert all(s.attributes == {"i": int(s.name.split("-")[1])} for s in trace)


# -- faults of the recorder ----------------------------------------------------------------------------------------


class BrokenClock(FakeClock):
    """Works `good` times, then raises."""

    def __init__(self, good):
        super().__init__(1)
        self.good = good

    def now_ns(self):
        self.good -= 1
        if self.good < 0:
            raise OSError("no more time")
        return super().now_ns()


@pytest.mark.parametrize("good", range(5))  # four stamps and the end of the recording
def test_a_clock_that_raises_does_not_change_the_result(good):
    results = []
    with pytest.warns(UserWarning, match="recording stopped, results are not affected: OSError") as caught:
        with record(clock=BrokenClock(good)), span("a"):
            with span("b"):
                results.append(1)
            results.append(2)
    assert results == [1, 2]
    assert len(caught) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("good", range(5))
def test_a_clock_that_raises_does_not_change_the_result_where_warnings_are_errors(good):
    results = []
    with record(clock=BrokenClock(good)), span("a"):
        results.append(1)
    assert results == [1]


def test_a_storage_that_raises_does_not_change_the_result():
    results = []

    def full(row):
        raise MemoryError("full")

    with pytest.warns(UserWarning, match="MemoryError: full") as caught, record() as trace:
        with span("kept"):
            pass
        trace._source._spans.append = full
        with span("a"):
            for number in range(3):
                with span("b"):
                    results.append(number)
    assert results == [0, 1, 2]
    assert len(caught) == 1
    assert "kept" in {s.name for s in trace}


def test_an_end_that_raises_does_not_change_the_result():
    def broken():
        raise MemoryError("full")

    with pytest.warns(UserWarning, match="MemoryError: full"), record() as trace:
        with span("a"):
            pass
        trace._source._spans.compact = broken
    assert len(trace) == 0


def test_an_interrupt_at_any_moment_of_a_recording_leaves_none_in_force():
    def act():
        with record():
            pass

    moments = 0
    for moment in range(1, 200):
        hit = interrupted(act, moment)
        assert current_scope() is NO_SCOPE, hit
        moments += hit is not None
    assert moments > 20


# -- left elsewhere ------------------------------------------------------------------------------------------------


def in_another_context(function):
    contextvars.copy_context().run(function)


def in_another_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def in_a_task(function):
    async def call():
        function()

    asyncio.run(call())


ELSEWHERE = [in_another_context, in_another_thread, in_a_task]
OPTIONS = [{}, {"shared_access": True}, {"memory": True}, {"clock": FakeClock()}]
elsewhere = pytest.mark.parametrize("leave", ELSEWHERE)


def is_off():
    return current_scope() is NO_SCOPE and current_clock() is REAL


@elsewhere
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_recording_ends_with_its_trace_whole_and_is_off_in_both_contexts(leave, options):
    seen = []

    def recording():
        with record(**options) as trace, span("outer"):
            with span("inner"):
                pass
            yield trace

    begun = recording()
    trace = next(begun)
    leave(lambda: (begun.close(), seen.append(is_off())))
    assert [seen, is_off(), trace.is_live] == [[True], True, False]
    assert [one.name for one in trace.validate()] == ["outer", "inner"]
    with span("later"):
        pass
    with record() as later, span("later"):
        pass
    assert (len(trace), len(later)) == (2, 1)


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("leave", [in_another_context, in_another_thread])
def test_simulated_time_ends_in_both_contexts_too(leave, seed):
    def recording():
        with record(clock="virtual", seed=seed) as trace, span("outer"):
            yield trace

    begun = recording()
    trace = next(begun)
    leave(begun.close)
    assert is_off()
    assert [one.name for one in trace.validate()] == ["outer"]
    with record(clock="virtual") as later, span("later"):
        pass
    assert len(later) == 1


def test_an_async_fixture_may_begin_and_end_in_tasks_of_its_own():
    async def fixture():
        with record() as trace:
            yield trace

    async def use(trace):
        with span("in the test"):
            assert trace.is_live

    async def end(running):
        with pytest.raises(StopAsyncIteration):
            await anext(running)

    with asyncio.Runner() as runner:
        running = fixture()
        trace = runner.run(anext(running))
        runner.run(use(trace))
        runner.run(end(running))
    assert [one.name for one in trace.validate()] == ["in the test"]
    assert is_off()


@elsewhere
def test_a_recording_around_it_goes_on(leave):
    def recording():
        with record() as trace:
            yield trace

    with record() as outer, span("first"):
        begun = recording()
        next(begun)
        leave(begun.close)
        with span("second"):
            pass
    assert [(one.name, one.parent_id) for one in outer.validate()] == [
        ("first", None),
        ("second", outer.spans[0].span_id),
    ]
    assert is_off()


@elsewhere
def test_nothing_is_put_into_a_span_that_has_ended_elsewhere(leave):
    def opened():
        with span("left"):
            yield

    with record() as trace, span("first"):
        begun = opened()
        next(begun)
        leave(begun.close)
        with span("second"):
            pass
    first = trace.spans[0].span_id
    assert [(one.name, one.parent_id, one.status) for one in trace.validate()] == [
        ("first", None, "ok"), ("left", first, "cancelled"), ("second", first, "ok"),
    ]  # fmt: skip


def test_an_async_generator_that_its_loop_closes_was_given_up():
    async def numbers():
        with span("numbers"):
            for number in range(3):
                yield number

    async def main():
        with record() as trace:
            with span("reads one"):
                async for _ in numbers():
                    break
            await asyncio.sleep(0)
        return trace

    assert [(one.name, one.status) for one in asyncio.run(main()).validate()] == [
        ("reads one", "ok"), ("numbers", "abandoned"),
    ]  # fmt: skip


@elsewhere
def test_a_traced_generator_may_be_closed_elsewhere(leave):
    @traced
    def numbers():
        yield from range(3)

    with record() as trace:
        begun = numbers()
        next(begun)
        leave(begun.close)
    assert [one.name for one in trace.validate()] == ["numbers"]


@elsewhere
@pytest.mark.parametrize("kind", ["thread", "serial", "async"])
def test_an_executor_may_be_shut_elsewhere(leave, kind):
    with record() as trace:
        stack = ExitStack()
        executor = stack.enter_context(get_executor(kind, 2))
        assert [outcome.value for outcome in executor.imap(str.upper, "ab")] == ["A", "B"]
        leave(stack.close)
    assert [one.status for one in trace.validate()] == ["ok", "ok"]


@elsewhere
@pytest.mark.parametrize(
    "block", [lambda: use_clock(FakeClock()), lambda: stopping_all(CancelToken()), lambda: told_of_traces(print)]
)
def test_other_blocks_may_be_left_elsewhere(leave, block):
    stack = ExitStack()
    stack.enter_context(block())
    leave(stack.close)
    assert is_off()


# -- what goes on after the block around it ----------------------------------------------------------------------


def test_a_task_that_outlives_the_span_around_it_belongs_to_what_goes_on():
    async def later(may_end):
        with span("task"):
            await may_end.wait()
            with span("in the task"):
                pass

    async def main():
        with record() as trace, span("first"):
            may_end = asyncio.Event()
            with span("second"), span("third"):
                task = asyncio.create_task(later(may_end))
                await asyncio.sleep(0)
            may_end.set()
            await task
        return trace

    trace = asyncio.run(main()).validate()
    names = {one.span_id: one.name for one in trace}
    assert [(one.name, names.get(one.parent_id), one.status) for one in trace] == [
        ("first", None, "ok"), ("second", "first", "ok"), ("third", "second", "ok"), ("task", "first", "ok"),
        ("in the task", "task", "ok"),
    ]  # fmt: skip


def test_a_task_that_outlives_all_spans_around_it_is_at_the_top():
    async def later():
        await asyncio.sleep(0)
        with span("task"):
            await asyncio.sleep(0)

    async def main():
        with record() as trace:
            with span("first"):
                task = asyncio.create_task(later())
                await asyncio.sleep(0)
            await task
        return trace

    assert [(one.name, one.parent_id) for one in asyncio.run(main()).validate()] == [("first", None), ("task", None)]


# -- many threads --------------------------------------------------------------------------------------------------


THREADS, EACH = 8, 60


@pytest.fixture
def threads_take_turns_all_the_time():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def job(number):
    with span("outer"), span("inner"):
        return number


async def rest(number):
    with span("inner"):
        await asyncio.sleep(0)
    return number


def loop(_):
    return asyncio.run(gathered())


async def gathered():
    return await asyncio.gather(*(rest(number) for number in range(EACH)))


def in_threads(function, items):
    with record(capture=["futures", "asyncio"]) as trace, ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(function, items))
    trace.validate()
    names = {each.span_id: each.name for each in trace}
    branches = trace.where(kind="branch")  # on a busy machine, a loop may be held up, which is noted, too
    return results, Counter((names.get(each.parent_id), each.name) for each in branches)


@pytest.mark.usefixtures("threads_take_turns_all_the_time")
def test_spans_of_many_threads():
    count = THREADS * EACH
    results, found = in_threads(job, range(count))
    assert results == list(range(count))
    assert found == {(None, "job"): count, ("job", "outer"): count, ("outer", "inner"): count}


@pytest.mark.usefixtures("threads_take_turns_all_the_time")
def test_tasks_of_a_loop_in_each_of_many_threads():
    results, found = in_threads(loop, range(THREADS))
    assert results == [list(range(EACH))] * THREADS
    assert found == {
        (None, "loop"): THREADS, ("loop", "gathered"): THREADS,
        ("gathered", "rest"): THREADS * EACH, ("rest", "inner"): THREADS * EACH,
    }  # fmt: skip
