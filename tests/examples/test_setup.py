"""The options that all examples share."""

from __future__ import annotations

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import SIMULATED_CORES, usable_cores
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.examples.example import DEFAULT_WORKERS, Setup


@pytest.mark.parametrize("workers", [0, -1, True, 1e9, 4097, "4"])
def test_impossible_number_of_workers_is_refused(workers):
    with pytest.raises(OptionError, match="workers must be a whole number from 1 to 4096"):
        Setup(workers=workers)


@pytest.mark.parametrize("items", [0, -1, True, 1.5, 1_000_001, "4"])
def test_impossible_number_of_items_is_refused(items):
    with pytest.raises(OptionError, match="items must be a whole number from 1 to 1000000"):
        Setup(items=items)


@pytest.mark.parametrize("seed", [-1, True, 0.5, 1 << 32, "0"])
def test_impossible_seed_is_refused(seed):
    with pytest.raises(OptionError, match="seed must be a whole number"):
        Setup(seed=seed)


def test_unknown_kind_of_worker_is_refused():
    with pytest.raises(OptionError, match="executor must be one of 'serial', 'thread'"):
        Setup(executor="threads")


def test_unknown_clock_is_refused():
    with pytest.raises(OptionError, match="clock must be None or 'virtual'"):
        Setup(clock="real")


def test_what_suits_the_pattern_is_taken_where_nothing_is_asked_for():
    setup = Setup()
    assert setup.kind("process") == "process"
    assert setup.workers_for("thread") == DEFAULT_WORKERS
    assert setup.workers_for("thread", 3) == 3
    assert setup.workers_for("process") == min(DEFAULT_WORKERS, usable_cores())
    assert Setup(clock="virtual").workers_for("process") == SIMULATED_CORES
    assert setup.count(40, 2000) == 40


def test_what_is_asked_for_is_taken():
    setup = Setup(executor="async", workers=5, items=70)
    assert setup.kind("process") == "async"
    assert setup.workers_for("process") == 5
    assert (setup.count(40, 2000), setup.count(40, 60)) == (70, 60)


def test_kind_that_is_not_possible_is_not_used_and_that_is_said():
    setup, possible = Setup(executor="dask"), ("thread", "process")
    assert setup.kind("thread", possible) == "thread"
    assert setup.not_used("thread", possible) == ["This pattern cannot run on 'dask', so it ran on 'thread'."]
    assert Setup(executor="process").kind("thread", possible) == "process"
    assert Setup(executor="process").not_used("thread", possible) == Setup().not_used("thread", possible) == []


def test_one_after_the_other_needs_one_worker():
    assert Setup(workers=5).workers_for("serial") == 1


@pytest.mark.parametrize("clock", [None, "virtual"])
def test_run_is_recorded_by_the_clock_that_was_asked_for(clock):
    setup = Setup(clock=clock)
    with setup.record():
        assert current_clock().is_exact is setup.is_simulated is (clock == "virtual")


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_workers_that_were_started_are_open_for_the_block(kind):
    with Setup().started(kind, 2, "json", 3) as executor:
        assert (executor.kind, executor.workers) == (kind, 2)
        assert [outcome.value for outcome in executor.imap(str, range(3))] == ["0", "1", "2"]


@pytest.mark.parametrize(("items", "workers"), [(3, 3), (0, 1), (9, 4)])
def test_no_more_workers_are_started_than_there_are_items(items, workers):
    with Setup().started("thread", 4, "json", items) as executor:
        assert executor.workers == workers


def test_starting_workers_is_no_part_of_a_run():
    setup = Setup()
    with setup.started("process", 1, "json", 2) as executor, setup.record() as trace:
        list(executor.imap(str, range(2)))
    assert trace.counts()["branch"] == 2
