"""Nodes with many items, plain and asynchronous: order, collecting, retries of each item, names, spans, schedules."""

from __future__ import annotations

import asyncio
import itertools
import threading
from functools import cache

import pytest
from hypothesis import given, strategies as st

import kaygraph_viz as kv
from kaygraph_viz.analysis.laws import graham_ratio, longest_first_ratio
from kaygraph_viz.base.errors import DeadlineExceeded, OptionError
from kaygraph_viz.clock.clock import sleep
from kaygraph_viz.execute.outcome import Outcomes
from kaygraph_viz.execute.registry import KINDS, get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.execute.schedules import SCHEDULES, edges
from kaygraph_viz.graph.batch import AsyncBatchNode, AsyncParallelBatchNode, BatchNode, ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.recording import record
from tests.list_schedule import list_schedule

GUARD_S = 20.0
BOTH = pytest.mark.parametrize("base", [BatchNode, ParallelBatchNode])


def run(base, items, function, **options):
    """Run a batch node over items and return what post got."""
    node = base(**options)
    node.prep = lambda shared: items
    node.exec = function
    node.post = lambda shared, prep_res, exec_res: shared.update(result=exec_res)
    shared = {}
    node.run(shared)
    return shared["result"]


def fail_on_3(x):
    if x == 3:
        raise ValueError("bad record")
    return 2 * x


@BOTH
@pytest.mark.parametrize("items", [None, [], (), iter(())])
def test_an_empty_batch_is_an_empty_list(base, items):
    assert run(base, items, fail_on_3) == []


@BOTH
def test_the_first_error_ends_the_node_and_names_item_and_node(base):
    with pytest.raises(ValueError, match="bad record") as caught:
        run(base, range(100), fail_on_3, node_id="Check")
    assert caught.value.__notes__ == ["in item 3 of 'Check'"]


@BOTH
def test_collecting_keeps_99_results_and_one_record_of_the_error(base):
    result = run(base, range(100), fail_on_3, on_error="collect", max_retries=2)
    assert isinstance(result, Outcomes)
    assert result.values == [2 * x for x in range(100) if x != 3]
    (failed,) = result.failed
    assert (failed.index, failed.attempts, failed.value) == (3, 2, None)
    assert "fail_on_3" in failed.traceback
    assert "bad record" in failed.traceback
    assert [outcome.index for outcome in result] == list(range(100))


@BOTH
def test_each_failing_item_has_its_own_attempts(base):
    tried = []

    class Fails(base):
        def prep(self, shared):
            return range(8)

        def exec(self, x):
            tried.append((x, self.cur_retry))
            if x % 2:
                raise ValueError("bad")

    Fails(max_retries=3, on_error="collect").run({})
    assert sorted(tried) == [(x, n) for x in range(8) for n in range(3 if x % 2 else 1)]


@BOTH
def test_the_fallback_gets_item_and_error(base):
    node = base()
    node.prep = lambda shared: range(5)
    node.exec = fail_on_3
    node.exec_fallback = lambda item, error: (item, str(error))
    node.post = lambda shared, prep_res, exec_res: shared.update(result=exec_res)
    node.run(shared := {})
    assert shared["result"] == [0, 2, 4, (3, "bad record"), 8]


def test_items_really_run_at_once():
    together = threading.Barrier(4)
    assert run(ParallelBatchNode, range(4), lambda x: together.wait(GUARD_S) >= 0, max_workers=4) == [True] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_an_executor_can_be_given_by_kind_or_as_an_object_that_stays_open(kind):
    assert run(ParallelBatchNode, range(3), abs, executor=kind) == [0, 1, 2]
    with get_executor(kind, 2) as executor:
        assert run(ParallelBatchNode, range(3), abs, executor=executor) == [0, 1, 2]
        assert run(ParallelBatchNode, range(3), abs, executor=executor) == [0, 1, 2]


@BOTH
def test_spans_nest_as_node_phase_branch(base):
    with record() as trace:
        run(base, range(3), abs, node_id="Check")
    by_id = {s.span_id: s for s in trace}
    (node,) = trace.where(kind="node")
    assert [s.name for s in trace.where(kind="phase")] == ["prep", "exec", "post"]
    branches = trace.where(kind="branch")
    assert sorted(s.index for s in branches) == [0, 1, 2]
    for branch in branches:
        assert branch.name == "Check"
        phase = by_id[branch.parent_id]
        assert (phase.name, phase.parent_id) == ("exec", node.span_id)


