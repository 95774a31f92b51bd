"""Running pipelines: equal results on every kind, source, workers, backpressure, errors, stopping, and the trace."""

from __future__ import annotations

import asyncio
import itertools
import threading
import weakref
from functools import partial

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import BranchError, DeadlineExceeded, WorkerLostError
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.pipeline.queues import END, Buffer, QueuedItem
from kaygraph_viz.execute.pipeline.run import PipelineRun, Source, runner_for, workers_for
from kaygraph_viz.execute.pipeline.stage_run import StageRun
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS, Stage
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, assert_trace, bar
from kaygraph_viz.trace.recorder import span
from tests.execute.pipeline.run_helpers import (
    GUARD_S,
    city,
    die_at_three,
    double,
    endless,
    fail_odd,
    hang_at_two,
    hang_at_two_async,
    negative,
    ours,
    outcomes,
    record_inside,
    see_city,
    until,
    values,
    wait_10_ms,
    wait_40_ms,
)

# -- results -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [None, "virtual"])
@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_every_kind_and_number_of_workers_gives_the_same(kind, clock):
    for workers in (1, 2, 8) if kind != "process" or clock else (2,):  # starting eight processes takes a while
        stages = [Stage(name, fn, workers, 4, executor=kind) for name, fn in (("a", fail_odd), ("b", negative))]
        with record(clock=clock):
            found = outcomes(stages, range(30))
        assert [outcome.value for outcome in found if outcome.ok] == list(range(0, -30, -2))
        letters = sorted((letter.index, letter.stage, str(letter.error)) for letter in found if not letter.ok)
        assert letters == [(x, "a", f"{x} is odd") for x in range(1, 30, 2)]


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_without_order_each_item_comes_once(kind):
    stages = [Stage(name, fn, 3, 2, executor=kind) for name, fn in (("a", double), ("b", negative))]
    found = outcomes(stages, range(50), ordered=False)
    assert sorted((outcome.index, outcome.value) for outcome in found) == [(x, -2 * x) for x in range(50)]


@pytest.mark.parametrize("items", [[], (), iter(()), {}, ""])
def test_no_items_no_outcomes(items):
    assert outcomes([Stage("a", double)], items) == []


def test_without_order_a_slow_item_holds_up_nobody():
    with record(clock="virtual"):
        found = outcomes([Stage("a", lambda x: sleep(1 if x == 0 else 0.1) or x, 2)], range(4), ordered=False)
    assert [outcome.index for outcome in found] == [1, 2, 3, 0]


def test_each_stage_gets_the_items_in_the_order_of_the_source():
    seen = []
    with record(clock="virtual"):
        outcomes([Stage("a", lambda x: sleep((7 * x) % 5) or x, 4), Stage("b", seen.append)], range(20))
    assert seen == list(range(20))


def test_stages_work_at_the_same_time():
    together = threading.Barrier(3)

    def meet(at, x):  # the first item in the last stage, the second in the one before, the third in the first
        return together.wait(GUARD_S) if at + x == 2 else None

    found = outcomes([Stage(name, lambda x, at=at: (meet(at, x), x)[1]) for at, name in enumerate("abc")], range(5))
    assert [outcome.value for outcome in found] == list(range(5))


def test_a_pipeline_may_run_within_a_stage():
    inner = Stage("a", lambda x: sum(values([Stage("b", double, 2)], range(x))), 2)
    with record():
        assert values([inner], range(5)) == [0, 0, 2, 6, 12]


# -- backpressure --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_an_endless_source_is_read_no_further_than_hands_and_queues_hold(kind, ordered):
    stages = [Stage("a", double, 2, 3, executor=kind), Stage("b", negative, 1, 2, executor=kind)]
    room = 1 + 3 + 2 + 2 + 1 + 2  # the source, and queue and hands of each stage, and the queue of the reader
    with PipelineRun(stages, endless(), ordered=ordered) as run:
        assert max(run.read - done for done, _ in enumerate(itertools.islice(run, 100), 1)) <= room
    assert run.read <= 100 + room


