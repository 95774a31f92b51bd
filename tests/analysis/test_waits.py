"""Waits for a turn to compute: whose code holds the GIL, what waited for it, for the loop or for a core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaygraph_viz.analysis.explain import USEFUL
from kaygraph_viz.analysis.waits import code_of, computing, gil_free, turn_waits
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.clock.clock import compute, sleep, sleep_async
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting
from tests.analysis.explain.conftest import call, each, parts_of, simulated


def stretches_of(*bars):
    made = computing(make_trace(*bars).columns, np.arange(len(bars)))
    rows = zip(
        made.owner.tolist(), made.started / 1e9, made.ended / 1e9, made.cpu / 1e9, made.is_open.tolist(), strict=True
    )
    return list(rows)


def test_known_stretches_are_all_cpu_time():
    parts = [("cpu", 1), ("wait", 2), ("cpu", 1), ("gil", 1)]
    assert stretches_of(bar("a", "t", 0, 5, cpu_s=2, parts=parts)) == [(0, 0, 1, 1, False), (0, 3, 4, 1, False)]


def test_unknown_stretches_count_by_their_share():
    parts = [("wait", 1), ("unknown", 2, 0.25)]
    assert stretches_of(bar("a", "t", 0, 3, cpu_s=0.5, parts=parts)) == [(0, 1, 3, 0.5, True)]


def test_a_span_without_parts_is_one_stretch():
    assert stretches_of(bar("a", "t", 0, 2, cpu_s=0.5), bar("b", "u", 0, 2, cpu_s=2)) == [
        (0, 0, 2, 0.5, True),
        (1, 0, 2, 2, False),
    ]


def test_what_did_not_compute_or_was_not_measured_has_none():
    assert stretches_of(bar("a", "t", 0, 2, cpu_s=0), bar("b", "u", 0, 2), bar("c", "v", 0, 2, cpu_s=1)) == [
        (2, 0, 2, 1, True)
    ]


MS = 1_000_000


def told(*branches, cores=2):
    """Return the bounds of the free share of each branch, of ``(start, end, cpu, name, process)`` in [ms]."""
    rows = np.array([(*branch, 0, 0)[:5] for branch in branches], np.int64).reshape(-1, 5)
    started, ended, cpu = rows[:, :3].T * MS
    found = gil_free(rows[:, 3], rows[:, 4], started, ended, cpu, cores)
    return list(zip(found.low.tolist(), found.high.tolist(), strict=True))


UNKNOWN, HELD, FREE = (0.0, 1.0), (0.0, 0.0), (1.0, 1.0)


def test_two_that_use_two_cores_are_free():
    assert told((0, 50, 50), (0, 50, 50)) == [FREE] * 2


def test_branches_that_take_turns_hold_the_gil():
    assert told((0, 100, 50), (0, 100, 50)) == [HELD] * 2


def test_branches_one_after_the_other_prove_nothing():
    assert told((0, 50, 50), (50, 100, 50)) == [UNKNOWN] * 2


def test_branches_that_mostly_wait_prove_nothing():
    assert told((0, 100, 20), (0, 100, 20)) == [UNKNOWN] * 2


def test_what_is_above_one_core_is_free_at_least():
    (least, most), _ = told((0, 100, 65), (0, 100, 65))
    assert (least, most) == (pytest.approx(1 - 1 / 1.3, rel=0.01), 1.0)


def test_only_what_lies_in_a_window_is_a_proof():
    """Spread evenly, the long one would compute 0.3 s a second beside the short ones: it need not have."""
    short = [(10 * place, 10 * place + 10, 9) for place in range(10)]
    assert told((0, 200, 60), *short) == [UNKNOWN] * 11


def test_branches_of_other_processes_prove_nothing_about_the_gil():
    assert told((0, 50, 50, 0, 0), (0, 50, 50, 0, 1)) == [UNKNOWN] * 2


def test_each_name_is_judged_by_its_own_branches():
    hashing = [(0, 50, 50, 1), (0, 50, 50, 1)]
    python = [(100, 200, 50, 2), (100, 200, 50, 2)]
    assert told(*hashing, *python) == [FREE] * 2 + [HELD] * 2


def test_names_that_occur_once_are_judged_together():
    assert told(*((0, 50, 50, name) for name in range(2))) == [FREE] * 2


def test_where_there_are_very_many_names_they_mean_nothing():
    assert told(*((0, 50, 50, name) for name in range(300)), cores=300) == [FREE] * 300


def test_cores_that_are_not_known_are_as_many_as_were_used():
    assert told((0, 100, 50), (0, 100, 50), (0, 100, 50), (0, 100, 48), cores=None) == [FREE] * 4


def test_moments_are_too_short_for_a_proof():
    assert told((0, 2, 2), (0, 2, 2)) == [UNKNOWN] * 2


def test_parts_show_more_than_bars():
    """Both wait for 90 ms and then compute side by side, which their bars alone do not tell."""
    parts = [("wait", 0.09), ("cpu", 0.01)]
    bars = [bar("b", f"thread-{n}", 0, 0.1, cpu_s=0.01, parts=parts) for n in (1, 2)]
    told = [code_of(make_trace(*each).columns, np.arange(2), np.zeros(2, np.int64), 2).is_free.tolist() for each in
            (bars, [replace(each, noted_parts=None) for each in bars])]  # fmt: skip
    assert told == [[True, True], [False, False]]


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