@BOTH
def test_branches_can_be_named_by_their_item(base):
    class Named(base):
        def prep(self, shared):
            return ["Ada", "Grace"]

        def branch_name(self, item):
            return f"check {item}"

    with record() as trace:
        Named().run({})
    assert sorted(s.name for s in trace.where(kind="branch")) == ["check Ada", "check Grace"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_interrupt_while_progress_is_told_waits_for_no_branch(schedule):
    release, begun = threading.Event(), threading.Event()
    timer = threading.Timer(GUARD_S, release.set)  # else a node that waits would wait for ever

    def work(is_long):
        if is_long:
            begun.set()
        (release if is_long else begun).wait(GUARD_S)

    def interrupted(done, total):
        raise KeyboardInterrupt

    timer.start()
    try:
        with record() as trace, pytest.raises(KeyboardInterrupt):
            run(
                ParallelBatchNode, [False, True], work, max_workers=2, progress=interrupted, schedule=schedule, cost=int
            )
    finally:
        timer.cancel()
        release.set()
    assert trace.counts()["abandoned"] == 1


@BOTH
def test_what_cannot_be_iterated_over_is_a_clear_error(base):
    with pytest.raises(OptionError, match="an iterable"):
        run(base, 5, abs)


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 0}, {"max_workers": True}, {"max_workers": 10**9}, {"executor": "threads"}, {"executor": 4},
        {"on_error": "ignore"}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": 0}, {"deadline": 0},
        {"progress": 3}, {"retry": 3}, {"window": -1}, {"window": 1.5}, {"schedule": "fair"}, {"cost": 3},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_options_are_refused_when_built(options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        ParallelBatchNode(**options)


def test_a_policy_and_retries_together_are_refused():
    with pytest.raises(OptionError, match="no max_retries"):
        ParallelBatchNode(retry=RetryPolicy(3), max_retries=2)


def test_recording_changes_neither_results_nor_the_order_of_writes():
    class Log(dict):
        def __init__(self):
            super().__init__()
            self.writes = []

        def __setitem__(self, key, value):
            self.writes.append((key, value))
            super().__setitem__(key, value)

    class Double(ParallelBatchNode):
        def prep(self, shared):
            shared["started"] = True
            return range(20)

        def exec(self, x):
            return 2 * x

        def post(self, shared, prep_res, exec_res):
            for index, value in enumerate(exec_res):
                shared[index] = value
            shared["ended"] = True

    plain, recorded = Log(), Log()
    Graph(start=Double(max_workers=4)).run(plain)
    with record():
        Graph(start=Double(max_workers=4)).run(recorded)
    assert recorded.writes == plain.writes


def test_a_batch_inside_a_batch_does_not_deadlock():
    class Outer(ParallelBatchNode):
        def prep(self, shared):
            return range(12)

        def exec(self, x):
            return sum(run(ParallelBatchNode, range(x), abs, max_workers=2))

        def post(self, shared, prep_res, exec_res):
            shared["sums"] = exec_res

    with record() as trace:
        Outer(max_workers=4).run(shared := {})
    assert shared["sums"] == [x * (x - 1) // 2 for x in range(12)]
    trace.validate()


# -- schedules ------------------------------------------------------------------------------------------------------


def makespan(durations, workers, schedule, **options):
    """Return how long items take that do nothing but wait, in simulated time [whole seconds]."""
    with record(clock="virtual") as trace:
        run(ParallelBatchNode, durations, sleep, max_workers=workers, schedule=schedule, cost=float, **options)
    return round(trace.makespan_s)


def least_makespan(durations, workers):
    """Return the makespan of the best schedule there is; by trying all."""

    @cache
    def best(place, loads):
        if place == len(durations):
            return max(loads)
        following = {
            tuple(sorted((*loads[:at], loads[at] + durations[place], *loads[at + 1 :]))) for at in range(workers)
        }
        return min(best(place + 1, each) for each in following)

    return best(0, (0,) * workers)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_schedule_changes_no_result(opened, workers, schedule):
    with opened(workers) as executor:
        options = {"executor": executor, "schedule": schedule, "cost": float}
        assert run(ParallelBatchNode, [3, 1, 2, 0, 5] * 4, abs, **options) == [3, 1, 2, 0, 5] * 4
        collected = run(ParallelBatchNode, range(9), fail_on_3, on_error="collect", max_retries=2, **options)
    assert [outcome.index for outcome in collected] == list(range(9))
    assert collected.values == [0, 2, 4, 8, 10, 12, 14, 16]
    assert [(failed.index, failed.attempts, str(failed.error)) for failed in collected.failed] == [(3, 2, "bad record")]


@pytest.mark.parametrize("schedule", ["static", "longest-first"])
@pytest.mark.parametrize("items", [None, [], ()])
def test_nothing_to_schedule(schedule, items):
    assert run(ParallelBatchNode, items, abs, schedule=schedule, cost=float) == []


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_anything_with_a_length_can_be_scheduled(schedule):
    assert run(ParallelBatchNode, {"a": 1, "b": 2}, str.upper, schedule=schedule, cost=len) == ["A", "B"]


@pytest.mark.parametrize("schedule", ["static", "longest-first"])
def test_items_without_a_length_cannot_be_cut_or_sorted(schedule):
    with pytest.raises(OptionError, match=f"something with a length, as a list has, for schedule='{schedule}'"):
        run(ParallelBatchNode, iter([1]), abs, schedule=schedule, cost=float)


def test_static_chunks_are_run_by_one_worker_each():
    with record(clock="virtual") as trace:
        run(ParallelBatchNode, [1] * 10, sleep, max_workers=4, schedule="static", node_id="Check")
    items = trace.where(kind="branch", name="Check")
    cuts = edges(10, 4)
    for number in range(4):
        assert {s.lane for s in items if cuts[number] <= s.index < cuts[number + 1]} == {f"thread-{number + 1}"}


def test_the_most_costly_item_begins_first():
    with record(clock="virtual") as trace:
        run(ParallelBatchNode, [1, 9, 5, 9], sleep, max_workers=1, schedule="longest-first", cost=float)
    assert [round(s.service_s) for s in trace.where(kind="branch")] == [9, 9, 5, 1]


def test_the_cost_can_be_a_method():
    class Sleep(ParallelBatchNode):
        def prep(self, shared):
            return [1, 2]

        def exec(self, seconds):
            sleep(seconds)

        def cost(self, seconds):
            return -seconds

    with record(clock="virtual") as trace:
        Sleep(max_workers=1, schedule="longest-first").run({})
    assert [round(s.service_s) for s in trace.where(kind="branch")] == [1, 2]


def test_longest_first_needs_a_cost():
    with pytest.raises(OptionError, match="cost must be a function of an item, or a method of the node"):
        ParallelBatchNode(schedule="longest-first")


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), "3", None, 2j])
def test_a_cost_must_be_a_number(cost):
    with pytest.raises(OptionError, match="the cost of item 1 of 'Check' must be a finite number"):
        run(
            ParallelBatchNode, [1, 2], abs, schedule="longest-first", cost=lambda x: cost if x == 2 else 1,
            node_id="Check",
        )  # fmt: skip


