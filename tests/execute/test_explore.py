"""Races are found within a few schedules, repeated exactly, and not found where there are none."""

from __future__ import annotations

import asyncio
import threading

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import BranchError, DeadlockError, OptionError
from kaygraph_viz.clock.clock import current_clock, sleep, sleep_async
from kaygraph_viz.clock.sync import Lock
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.explore import explore
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

RUNS = 60
NO_ERROR = "it ends without an error"


def in_threads(function, items, workers=2):
    with get_executor("thread", workers) as executor:
        return [outcome.value for outcome in executor.imap(function, items)]


def lost_update():
    counter = {"value": 0}

    def add(_):
        counter["value"] += 1

    in_threads(add, range(4))
    return counter["value"]


class Add(kv.ParallelBatchNode):
    def prep(self, shared):
        self.shared = shared
        return range(4)

    def exec(self, item):
        self.shared["total"] = self.shared["total"] + 1


def lost_update_in_the_shared_store():
    kv.Graph(start=Add(2)).run(shared := {"total": 0})
    return shared["total"]


async def lost_update_between_coroutines():
    counter = {"value": 0}

    async def add(_):
        value = counter["value"]
        await sleep_async(0.1)
        counter["value"] = value + 1

    await asyncio.gather(*map(add, range(4)))
    return counter["value"]


def check_then_act():
    cache, made = {}, []

    def get(item):
        if "connection" not in cache:
            made.append(item)
            cache["connection"] = item

    in_threads(get, range(2))
    return 5 - len(made)  # 4 if one was made


def with_a_lock():
    counter, lock = {"value": 0}, Lock()

    def add(_):
        with lock:
            counter["value"] += 1

    in_threads(add, range(4), 3)
    return counter["value"]


def added(total):
    return total == 4


# -- what is found ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", [lost_update, lost_update_in_the_shared_store, lost_update_between_coroutines, check_then_act]
)
def test_a_race_is_found_and_repeated_exactly(program, tmp_path):
    found = explore(program, RUNS, checks={"nothing is lost": added})
    assert not found.ok
    assert found.first.failed == ("nothing is lost",)
    assert found.first.seed == found.failed["nothing is lost"][0]
    again = found.replay()
    assert (again.seed, again.result, again.failed) == (found.first.seed, found.first.result, found.first.failed)
    first, second = tmp_path / "first", tmp_path / "second"
    found.first.trace.save(first)
    again.trace.save(second)
    assert first.read_bytes() == second.read_bytes()


def test_what_it_says_to_write_shows_the_failure_again():
    found = explore(lost_update, RUNS, checks={"nothing is lost": added})
    seed = found.first.seed
    assert f"with kv.record(clock=kv.VirtualClock({seed}, preempt=0.1)) as trace: ..." in str(found)
    with record(clock=VirtualClock(seed, preempt=0.1)):
        assert lost_update() == found.first.result != 4


def test_with_a_lock_nothing_is_found():
    found = explore(with_a_lock, RUNS, checks={"nothing is lost": added})
    assert found.ok
    assert found.first is None
    assert found.held == (NO_ERROR, "nothing is lost")
    found.raise_if_failed()


def test_without_places_to_give_way_a_race_inside_a_line_is_not_found():
    assert explore(lost_update, RUNS, checks={"nothing is lost": added}, preempt=0).ok


locks = Lock(), Lock()


def two_locks():
    def take_both(first):
        with locks[first]:
            with locks[1 - first]:
                return first

    return in_threads(take_both, range(2))


def test_two_locks_in_different_order_are_a_deadlock_under_some_schedules_and_each_is_told():
    found = explore(two_locks, RUNS)
    seeds = found.failed[NO_ERROR]
    assert 0 < len(seeds) < RUNS
    assert type(found.first.error) is DeadlockError
    text = str(found.first.error)
    assert "item 0 of 'take_both'" in text
    assert "item 1 of 'take_both'" in text
    assert text.count("waits for a lock") == 2
    assert str(found.replay().error) == text
    assert not any(lock.locked() for lock in locks)