def test_what_has_come_out_is_not_kept():
    class Item:
        pass

    alive = weakref.WeakSet()

    def source():
        for _ in range(500):
            alive.add(item := Item())
            yield item
            del item

    most = 0
    with PipelineRun([Stage("a", lambda item: item, 2, 2), Stage("b", lambda item: item, 1, 2)], source()) as run:
        for outcome in run:
            most = max(most, len(alive))
            del outcome
    assert most <= 16


def test_a_slow_last_stage_blocks_all_before_it_up_to_the_source():
    stages = [Stage("a", wait_10_ms, buffer=1), Stage("b", wait_40_ms, buffer=1)]
    with record(clock="virtual") as trace:
        outcomes(stages, range(5))
    assert_trace(trace.where(kind="branch"), [
        bar("source", "thread-1", 0, 0, index=0),
        bar("source", "thread-1", 0, 0, index=1),
        bar("source", "thread-1", 0, 0.01, index=2, blocked_s=0.01),
        bar("source", "thread-1", 0.01, 0.02, index=3, blocked_s=0.01),
        bar("source", "thread-1", 0.02, 0.05, index=4, blocked_s=0.03),
        bar("a", "thread-2", 0, 0.01, index=0),
        bar("a", "thread-2", 0.01, 0.02, index=1, queued_s=0.01),
        bar("a", "thread-2", 0.02, 0.05, index=2, queued_s=0.01, blocked_s=0.02),
        bar("a", "thread-2", 0.05, 0.09, index=3, queued_s=0.03, blocked_s=0.03),
        bar("a", "thread-2", 0.09, 0.13, index=4, queued_s=0.04, blocked_s=0.03),
        bar("b", "thread-3", 0.01, 0.05, index=0),
        bar("b", "thread-3", 0.05, 0.09, index=1, queued_s=0.03),
        bar("b", "thread-3", 0.09, 0.13, index=2, queued_s=0.04),
        bar("b", "thread-3", 0.13, 0.17, index=3, queued_s=0.04),
        bar("b", "thread-3", 0.17, 0.21, index=4, queued_s=0.04),
    ])  # fmt: skip


def test_a_slow_reader_blocks_the_last_stage_and_is_named():
    with record(clock="virtual"), PipelineRun([Stage("a", wait_10_ms, buffer=1)], range(8)) as run:
        for _ in run:
            sleep(0.1)
        assert run.bottleneck == "exec"
        assert run.stages[1].blocked > 0.5


def test_statistics_are_those_of_the_run():
    stages = [Stage("a", wait_10_ms, 2, buffer=1), Stage("b", wait_40_ms, buffer=2)]
    with record(clock="virtual") as trace, PipelineRun(stages, range(20)) as run:
        list(run)
    source, first, second = run.stages
    assert (source.name, source.items, first.items, second.items, run.read) == ("source", 20, 20, 20, 20)
    assert second.makespan_s == pytest.approx(trace.makespan_s)
    for facts in run.stages:
        branches = trace.where(name=facts.name, kind="branch")
        assert facts.blocked_s == pytest.approx(sum(branch.blocked_ns for branch in branches) / 1e9)
        assert facts.busy_s + facts.blocked_s == pytest.approx(sum(branch.service_s for branch in branches))
    assert (first.busy_s, second.busy_s) == (pytest.approx(0.2), pytest.approx(0.8))
    assert second.busy > 0.95
    assert run.bottleneck == "b"
    assert (first.longest_queue, second.longest_queue) == (1, 2)


def test_a_slow_source_is_named():
    def source():
        for number in range(10):
            sleep(0.1)
            yield number

    with record(clock="virtual"), PipelineRun([Stage("a", wait_10_ms)], source()) as run:
        list(run)
    assert run.bottleneck == "source"
    assert run.stages[1].starved > 0.8


# -- items that fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_with_raise_the_first_error_ends_it_and_nothing_is_left(kind):
    before = []
    stages = [Stage("a", fail_odd, executor=kind), Stage("b", negative, executor=kind), Stage("c", double)]
    with pytest.raises(ValueError, match="3 is odd") as caught:
        with PipelineRun(stages, itertools.chain([0, 2, 4, 3], endless()), on_error="raise") as run:
            before += [outcome.value for outcome in run]
    assert "in item 3 of 'pipeline: a'" in caught.value.__notes__
    assert before == [] or before == [0, -4, -8]
    assert ours() == []


