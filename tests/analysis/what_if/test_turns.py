"""Real waiting told from waiting for a turn, and code that releases the GIL from code that holds it.

The runs here are simulated, with stamps that are a little off as real ones are. So it is known what they consist of.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.what_if.engine import simulate
from kaygraph_viz.analysis.what_if.gil_waits import real_waits
from kaygraph_viz.analysis.what_if.predictions import thread_code
from kaygraph_viz.analysis.what_if.tasks import CALL, COMPUTE, COMPUTE_FREE, WAIT, CallSpec
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.clock import clock
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import model_of

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
    model = model_of(recorded(branches, 1))
    operations = real_waits(model, cores=None)
    assert operations.wait.tolist() == (model.service - model.cpu).tolist()


@pytest.mark.parametrize("computes_first", [False, True, None])
def test_waits_are_never_negative_and_never_longer_than_the_bar(computes_first):
    model = model_of(recorded(drawn(60, (0, 9), (0, 9)), 4))
    operations = real_waits(model, cores=None, computes_first=computes_first)
    assert (operations.wait >= 0).all()
    assert (operations.wait + operations.compute <= model.service).all()


def test_without_cpu_times_all_is_waiting():
    trace = make_trace(bar("a", "thread-1", 0, 1), bar("b", "thread-2", 0, 2))
    assert real_waits(model_of(trace), cores=None).wait.tolist() == [10**9, 2 * 10**9]


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


MS = 1_000_000
TWO, FOUR = (Machine(cores, "CPython 3.11", has_gil=True) for cores in (2, 4))
HASHING, PYTHON, DOWNLOAD_AND_HASH = {"free": (20, 40)}, {"work": (20, 40)}, {"wait": (40, 80), "free": (20, 30)}
KINDS = {"wait": WAIT, "work": COMPUTE, "free": COMPUTE_FREE}


def drawn_load(load, count=60, seed=1):
    """Return the operations of so many branches, each as long as drawn_load from its range [ms]."""
    chance = random.Random(seed)
    return [[(KINDS[what], round(chance.uniform(*load[what]) * MS)) for what in load] for _ in range(count)]


def simulated_load(load, workers, cores, *, has_gil=True):
    operations = drawn_load(load)
    spec = CallSpec(range(len(operations)), workers)
    return simulate([(CALL, [spec])], len(operations), operations.__getitem__, cores=cores, has_gil=has_gil)


def seconds(load, workers, cores, **options):
    return simulated_load(load, workers, cores, **options).makespan_ns / 1e9


def recorded_load(load, workers, machine):
    """Return the trace that such a run_items leaves, with stamps that are late by up to 20 us."""
    chance, found = random.Random(2), simulated_load(load, workers, machine.cores, has_gil=machine.has_gil)
    bars = []
    for number, operations in enumerate(drawn_load(load)):
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
    found = what_if(recorded_load(load, workers, machine), [1, 2, 3, 4, 8])
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(load, count, machine.cores), rel=0.1), count


def test_waiting_before_the_free_work_is_told_from_waiting_for_a_core():
    found = what_if(recorded_load(DOWNLOAD_AND_HASH, 4, TWO), [1, 2, 4, 8])
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(DOWNLOAD_AND_HASH, count, 2), rel=0.1), count


@pytest.mark.parametrize("load", [HASHING, PYTHON], ids=["hashing", "Python code"])
def test_from_one_thread_it_cannot_be_told_and_the_band_covers_both(load):
    found = what_if(recorded_load(load, 1, TWO), [1, 2, 4])
    for count in (1, 2, 4):
        assert found.low_s[count] * 0.98 <= seconds(load, count, 2) <= found.high_s[count] * 1.02, count
    assert found.makespan_s[2] == pytest.approx(found.makespan_s[1], rel=0.02)  # as for Python code
    (remark,) = found.remarks
    assert remark == (
        "No two branches computed at the same time, so the trace does not show whether their code holds the GIL: "
        "the band covers both cases."
    )


def test_where_it_makes_no_difference_nothing_is_said():
    assert what_if(recorded_load({"wait": (10, 30), "work": (0, 1)}, 1, TWO), [1, 2]).remarks == ()


def test_threads_that_wait_for_the_most_time_leave_it_open_too():
    found = what_if(recorded_load({"wait": (80, 90), "work": (10, 20)}, 4, TWO), [4, 16])
    assert found.remarks == (
        "The trace does not show for how long the code of the branches holds the GIL: the band covers both cases.",
    )


def test_python_code_that_kept_the_interpreter_busy_leaves_no_doubt():
    found = what_if(recorded_load(PYTHON, 4, TWO), [2, 8])
    assert found.remarks == ()
    assert found.limits[8] == "the GIL: one thread at a time runs Python code"


def test_free_code_is_limited_by_the_cores():
    found = what_if(recorded_load(HASHING, 2, TWO), [8])
    assert found.limits[8] == "the cores"
    assert found.remarks == ("At most 2 branches compute at once, one on each core; cores=... sets another number.",)


def test_more_cores_are_of_use_for_free_code_in_threads():
    found = what_if(recorded_load(HASHING, 2, TWO), [8], cores=8)
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
    found = what_if(recorded_load(PYTHON, workers, TWO), [1, 2, 4], gil=False)
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(PYTHON, count, 2, has_gil=False), rel=0.1), count
    assert found.sentence.startswith("Without a GIL, 2 workers are enough")
    assert not any("does not show" in remark for remark in found.remarks)


def test_what_was_recorded_without_a_gil_is_predicted_without_one():
    without = replace(TWO, has_gil=False)
    found = what_if(recorded_load(PYTHON, 2, without), [1, 4])
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(seconds(PYTHON, count, 2, has_gil=False), rel=0.1), count


def test_with_a_gil_again_the_code_may_hold_it_or_not():
    without = replace(TWO, has_gil=False)
    found = what_if(recorded_load(PYTHON, 2, without), [2], gil=True)
    assert found.sentence.startswith("With a GIL, 2 workers would take")
    assert found.makespan_s[2] == pytest.approx(seconds(PYTHON, 2, 2), rel=0.1)
    assert found.low_s[2] < 0.6 * found.makespan_s[2]


def test_the_trace_of_a_replay_names_the_machine_of_the_replay():
    found = what_if(recorded_load(PYTHON, 2, TWO), [2], gil=False, cores=3)
    assert found.trace(2).machine == Machine(3, "CPython 3.11", has_gil=False)


def fetch_and_compute(item):
    sleep(0.01 * (item % 3))
    compute(0.02 * (item % 4 + 1))


def run_items(workers, kind="thread", **options):
    with record(clock=VirtualClock(**options)) as trace, get_executor(kind, workers) as executor:
        list(executor.imap(fetch_and_compute, range(15)))
    return trace


@pytest.mark.parametrize(("cores", "off"), [(None, 0), (2, 0.02)])  # who comes first of two at one instant may differ
def test_predictions_without_a_gil_are_those_of_the_clock_without_one(cores, off):
    found = what_if(run_items(1, cores=cores), [1, 2, 3, 4, 8], gil=False)
    for count, predicted in found.makespan_s.items():
        assert predicted == pytest.approx(run_items(count, cores=cores, gil=False).makespan_s, rel=off), count


def test_a_simulated_run_without_a_gil_predicts_others_without_one():
    found = what_if(run_items(2, gil=False), [1, 4])
    assert found.makespan_s == {count: run_items(count, gil=False).makespan_s for count in (1, 4)}
    assert len(found.remarks) == 1  # on the cores, which limit threads without a GIL


# -- what is known --------------------------------------------------------------------------------------------------


def test_branches_that_take_turns_are_told():
    code = thread_code(model_of(recorded_load(HASHING, 1, TWO)), 2)
    assert code.is_in_turns
    assert not code.is_certain
    assert not code.free.any()
    assert thread_code(model_of(recorded_load(HASHING, 2, TWO)), 2).free.all()


def test_exact_times_leave_no_doubt():
    code = thread_code(model_of(run_items(1)), None)
    assert code.is_certain
    assert not code.free.any()
