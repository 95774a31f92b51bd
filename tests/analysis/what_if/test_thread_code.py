"""Code that releases the GIL, Python code, and code of which a run does not tell: what is predicted of each.

The runs here are simulated by the replay itself, with stamps that are a little off as real ones are. So it is known
what they consist of.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.what_if.engine import simulate
from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.analysis.what_if.tasks import CALL, COMPUTE, COMPUTE_FREE, WAIT, CallSpec, thread_code
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace

MS = 1_000_000
TWO, FOUR = (Machine(cores, "CPython 3.11", has_gil=True) for cores in (2, 4))
HASHING, PYTHON, DOWNLOAD_AND_HASH = {"free": (20, 40)}, {"work": (20, 40)}, {"wait": (40, 80), "free": (20, 30)}
KINDS = {"wait": WAIT, "work": COMPUTE, "free": COMPUTE_FREE}


def drawn(load, count=60, seed=1):
    """Return the operations of so many branches, each as long as drawn from its range [ms]."""
    chance = random.Random(seed)
    return [[(KINDS[what], round(chance.uniform(*load[what]) * MS)) for what in load] for _ in range(count)]


def simulated(load, workers, cores, *, has_gil=True):
    operations = drawn(load)
    spec = CallSpec(range(len(operations)), workers)
    return simulate([(CALL, [spec])], len(operations), operations.__getitem__, cores=cores, has_gil=has_gil)


def seconds(load, workers, cores, **options):
    return simulated(load, workers, cores, **options).makespan_ns / 1e9


def recorded(load, workers, machine):
    """Return the trace that such a run leaves, with stamps that are late by up to 20 us."""
    chance, found = random.Random(2), simulated(load, workers, machine.cores, has_gil=machine.has_gil)
    bars = []
    for number, operations in enumerate(drawn(load)):
        start = found.started[number] + chance.randint(1_000, 20_000)
        cpu = min(sum(lasts for what, lasts in operations if what != WAIT), found.ended[number] - start)
        bars.append(bar("b", f"thread-{found.worker[number] + 1}", start / 1e9, found.ended[number] / 1e9,
                        queued_s=start / 1e9, index=number, cpu_s=cpu / 1e9))  # fmt: skip
    phase = bar("exec", "main", 0, found.makespan_ns / 1e9, kind="phase", executor="thread", workers=workers)
    return make_trace((phase, bars), machine=machine)


@pytest.mark.parametrize("machine", [TWO, FOUR], ids=["two cores", "four"])
@pytest.mark.parametrize("load", [HASHING, PYTHON], ids=["hashing", "Python code"])
@pytest.mark.parametrize("workers", [2, 4])
def test_a_run_of_several_threads_predicts_other_numbers_of_them(load, workers, machine):
    found = what_if(recorded(load, workers, machine), [1, 2, 3, 4, 8])
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(load, count, machine.cores), rel=0.1), count


def test_waiting_before_the_free_work_is_told_from_waiting_for_a_core():
    found = what_if(recorded(DOWNLOAD_AND_HASH, 4, TWO), [1, 2, 4, 8])
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(DOWNLOAD_AND_HASH, count, 2), rel=0.1), count


@pytest.mark.parametrize("load", [HASHING, PYTHON], ids=["hashing", "Python code"])
def test_from_one_thread_it_cannot_be_told_and_the_band_covers_both(load):
    found = what_if(recorded(load, 1, TWO), [1, 2, 4])
    for count in (1, 2, 4):
        assert found.low_s[count] * 0.98 <= seconds(load, count, 2) <= found.high_s[count] * 1.02, count
    assert found.makespan_s[2] == pytest.approx(found.makespan_s[1], rel=0.02)  # as for Python code
    (remark,) = found.remarks
    assert remark == (
        "No two branches computed at the same time, so the trace does not show whether their code holds the GIL: "
        "the band covers both cases."
    )


def test_where_it_makes_no_difference_nothing_is_said():
    assert what_if(recorded({"wait": (10, 30), "work": (0, 1)}, 1, TWO), [1, 2]).remarks == ()


def test_threads_that_wait_for_the_most_time_leave_it_open_too():
    found = what_if(recorded({"wait": (80, 90), "work": (10, 20)}, 4, TWO), [4, 16])
    assert found.remarks == (
        "The trace does not show for how long the code of the branches holds the GIL: the band covers both cases.",
    )


def test_python_code_that_kept_the_interpreter_busy_leaves_no_doubt():
    found = what_if(recorded(PYTHON, 4, TWO), [2, 8])
    assert found.remarks == ()
    assert found.limits[8] == "the GIL: one thread at a time runs Python code"


def test_free_code_is_limited_by_the_cores():
    found = what_if(recorded(HASHING, 2, TWO), [8])
    assert found.limits[8] == "the cores"
    assert found.remarks == ("At most 2 branches compute at once, one on each core; cores=... sets another number.",)


def test_more_cores_are_of_use_for_free_code_in_threads():
    found = what_if(recorded(HASHING, 2, TWO), [8], cores=8)
    assert found.makespan_s[8] == pytest.approx(seconds(HASHING, 8, 8), rel=0.1)


# -- as it was measured ---------------------------------------------------------------------------------------------

# Eight times sha256 of 40 MB on two cores: number of the thread, start, end and CPU time of each branch [ms].
MEASURED = {
    1: ([(1, 0.5, 34.5, 34.0), (1, 34.7, 68.5, 33.8), (1, 68.7, 102.9, 34.1), (1, 103.1, 137.2, 34.1),
         (1, 137.4, 172.6, 35.2), (1, 172.7, 207.9, 35.2), (1, 208.0, 243.3, 35.3), (1, 243.5, 279.8, 36.3)], 280.6),
    2: ([(1, 0.5, 35.6, 35.1), (2, 0.7, 35.4, 34.6), (2, 35.5, 70.4, 34.8), (1, 35.7, 70.8, 35.0),
         (2, 70.6, 105.3, 34.7), (1, 70.9, 106.0, 35.1), (2, 105.4, 140.3, 34.8), (1, 106.1, 141.3, 35.2)], 141.9),
    4: ([(1, 0.5, 59.8, 35.3), (2, 0.7, 67.8, 34.7), (3, 4.9, 72.8, 34.7), (4, 13.0, 79.0, 34.9),
         (1, 64.9, 134.3, 35.1), (2, 70.7, 140.2, 34.5), (3, 72.8, 139.5, 34.6), (4, 80.9, 141.7, 34.8)], 142.3),
}  # fmt: skip


def measured(workers):
    rows, makespan_ms = MEASURED[workers]
    bars = [bar("hash", f"thread-{thread}", start / 1e3, end / 1e3, queued_s=start / 1e3, index=index,
                cpu_s=min(cpu, end - start) / 1e3) for index, (thread, start, end, cpu) in enumerate(rows)]  # fmt: skip
    phase = bar("exec", "main", 0, makespan_ms / 1e3, kind="phase", executor="thread", workers=workers)
    return make_trace((phase, bars), machine=TWO)


@pytest.mark.parametrize("workers", [2, 4])
def test_hashing_as_it_was_measured(workers):
    found = what_if(measured(workers), [1, 2, 4])
    assert found.makespan_s == {count: pytest.approx(MEASURED[count][1] / 1e3, rel=0.1) for count in (1, 2, 4)}


def test_hashing_that_was_measured_with_one_thread():
    found = what_if(measured(1), [1, 2, 4])
    for count in (1, 2, 4):
        assert found.low_s[count] * 0.98 <= MEASURED[count][1] / 1e3 <= found.high_s[count] * 1.02, count


def test_hashing_as_it_was_measured_never_waited_for_the_gil():
    shares = {workers: explain(measured(workers)).shares for workers in MEASURED}
    assert [its["waiting for the GIL"] for its in shares.values()] == [0, 0, 0]
    assert shares[2]["useful work"] > 0.98
    assert shares[4]["waiting for a core"] == pytest.approx(0.43, abs=0.01)


# -- with and without a GIL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_without_a_gil_python_code_is_limited_by_the_cores(workers):
    found = what_if(recorded(PYTHON, workers, TWO), [1, 2, 4], gil=False)
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(PYTHON, count, 2, has_gil=False), rel=0.1), count
    assert found.sentence.startswith("Without a GIL, 2 workers are enough")
    assert not any("does not show" in remark for remark in found.remarks)


def test_what_was_recorded_without_a_gil_is_predicted_without_one():
    without = replace(TWO, has_gil=False)
    found = what_if(recorded(PYTHON, 2, without), [1, 4])
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(PYTHON, count, 2, has_gil=False), rel=0.1), count


def test_with_a_gil_again_the_code_may_hold_it_or_not():
    without = replace(TWO, has_gil=False)
    found = what_if(recorded(PYTHON, 2, without), [2], gil=True)
    assert found.sentence.startswith("With a GIL, 2 workers would take")
    assert found.makespan_s[2] == pytest.approx(seconds(PYTHON, 2, 2), rel=0.1)
    assert found.low_s[2] < 0.6 * found.makespan_s[2]


def test_the_trace_of_a_replay_names_the_machine_of_the_replay():
    found = what_if(recorded(PYTHON, 2, TWO), [2], gil=False, cores=3)
    assert found.trace(2).machine == Machine(3, "CPython 3.11", has_gil=False)


def fetch_and_compute(item):
    sleep(0.01 * (item % 3))
    compute(0.02 * (item % 4 + 1))


def run(workers, kind="thread", **options):
    with record(clock=VirtualClock(**options)) as trace, get_executor(kind, workers) as executor:
        list(executor.imap(fetch_and_compute, range(15)))
    return trace


@pytest.mark.parametrize(("cores", "off"), [(None, 0), (2, 0.02)])  # who comes first of two at one instant may differ
def test_predictions_without_a_gil_are_those_of_the_clock_without_one(cores, off):
    found = what_if(run(1, cores=cores), [1, 2, 3, 4, 8], gil=False)
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(run(count, cores=cores, gil=False).makespan_s, rel=off), count


def test_a_simulated_run_without_a_gil_predicts_others_without_one():
    found = what_if(run(2, gil=False), [1, 4])
    assert found.makespan_s == {count: run(count, gil=False).makespan_s for count in (1, 4)}
    assert len(found.remarks) == 1  # on the cores, which limit threads without a GIL


# -- what is known --------------------------------------------------------------------------------------------------


def test_branches_that_take_turns_are_told():
    code = thread_code(read_model(recorded(HASHING, 1, TWO).columns), 2)
    assert code.is_in_turns
    assert not code.is_certain
    assert not code.free.any()
    assert thread_code(read_model(recorded(HASHING, 2, TWO).columns), 2).free.all()


def test_exact_times_leave_no_doubt():
    code = thread_code(read_model(run(1).columns), None)
    assert code.is_certain
    assert not code.free.any()