def test_a_failed_assertion_and_any_other_error_are_failures():
    def program():
        assert lost_update() == 4

    found = explore(program, RUNS)
    assert type(found.first.error) is AssertionError
    assert found.first.result is None
    with pytest.raises(AssertionError, match=r"to repeat it: .replay\(\)") as raised:
        found.raise_if_failed()
    assert raised.value.__cause__ is found.first.error


def test_a_check_that_raises_does_not_hold():
    found = explore(lambda: None, 2, checks={"has a length": len, "is nothing": lambda result: result is None})
    assert found.failed == {"has a length": (0, 1)}
    assert type(found.first.error) is TypeError
    assert found.held == (NO_ERROR, "is nothing")


def test_ties_alone_are_drawn_for_coroutines_too():
    async def program():
        seen = []

        async def note(number):
            await sleep_async(1)
            seen.append(number)

        await asyncio.gather(*map(note, range(3)))
        return seen

    found = explore(program, 20, checks={"in order": lambda seen: seen == [0, 1, 2]})
    assert found.failed["in order"][0] > 0  # the first schedule is the documented one


def test_a_real_lock_ends_it_with_what_to_use():
    lock, counter = threading.Lock(), {"value": 0}

    def program():
        def add(_):
            with lock:
                counter["value"] += 1
                sleep(0)

        in_threads(add, range(2))

    found = explore(program, RUNS)
    assert "use kv.Lock" in str(found.first.error)
    assert len(found.seeds) < RUNS  # no more runs than it takes to find out
    assert not lock.locked()


# -- the report ------------------------------------------------------------------------------------------------------


def test_the_report_says_what_held_and_what_failed():
    found = explore(lost_update_between_coroutines, 3, checks={"nothing is lost": added, "some are there": bool})
    assert str(found).splitlines() == [
        "3 schedules, seeds 0 to 2: 1 of 3 properties failed, first with seed 0.",
        f"held in all: {NO_ERROR}",
        "held in all: some are there",
        "failed in 3 of 3, first with seed 0: nothing is lost",
        "to repeat it: .replay(), or with kv.record(clock=kv.VirtualClock(0, preempt=0.1)) as trace: ...",
    ]


def test_the_report_in_a_notebook_is_inert():
    found = explore(lambda: None, 1, checks={"<script>": bool})
    assert found._repr_html_().startswith("<pre>1 schedule, seeds 0 to 0:")
    assert "<script>" not in found._repr_html_()


def test_seeds_begin_where_they_are_told_to_and_any_can_be_repeated():
    found = explore(lambda: current_clock().seed, 3, checks={"small": lambda seed: seed < 6}, first_seed=5)
    assert found.seeds == range(5, 8)
    assert found.failed == {"small": (6, 7)}
    assert [found.replay(seed).result for seed in (5, 7, 100)] == [5, 7, 100]
    assert found.replay().seed == 6
    assert explore(lambda: None, 2, first_seed=4).replay().seed == 4


def test_progress_is_told():
    told = []
    explore(lambda: None, 3, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)


def test_the_program_runs_in_simulated_time():
    def program():
        sleep(3600)
        return current_clock().now_ns()

    assert explore(program, 1).replay().result == 3600 * 10**9


@pytest.mark.parametrize(
    "options",
    [
        {"fn": None}, {"runs": 0}, {"runs": True}, {"runs": 1.5}, {"preempt": -1}, {"preempt": 1.1},
        {"first_seed": -1}, {"checks": {1: bool}}, {"checks": {"x": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_options_are_refused(options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        explore(**({"fn": lost_update, "runs": 1} | options))


def test_an_interrupt_ends_the_exploration():
    def program():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(program, 3)


@pytest.mark.parametrize("error", [StopIteration(), SystemExit(2), GeneratorExit()])
def test_what_would_end_the_program_is_a_failure_like_any_other(error):
    def fail(*_):
        raise error

    found = explore(fail, 3)
    assert found.failed == {"it ends without an error": (0, 1, 2)}
    assert isinstance(found.first.error, BranchError)
    assert explore(lambda: 1, 2, checks={"holds": fail}).failed == {"holds": (0, 1)}