def test_a_cost_that_fails_names_the_item():
    with pytest.raises(ZeroDivisionError) as caught:
        run(ParallelBatchNode, [1, 0], abs, schedule="longest-first", cost=lambda x: 1 / x, node_id="Check")
    assert caught.value.__notes__ == ["in cost of item 1 of node 'Check'"]


DURATIONS = st.lists(st.integers(0, 9), min_size=1, max_size=7)


@given(DURATIONS, st.integers(1, 4))
def test_dynamic_is_list_scheduling_and_within_grahams_bound(durations, workers):
    took = makespan(durations, workers, "dynamic")
    assert took == list_schedule(durations, workers).makespan_ns
    assert took <= graham_ratio(workers) * least_makespan(durations, workers) + 1e-9


@given(DURATIONS, st.integers(1, 4))
def test_longest_first_is_within_its_own_bound(durations, workers):
    bound = longest_first_ratio(workers) * least_makespan(durations, workers)
    assert makespan(durations, workers, "longest-first") <= bound + 1e-9


def test_the_bound_of_longest_first_is_reached():
    assert (makespan([3, 3, 2, 2, 2], 2, "longest-first"), least_makespan([3, 3, 2, 2, 2], 2)) == (7, 6)


@given(DURATIONS, st.integers(1, 4))
def test_static_takes_as_long_as_its_longest_chunk(durations, workers):
    chunks = min(workers, len(durations))
    cuts = edges(len(durations), chunks)
    sums = [sum(durations[cuts[number] : cuts[number + 1]]) for number in range(chunks)]
    assert makespan(durations, workers, "static") == max(sums)


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_static_can_waste_all_workers_but_one(workers):
    durations = [1] * workers + [0] * (workers * (workers - 1))
    assert makespan(durations, workers, "static") == workers * least_makespan(durations, workers)
    assert makespan(durations, workers, "dynamic") == makespan(durations, workers, "longest-first") == 1


# -- asynchronous nodes ----------------------------------------------------------------------------------------------