def test_what_is_ahead_of_an_error_comes_out_before_it_is_raised():
    closed, seen = [], []

    def source():
        try:
            yield from [0, 2, 4, 3]
            yield from itertools.count()
        finally:
            closed.append(True)

    with record(clock="virtual"), pytest.raises(ValueError, match="3 is odd"):
        with PipelineRun([Stage("a", fail_odd), Stage("b", wait_40_ms)], source(), on_error="raise") as run:
            seen += (outcome.value for outcome in run)
    assert (seen, closed) == ([0, 2, 4], [True])


# -- stopping ------------------------------------------------------------------------------------------------------


def test_an_error_of_the_reader_ends_it_as_well():
    closed = []
    with pytest.raises(RuntimeError, match="enough"), PipelineRun([Stage("a", double)], endless(closed)) as run:
        next(run)
        raise RuntimeError("enough")
    assert (closed, ours()) == ([True], [])


def test_simulated_time_that_ends_ends_the_pipeline():
    with record(clock="virtual"), pytest.raises(RuntimeError, match="enough"):
        run = PipelineRun([Stage("a", wait_10_ms)], endless())
        run.__enter__()
        raise RuntimeError("enough")
    assert ours() == []


# -- what is recorded ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [None, "virtual"])
@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_the_way_of_each_item_can_be_followed(kind, clock):
    stages = [Stage("a", fail_odd, 2, executor=kind), Stage("b", record_inside, 2, executor=kind)]
    with record(clock=clock) as trace:
        outcomes(stages, range(8), owner="ETL")
    spans = {found.span_id: found for found in trace}
    for name, before in (("a", "source"), ("b", "a")):
        branches = trace.where(name=name, kind="branch")
        assert {branch.index for branch in branches} == set(range(8) if name == "a" else range(0, 8, 2))
        for branch in branches:
            (link,) = branch.links
            made = spans[link]
            assert (made.name, made.index) == (before, branch.index)
            assert made.ended_ns <= branch.submitted_ns <= branch.started_ns
            assert spans[branch.parent_id].name == f"ETL {name}"
    assert {spans[inside.parent_id].name for inside in trace.where(name="inside")} == {"b"}
    assert len(trace.where(name="inside")) == 4


def test_recording_changes_no_result():
    stages = [Stage("a", fail_odd, 3), Stage("b", negative, 2)]
    with record():
        recorded = outcomes(stages, range(40))
    plain = outcomes(stages, range(40))
    for each in (recorded, plain):
        each.sort(key=lambda outcome: outcome.index)
    assert [(o.index, o.value, o.status) for o in recorded] == [(o.index, o.value, o.status) for o in plain]


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_a_simulated_run_is_the_same_every_time(kind, tmp_path):
    def run(seed):
        stages = [Stage("a", fail_odd, 3, 2, executor=kind), Stage("b", wait_10_ms, 2, 2, executor=kind)]
        stages.append(Stage("c", hang_at_two, 1, 2, timeout=0.1, executor=kind if kind != "async" else "thread"))
        with record(clock="virtual", seed=seed) as trace:
            outcomes(stages, range(20))
        return trace.save(tmp_path / "trace.jsonl").read_bytes()

    assert len({run(0) for _ in range(20)}) == 1
    assert len({run(5) for _ in range(5)}) == 1


# -- laws ----------------------------------------------------------------------------------------------------------


@st.composite
def pipelines(draw):
    kinds = st.sampled_from(["thread", "thread", "async", "process", "serial"])
    count = draw(st.integers(1, 4))
    shape = [(draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(kinds)) for _ in range(count)]
    items = draw(st.integers(0, 15))
    takes = [[draw(st.integers(0, 4)) for _ in range(items)] for _ in shape]
    bad = draw(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, 14)), max_size=6))
    return shape, takes, bad, items, draw(st.booleans())


class Step:
    """Takes some time for each item, and fails for some."""

    def __init__(self, takes, bad):
        self.takes = takes
        self.bad = bad

    def __call__(self, x):
        sleep(self.takes[x])
        if x in self.bad:
            raise ValueError(x)
        return x


