"""Waits for the interpreter, the loop and a core: the noted ones, and what is inferred from CPU times."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.analysis.explain import USEFUL
from kaygraph_viz.analysis.waits import turn_waits
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.clock.clock import compute, sleep, sleep_async
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting
from tests.analysis.explain.conftest import call, each, parts_of, simulated

TWO_CORES = Machine(2, "CPython 3.11", has_gil=True)


def test_processes_do_not_wait_for_each_others_gil():
    parts = parts_of(call(4, *each(4, 0, 4, "process", cpu_s=1), executor="process"))
    assert parts == {USEFUL: 16}


def test_threads_within_one_process_worker_do():
    lanes = [bar("b", f"process-1/thread-{number}", 0, 2, cpu_s=1) for number in (1, 2)]
    assert parts_of(call(2, *lanes, workers=2, executor="process")) == {USEFUL: 2, "waiting for the GIL": 2}


def test_threads_that_wait_for_a_service_do_not():
    assert parts_of(call(4, *each(4, 0, 4, cpu_s=0.1))) == {USEFUL: 16}


def test_code_that_releases_the_gil_does_not():
    assert parts_of(call(4, *each(4, 0, 4, cpu_s=2))) == {USEFUL: 16}


def staggered(threads, seconds, cpu_s, count=8, gap_s=0.001):
    """Return branches of so many seconds, one after the other in each thread, which begin at different times."""
    bars = []
    for thread in range(threads):
        for number in range(count):
            start = seconds * thread / threads + number * (seconds + gap_s)
            bars.append(bar("hash", f"thread-{thread + 1}", start, start + seconds, queued_s=start, cpu_s=cpu_s))
    return bars


def test_two_threads_that_hash_on_two_cores_wait_for_nobody():
    parts = parts_of(call(8.6, *staggered(2, 1, 0.99), workers=2), machine=TWO_CORES)
    assert "waiting for the GIL" not in parts
    assert "waiting for a core" not in parts
    assert parts[USEFUL] == 16


def test_four_threads_that_hash_on_two_cores_wait_for_a_core():
    parts = parts_of(call(9, *staggered(4, 1, 0.5), workers=4), machine=TWO_CORES)
    assert "waiting for the GIL" not in parts
    assert parts["waiting for a core"] == pytest.approx(0.5 * 32, rel=0.05)


def test_a_function_that_was_seen_to_release_the_gil_does_not_wait_for_it_elsewhere():
    """At first two branches compute at once; later others of the same name wait for a service, too."""
    proof = staggered(2, 1, 1)
    later = [bar("hash", f"thread-{n}", 20, 24, queued_s=20, cpu_s=1) for n in (1, 2, 3, 4)]
    assert "waiting for the GIL" not in parts_of(call(9, *proof), call(24, *later, start=20), machine=TWO_CORES)
    assert parts_of(call(24, *later, start=20), machine=TWO_CORES)["waiting for the GIL"] == 12


def test_more_than_one_core_proves_it_also_on_a_machine_that_others_use():
    """Two threads that hash get 1.14 cores; 43% of their bars are something else, but not a wait for the GIL."""
    parts = parts_of(call(8.6, *staggered(2, 1, 0.57), workers=2), machine=TWO_CORES)
    assert "waiting for the GIL" not in parts
    assert parts[USEFUL] == 16


def test_processes_wait_for_a_core_where_there_are_more_of_them():
    parts = parts_of(call(4, *each(4, 0, 4, "process", cpu_s=2), executor="process"), machine=TWO_CORES)
    assert parts == {USEFUL: 8, "waiting for a core": 8}


def test_workers_on_other_machines_do_not_wait_for_our_cores():
    assert parts_of(call(4, *each(4, 0, 4, "dask", cpu_s=2), executor="dask"), machine=TWO_CORES) == {USEFUL: 16}


def test_without_a_gil_nothing_is_put_down_to_it():
    free = Machine(2, "CPython 3.14", has_gil=False)
    parts = parts_of(call(4, *each(4, 0, 4, cpu_s=1)), machine=free)
    assert parts == {USEFUL: 16}
    assert parts_of(call(4, *each(4, 0, 4, cpu_s=2)), machine=free) == {USEFUL: 8, "waiting for a core": 8}


def test_coroutines_that_compute_wait_for_the_loop():
    parts = parts_of(call(4, *each(4, 0, 4, "async", cpu_s=1), executor="async"))
    assert parts == {USEFUL: 4, "waiting for the loop": 12}


def fetch_and_compute(place):
    sleep(1 + place)
    compute(1)


def test_what_is_known_is_not_estimated():
    """Each is ready when the one before it has just computed: they compute all the time, and nobody waits."""
    assert simulated(fetch_and_compute) == {USEFUL: 14, "straggler tail": 6}
    parts = simulated(lambda _: compute(0.004), workers=3)
    assert parts == {name: pytest.approx(0.012) for name in (USEFUL, "waiting for the GIL", "straggler tail")}


def test_threads_of_a_python_without_a_gil_wait_for_cores_only():
    assert simulated(lambda _: compute(1), gil=False) == {USEFUL: 4}
    parts = simulated(lambda _: compute(0.004), workers=4, gil=False, cores=2)
    assert parts == {USEFUL: 0.016, "waiting for a core": 0.008, "straggler tail": 0.008}


def test_processes_are_known_to_wait_for_cores():
    assert simulated(lambda _: compute(0.004), "process", cores=1, workers=2)["waiting for a core"] == 0.004


def test_coroutines_are_known_to_wait_for_the_loop():
    async def fetch_and_compute(_):
        await sleep_async(1)
        compute(1)

    assert simulated(fetch_and_compute, "async") == {USEFUL: 8, "waiting for the loop": 6, "straggler tail": 6}


def test_only_what_is_unknown_is_estimated():
    """Two threads are known to wait for 2 s; the rest of their bars, in which they computed for half, is not."""
    parts = (("wait", 2), ("unknown", 2, 0.5))
    assert parts_of(call(4, *each(2, 0, 4, cpu_s=1, parts=parts), workers=2)) == {USEFUL: 6, "waiting for the GIL": 2}


def test_one_that_waits_for_a_service_beside_threads_that_compute_is_spared():
    parts = parts_of(call(3, *each(3, 0, 3, cpu_s=1), bar("call", "thread-4", 0, 3, cpu_s=0.01)))
    assert parts["waiting for the GIL"] == pytest.approx(6 + 3 * 0.01)


def test_nothing_is_claimed_where_cpu_time_was_not_measured():
    assert parts_of(call(4, *each(4, 0, 4))) == {USEFUL: 16}


def waits_of(*bars, machine=TWO_CORES, idle_s=0.0):
    nesting = Nesting.of(make_trace(*bars).columns)
    return turn_waits(nesting, np.arange(len(bars)), np.full(len(bars), round(idle_s * 1e9)), machine)


def test_noted_waits_are_sure_and_estimated_ones_are_not():
    noted = waits_of(bar("a", "thread-1", 0, 2, cpu_s=1, parts=[("gil", 1), ("cpu", 1)]))
    assert (noted.gil.tolist(), noted.estimated) == ([10**9], frozenset())
    guessed = waits_of(*each(2, 0, 2, cpu_s=1))
    assert (guessed.gil.tolist(), guessed.estimated) == ([10**9, 10**9], {"the GIL"})
    assert guessed.together.tolist() == guessed.gil.tolist()


def test_what_is_explained_otherwise_is_no_wait_for_a_turn():
    assert waits_of(*each(2, 0, 2, cpu_s=1), idle_s=0.75).gil.tolist() == [25 * 10**7] * 2


def test_the_interpreter_was_busy_all_around_those_that_took_turns():
    found = waits_of(*each(2, 0, 2, cpu_s=1), bar("c", "thread-1", 10, 12, cpu_s=0.1))
    assert found.is_busy.tolist() == [True, True, False]
    assert found.held_ns.tolist() == [10**9, 10**9, 10**8]