class Squares:
    inside = most = 0

    async def prep_async(self, shared):
        return shared["numbers"]

    async def exec_async(self, number):
        shared = type(self)
        shared.inside += 1
        shared.most = max(shared.most, shared.inside)
        try:
            for _ in range(number % 3 + 2):  # they end in another order than they begin
                await asyncio.sleep(0)
        finally:
            shared.inside -= 1
        if number < 0:
            raise ValueError(f"{number} is negative")
        return number**2

    async def post_async(self, shared, prep_res, exec_res):
        shared["result"] = exec_res


def made(kind, *args, **options):
    return type(kind.__name__, (Squares, kind), {})(*args, **options)


ASYNC_KINDS = [AsyncBatchNode, AsyncParallelBatchNode]


def result_of(node, numbers):
    shared = {"numbers": numbers}
    node.run(shared)
    return shared["result"]


@pytest.mark.parametrize("kind", ASYNC_KINDS)
@pytest.mark.parametrize("numbers", [lambda: range(50), list, lambda: None, lambda: iter(range(50))])
def test_results_come_in_the_order_of_the_items(kind, numbers):
    items = numbers()
    expected = [x * x for x in range(50)] if items else []
    assert result_of(made(kind), items) == expected


def test_one_after_the_other_or_at_most_so_many_or_all():
    for node, most in [(made(AsyncBatchNode), 1), (made(AsyncParallelBatchNode, 7), 7)]:
        result_of(node, range(40))
        assert type(node).most == most
    node = made(AsyncParallelBatchNode)
    result_of(node, range(8))
    assert node.most > 1


@pytest.mark.parametrize("kind", ASYNC_KINDS)
def test_collect_keeps_every_item(kind):
    outcomes = result_of(made(kind, on_error="collect"), [1, -2, 3, -4])
    assert isinstance(outcomes, Outcomes)
    assert outcomes.values == [1, 9]
    assert [(o.index, str(o.error)) for o in outcomes.failed] == [(1, "-2 is negative"), (3, "-4 is negative")]


@pytest.mark.parametrize("kind", ASYNC_KINDS)
def test_raise_names_the_item_and_leaves_nothing_running(kind):
    node = made(kind)
    with pytest.raises(ValueError, match="-2 is negative") as caught:
        result_of(node, [1, -2, *range(50)])
    assert caught.value.__notes__[0] == f"in item 1 of '{kind.__name__}'"
    assert node.inside == 0


@pytest.mark.parametrize("kind", ASYNC_KINDS)
def test_each_failing_item_gets_its_attempts_and_the_fallback(kind):
    seen = []

    class Retrying(kind):
        async def prep_async(self, shared):
            return range(4)

        async def exec_async(self, number):
            seen.append((number, self.cur_retry))
            await asyncio.sleep(0)
            raise ValueError(number)

        async def exec_fallback_async(self, number, exc):
            return -number

        async def post_async(self, shared, prep_res, exec_res):
            shared["result"] = exec_res

    Retrying(max_retries=3).run(shared := {})
    assert shared["result"] == [0, -1, -2, -3]
    assert sorted(seen) == list(itertools.product(range(4), range(3)))


def test_a_deadline_and_a_timeout_end_what_would_not_end():
    class Endless(AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return range(3)

        async def exec_async(self, _):
            await asyncio.Event().wait()

        async def post_async(self, shared, prep_res, exec_res):
            shared["result"] = exec_res

    with pytest.raises(DeadlineExceeded, match="the call of 'Endless'"):
        Endless(deadline=0.01).run({})
    with pytest.raises(DeadlineExceeded, match="item 0 of 'Endless'"):
        Endless(1, timeout=0.01).run({})
    Endless(timeout=0.01, on_error="collect").run(shared := {})
    assert [o.status for o in shared["result"]] == ["timeout"] * 3


def test_branches_are_children_of_the_exec_phase():
    with record() as trace:
        result_of(made(AsyncParallelBatchNode, 2), range(6))
    (phase,) = trace.where(name="exec")
    assert (phase.attributes["executor"], phase.attributes["workers"]) == ("async", 2)
    branches = trace.where(kind="branch")
    assert {s.parent_id for s in branches} == {phase.span_id}
    assert {s.lane for s in branches} == {"async-1", "async-2"}


def test_only_the_parallel_one_is_drawn_as_parallel():
    nodes = kv.AsyncGraph(start=(first := AsyncBatchNode())), first >> AsyncParallelBatchNode()
    assert [view.is_parallel for view in nodes[0].structure().nodes] == [False, True]