@given(pipelines())
def test_nothing_is_lost_nothing_comes_twice_and_no_queue_is_too_full(drawn):
    shape, takes, bad, items, ordered = drawn
    stages = [
        Stage(f"s{at}", Step(takes[at], {x for stage, x in bad if stage == at}), workers, buffer, executor=kind)
        for at, (workers, buffer, kind) in enumerate(shape)
    ]
    with record(clock="virtual") as trace, PipelineRun(stages, range(items), ordered=ordered) as run:
        found = list(run)
    dead = {x: min(stage for stage, other in bad if other == x) for _, x in bad if x < items}
    through = [outcome.index for outcome in found if outcome.ok]
    assert {letter.index: int(letter.stage[1:]) for letter in found if not letter.ok} == dead
    assert sorted([*through, *dead]) == list(range(items))
    assert through == sorted(through) or not ordered
    for stage, facts in zip(stages, run.stages[1:], strict=True):
        assert facts.longest_queue <= stage.buffer
        branches = trace.where(name=stage.name, kind="branch")
        assert _most_at_once(branches) <= stage.workers
        assert facts.items + facts.errors == len(branches)


def _most_at_once(branches):
    changes = sorted([(b.started_ns, 1) for b in branches] + [(b.ended_ns, -1) for b in branches])
    return max(itertools.accumulate((change for _, change in changes), initial=0))


@pytest.mark.parametrize("executor", ["serial", "thread"])
def test_a_source_that_would_end_the_program_while_it_is_closed_is_an_error(executor):
    def source():
        try:
            yield from range(100)
        finally:
            raise SystemExit(2)

    with pytest.raises(BranchError, match="the end of the source of 'pipeline' ended with"):
        with PipelineRun([Stage("same", int, executor=executor, buffer=1)], source()) as run:
            next(run)


# -- the source ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_when_the_source_fails_what_it_gave_before_comes_out_first(kind):
    def source():
        yield from range(4)
        raise OSError("disk")

    seen = []
    with pytest.raises(OSError, match="disk") as caught:
        with PipelineRun([Stage("a", double, 2, executor=kind)], source(), owner="ETL") as run:
            seen += (outcome.value for outcome in run)
    assert seen == [0, 2, 4, 6]
    assert caught.value.__notes__ == ["in item 4 of the source of 'ETL'"]
    assert ours() == []


def test_something_that_cannot_be_read_is_an_error_of_the_source():
    class Broken:
        def __iter__(self):
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        outcomes([Stage("a", double)], Broken())


@pytest.mark.parametrize("clock", [None, "virtual"])
@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_when_the_reader_stops_early_the_source_is_closed(kind, clock):
    closed = []
    stages = [Stage("a", double, 2, executor=kind), Stage("b", negative, executor=kind)]
    with record(clock=clock):
        with PipelineRun(stages, endless(closed)) as run:
            assert [next(run).value for _ in range(3)] == [0, -2, -4]
        assert closed == [True]
    assert ours() == []
    assert list(run) == []


def test_an_error_of_a_source_that_is_closed_is_not_lost():
    def source():
        try:
            yield from itertools.count()
        finally:
            raise OSError("cannot close")

    for kind in ("thread", "serial"):
        stages = [Stage("a", double, executor=kind)]
        with pytest.raises(OSError, match="cannot close"), PipelineRun(stages, source()) as run:
            next(run)


