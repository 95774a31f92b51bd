"""Real waiting told from waiting for a turn: from one run with four workers, every other number is predicted.

The runs here are simulated, with stamps that are a little off as real ones are. So it is known what they consist of.
"""

from __future__ import annotations

import random

import pytest

from kaygraph_viz.analysis.what_if.engine import simulate
from kaygraph_viz.analysis.what_if.gil_waits import real_waits
from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.tasks import CALL, COMPUTE, WAIT, CallSpec
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.clock import clock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace

MS = 1_000_000


def drawn(count, waits_ms, works_ms, seed=1):
    """Return so many branches, each with a wait and a work [ns] from the two ranges."""
    chance = random.Random(seed)
    return [(round(chance.uniform(*waits_ms) * MS), round(chance.uniform(*works_ms) * MS)) for _ in range(count)]


def simulated(branches, workers, kind="thread", cores=None):
    operations = [[(what, each) for what, each in ((WAIT, wait), (COMPUTE, work)) if each] for wait, work in branches]
    spec = CallSpec(range(len(branches)), workers, kind)
    return simulate([(CALL, [spec])], len(operations), operations.__getitem__, cores=cores)


def recorded(branches, workers, kind="thread", cores=None, noise_us=20, stretched=1.0):
    """Return the trace of a run whose stamps are late by up to `noise_us`, and in which computing took longer."""
    chance, replay = random.Random(2), simulated([(w, round(c * stretched)) for w, c in branches], workers, kind, cores)
    bars = []
    for number, (_, work) in enumerate(branches):
        start = replay.started[number] + chance.randint(1_000, max(1_000, noise_us * 1_000))
        lane = f"{kind}-{replay.worker[number] + 1}"
        bars.append(bar("b", lane, start / 1e9, replay.ended[number] / 1e9, queued_s=start / 1e9, index=number,
                        cpu_s=min(work, replay.ended[number] - start) / 1e9))  # fmt: skip
    phase = bar("exec", "main", 0, replay.makespan_ns / 1e9, kind="phase", executor=kind, workers=workers)
    return make_trace((phase, bars))


WAITING, COMPUTING, MIXED = ((10, 30), (0, 0)), ((0, 0), (5, 20)), ((10, 30), (2, 6))


@pytest.mark.parametrize(
    ("ranges", "kind", "cores"),
    [
        (WAITING, "thread", None), (COMPUTING, "thread", None), (MIXED, "thread", None), (MIXED, "async", None),
        (((0, 0), (1, 3)), "async", None), (COMPUTING, "process", 2), (((10, 30), (5, 10)), "process", 2),
    ],
)  # fmt: skip
def test_one_run_with_four_workers_predicts_the_others(ranges, kind, cores):
    branches = drawn(100, *ranges)
    found = what_if(recorded(branches, 4, kind, cores), [1, 2, 4, 8, 16], cores=cores)
    for workers, seconds in found.makespan_s.items():
        truth = simulated(branches, workers, kind, cores).makespan_ns / 1e9
        assert seconds == pytest.approx(truth, rel=0.06), workers
    assert found.replayed_s == pytest.approx(found.recorded_s, rel=0.05)


def test_waits_that_hide_behind_a_busy_interpreter_are_found_as_well_as_can_be():
    branches = drawn(100, (5, 20), (5, 15))
    found = what_if(recorded(branches, 4), [1, 2, 8])
    for workers, seconds in found.makespan_s.items():
        assert seconds == pytest.approx(simulated(branches, workers).makespan_ns / 1e9, rel=0.2), workers


def test_computing_that_takes_longer_than_its_cpu_time_is_not_taken_for_waiting():
    branches = drawn(80, (0, 0), (5, 20))
    found = what_if(recorded(branches, 4, stretched=1.03), [1])
    assert found.makespan_s[1] == pytest.approx(simulated(branches, 1).makespan_ns / 1e9, rel=0.06)


def test_the_first_of_many_branches_stand_for_the_others():
    branches = drawn(5_000, (1, 3), (0.2, 0.6))
    found = what_if(recorded(branches, 4), [1, 4])
    for workers, seconds in found.makespan_s.items():
        assert seconds == pytest.approx(simulated(branches, workers).makespan_ns / 1e9, rel=0.06), workers


def test_one_worker_waits_for_nobody():
    branches = drawn(10, (1, 3), (1, 3))
    model = read_model(recorded(branches, 1).columns)
    operations = real_waits(model, cores=None)
    assert operations.wait.tolist() == (model.service - model.cpu).tolist()


@pytest.mark.parametrize("computes_first", [False, True, None])
def test_waits_are_never_negative_and_never_longer_than_the_bar(computes_first):
    model = read_model(recorded(drawn(60, (0, 9), (0, 9)), 4).columns)
    operations = real_waits(model, cores=None, computes_first=computes_first)
    assert (operations.wait >= 0).all()
    assert (operations.wait + operations.compute <= model.service).all()


def test_without_cpu_times_all_is_waiting():
    trace = make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2))
    assert real_waits(read_model(trace.columns), cores=None).wait.tolist() == [10**9, 2 * 10**9]


def test_waits_in_proportion_to_cpu_time_are_waits_where_times_are_exact():
    chance = random.Random(11)
    seconds = [(0.1 * size * chance.uniform(0.5, 1.5), 0.05 * size) for size in range(24, 0, -1)]

    def fetch_and_compute(item):
        clock.sleep(item[0])
        clock.compute(item[1])

    def run(workers):
        with record(clock="virtual") as trace, get_executor("thread", workers) as executor:
            list(executor.imap(fetch_and_compute, seconds))
        return trace

    assert what_if(run(8), [1]).makespan_s[1] == pytest.approx(run(1).makespan_s, rel=0.2)