def test_things_of_the_caller_that_are_no_generators_stay_open(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("1\n2\n3\n")
    with path.open() as file:
        assert values([Stage("a", int)], file) == [1, 2, 3]
        assert not file.closed


def test_what_the_source_records_lies_in_the_reading_of_its_item():
    def source():
        for number in range(3):
            with span("fetch"):
                sleep(0.1)
            yield number
        with span("close file"):
            sleep(0.1)

    with record(clock="virtual") as trace:
        outcomes([Stage("a", double)], source())
    spans = {found.span_id: found for found in trace}
    assert [spans[fetch.parent_id].index for fetch in trace.where(name="fetch")] == [0, 1, 2]
    assert [branch.service_s for branch in trace.where(name="source")] == [0.1] * 3
    assert spans[trace.where(name="close file")[0].parent_id].kind == "wait"


# -- step by step --------------------------------------------------------------------------------------------------


def source_of(items, size=2, clock=None):
    clock = clock or FakeClock()
    return Source(items, Buffer(size, is_ordered=True, now_ns=clock.now_ns), "ETL", clock.now_ns)


def test_reading_takes_time_and_nothing_is_read_any_more_for_a_queue_that_was_abandoned():
    clock = FakeClock()
    source = source_of((clock.sleep(2) or number for number in itertools.count()), clock=clock)
    assert source.step()
    source.outbox.abandon()
    assert not source.step()
    assert source.meter.facts(10**9).busy_s == 4


# -- workers ---------------------------------------------------------------------------------------------------------


def test_workers_of_a_stage_work_at_the_same_time():
    together = threading.Barrier(4)
    assert len(values([Stage("a", lambda x: together.wait(GUARD_S), 4)], range(8))) == 8


def test_workers_see_the_context_of_the_caller():
    token = city.set("Lyon")
    try:
        stages = [Stage("a", see_city), Stage("b", see_city, executor="async"), Stage("c", see_city, executor="serial")]
        assert [values([stage], [1]) for stage in stages] == [["Lyon"]] * 3
    finally:
        city.reset(token)


@pytest.mark.parametrize("kind", ["thread", "process", "async"])
def test_an_interrupt_gives_control_back_while_items_are_still_running(kind, tmp_path):
    release, began = threading.Event(), tmp_path / "began"

    def stuck(x):
        began.touch()
        threading.Event().wait(GUARD_S)

    def stuck_thread(x):
        began.touch()
        release.wait(GUARD_S)

    async def stuck_async(x):
        began.touch()
        await asyncio.Event().wait()

    fn = {"thread": stuck_thread, "process": stuck, "async": stuck_async}[kind]
    with record() as trace, pytest.raises(KeyboardInterrupt):
        with PipelineRun([Stage("a", fn, executor=kind), Stage("b", double)], range(3)):
            until(began.exists)
            raise KeyboardInterrupt
    release.set()
    statuses = {branch.status for branch in trace.where(name="a")}
    assert statuses == {"abandoned" if kind == "thread" else "cancelled"}
    assert trace.where(name="b") == []
    until(lambda: ours() == [])


def test_stages_that_are_all_serial_run_in_the_caller_one_item_after_the_other():
    seen = []

    def note(name, x):
        seen.append((name, x, threading.current_thread() is threading.main_thread()))
        return x

    with record() as trace:
        outcomes([Stage(name, partial(note, name), executor="serial") for name in "ab"], range(3))
    assert seen == [(name, x, True) for x in range(3) for name in "ab"]
    assert {branch.lane for branch in trace.where(kind="branch")} == {"main"}
    assert not any(found.attributes for found in trace)


# -- the workers of one stage, between two queues ------------------------------------------------------------------


class Between:
    """A stage with its queues, filled with some items and closed."""

    def __init__(self, function, items, workers=1, executor="thread"):
        now_ns = itertools.count().__next__
        self.inbox, self.outbox = (Buffer(100, is_ordered=True, now_ns=now_ns) for _ in range(2))
        for index, value in enumerate(items):
            self.inbox.offer(QueuedItem(index, value, position=index))
        self.inbox.close()
        self.faults = []
        stage = Stage("a", function, workers, executor=executor)
        self.run = StageRun(
            stage, self.inbox, self.outbox, self.outbox, self.faults.append, collects=True, now_ns=now_ns
        )

    def work(self):
        for thread in [*workers_for(self.run, "ETL").start()]:
            thread.join(GUARD_S)

    def made(self):
        found = []
        while (thing := self.outbox.take()) is not END:
            assert thing is not None
            found.append(thing.value)
        return found


def test_the_last_worker_closes_the_queue_and_no_one_before_it():
    release = threading.Event()
    between = Between(lambda x: x or release.wait(GUARD_S), [0, 1], 2)
    running = [*workers_for(between.run, "ETL").start()]
    until(lambda: sum(thread.is_alive() for thread in running) == 1)
    assert between.run.ended_ns is None
    release.set()
    until(lambda: not any(thread.is_alive() for thread in running))
    assert between.run.ended_ns is not None


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_a_fault_of_our_own_ends_the_pipeline(executor, monkeypatch):
    def broken(*_):
        raise AssertionError("bug")

    between = Between(double, [1], 1, executor)
    monkeypatch.setattr(StageRun, "begin", broken)
    between.work()
    assert [str(fault) for fault in between.faults] == ["bug"]
    assert between.run.ended_ns is not None


# -- what runs the items of one worker -------------------------------------------------------------------------------


def test_waiting_for_room_is_no_reason_to_time_out():
    for kind in ("thread", "process", "async", "serial"):
        stages = [Stage("a", wait_10_ms, buffer=1, timeout=0.02, executor=kind), Stage("b", wait_40_ms, buffer=1)]
        with record(clock="virtual"):
            assert values(stages, range(6)) == list(range(6))


@pytest.mark.parametrize("clock", [None, "virtual"])
@pytest.mark.parametrize(
    ("kind", "fn", "status"),
    [
        ("thread", hang_at_two, "abandoned"),
        ("process", hang_at_two, "timeout"),
        ("async", hang_at_two_async, "timeout"),
    ],
)
def test_an_item_that_takes_too_long_becomes_a_dead_letter(kind, fn, status, clock):
    release = threading.Event()

    def stuck(x):  # a real thread has to end some time
        return release.wait(GUARD_S) if x == 2 else x

    fn = stuck if kind == "thread" and clock is None else fn
    with record(clock=clock) as trace:
        found = outcomes([Stage("a", fn, 2, timeout=0.2, executor=kind)], range(6))
    release.set()
    assert [outcome.value for outcome in found if outcome.ok] == [0, 1, 3, 4, 5]
    (letter,) = [outcome for outcome in found if not outcome.ok]
    assert (letter.index, letter.status, type(letter.error)) == (2, "timeout", DeadlineExceeded)
    (late,) = [branch for branch in trace.where(name="a") if not branch.ok]
    assert (late.index, late.status) == (2, status)


@pytest.mark.processes
def test_a_process_that_dies_costs_the_item_that_it_had_in_hand():
    with record() as trace:
        found = outcomes([Stage("a", double), Stage("b", die_at_three, 2, executor="process")], [0, 1.5, 2, 3])
    (letter,) = [outcome for outcome in found if not outcome.ok]
    assert (letter.index, letter.stage, letter.status, type(letter.error)) == (1, "b", "lost", WorkerLostError)
    assert [outcome.value for outcome in found if outcome.ok] == [0, 4, 6]
    assert [branch.index for branch in trace.where(name="b", status="lost")] == [1]


def test_a_function_that_cannot_travel_is_an_error_of_the_run():
    lock = threading.Lock()
    with pytest.raises(BranchError, match="the function of 'pipeline: a' cannot be sent"):
        outcomes([Stage("a", lambda x: lock, executor="process")], range(3))
    assert ours() == []


def test_processes_compute_beside_each_other_in_simulated_time():
    def spend(x):
        compute(1)
        return x

    for kind, makespan_s in (("thread", 8), ("process", 2)):
        with record(clock="virtual") as trace:
            values([Stage("a", spend, 4, executor=kind)], range(8))
        assert trace.makespan_s == pytest.approx(makespan_s)


# -- one worker, item by item --------------------------------------------------------------------------------------


def queued(index, value):
    return QueuedItem(index, value, entered_ns=0)


def test_a_thread_that_is_given_up_says_so_when_it_comes_back():
    release, begun, found = threading.Event(), threading.Event(), []
    runner = runner_for(Branches(lambda _: (begun.set(), release.wait(GUARD_S)), name="a"), "thread")

    def work():
        with runner:
            found.append(runner.run(queued(0, "x")))

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(GUARD_S)
    runner.give_up(KeyboardInterrupt())
    release.set()
    worker.join(GUARD_S)
    assert found == [None]


def test_giving_up_a_thread_between_two_items_changes_nothing():
    runner = runner_for(Branches(double, name="a"), "thread")
    with runner:
        runner.run(queued(0, 1))
        runner.give_up(KeyboardInterrupt())
        assert runner.run(queued(1, 2)).value == 4


@pytest.mark.processes
def test_a_process_that_is_given_up_runs_nothing_more():
    runner = runner_for(Branches(double, name="a"), "process")
    with runner:
        assert runner.run(queued(0, 1)).value == 2
        runner.give_up(KeyboardInterrupt())
        assert runner.run(queued(1, 2)) is None
