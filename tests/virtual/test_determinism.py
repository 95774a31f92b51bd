"""One seed gives one trace, byte for byte, whatever the machine; another seed another legal one."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.machine import SIMULATED_CORES, usable_cores
from kaygraph_viz.clock.virtual.clock import SIMULATED_WORKERS
from kaygraph_viz.course.examples.example import EXAMPLES, Setup, run_example
from kaygraph_viz.execute.base import default_workers
from kaygraph_viz.execute.call import MemoryBudget
from kaygraph_viz.execute.registry import KINDS
from kaygraph_viz.testing import FakeClock
from tests.virtual import scenarios
from tests.virtual.scenarios import KNOWN, SCENARIOS, digests, saved

RENEW = "changed on purpose? then: python -m tests.virtual.scenarios > tests/virtual/schedules.txt"

RUNS, MANY_RUNS = 25, 100


@pytest.fixture
def set_cores(monkeypatch):
    """Return a function that gives this machine another number of cores, whoever asks for it."""

    def change(count):
        monkeypatch.setattr(os, "cpu_count", lambda: count)
        monkeypatch.setattr(os, "process_cpu_count", lambda: count, raising=False)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(count)), raising=False)

    return change


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trace.jsonl"


def everything(kind):
    """Use all of it in one program."""
    return [
        scenarios.run(kind, "even", range(5), ordered=False),
        scenarios.run(kind, "flaky", range(4), on_error="collect", retry=kv.RetryPolicy.exponential(2, jitter_s=1)),
        scenarios.run(kind, "uneven", iter(range(5)), window=0, on_error="collect", timeout=0.9),
        scenarios.deadline(kind),
        scenarios.cancelled(kind),
        scenarios.limited(kind),
        scenarios.submitted(kind),
        scenarios.nested(kind),
        scenarios.fan_out(kind),
    ]


def some_of_it(kind):
    """Use what has most to do with the order of things in as little time as possible."""
    policy = kv.RetryPolicy.exponential(2, start_s=0.1, jitter_s=0.1)
    options = {"window": 0, "on_error": "collect", "timeout": 0.95, "retry": policy}
    return scenarios.run(kind, "flaky", iter(range(5)), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_many_runs_save_the_same_bytes(kind, path):
    assert len({saved(some_of_it, kind, 3, path) for _ in range(RUNS)}) == 1


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("cores", [1, 16])
def test_a_seed_has_one_run_on_every_machine(scenario, cores, set_cores):
    set_cores(cores)
    known = [line for line in KNOWN.read_text().splitlines() if line.startswith(f"{scenario.__name__} ")]
    assert digests(scenario) == known, RENEW


@pytest.mark.parametrize("kind", ["thread", "process", "async", "dask"])
def test_another_seed_gives_another_legal_order_where_there_are_ties(kind, path):
    found = {saved(scenarios.ties, kind, seed, path) for seed in range(8)}
    assert len(found) > 4


def test_where_nothing_happens_at_once_the_seed_changes_nothing(path):
    assert len({saved(scenarios.batch, "serial", seed, path) for seed in range(5)}) == 1


def test_with_single_steps_as_places_to_give_way_too(path):
    found = {saved(scenarios.batch, "thread", 5, path, preempt=0.2) for _ in range(10)}
    assert len(found) == 1


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The same of each kind, run before the cores are busy."""
    path = tmp_path_factory.mktemp("quiet") / "trace.jsonl"
    return {kind: saved(everything, kind, 0, path) for kind in KINDS}


@pytest.fixture(scope="module")
def busy_cores(quiet):
    """Keep all cores busy with other processes."""
    program = "while True: pass"
    started = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(os.cpu_count() or 2)]
    yield
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.processes
@pytest.mark.usefixtures("busy_cores")
@pytest.mark.parametrize("kind", KINDS)
def test_a_busy_machine_changes_nothing(kind, path, quiet):
    assert len({saved(everything, kind, 0, path) for _ in range(3)} | {quiet[kind]}) == 1


@pytest.mark.processes
@pytest.mark.thorough
@pytest.mark.usefixtures("busy_cores")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_hundred_runs_of_anything_on_a_busy_machine_save_the_same_bytes(scenario, kind, path):
    assert len({saved(scenario, kind, 3, path) for _ in range(MANY_RUNS)}) == 1


def program():
    """Use all of it in one program, in which the order of things shows."""
    line, lock, places, done = queue.Queue(2), threading.Lock(), threading.Semaphore(2), threading.Event()
    seen = []

    def put(number):
        with places, kv.span(f"put {number}"):
            time.sleep(number % 3 / 10)
            line.put(number)
        with lock:
            time.sleep(0.1)

    def get():
        while (found := line.get()) is not None:
            with kv.span(f"got {found}"):
                seen.append((found, time.monotonic()))
                time.sleep(0.05)
        done.set()

    getter = threading.Thread(target=get)
    getter.start()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(put, number) for number in range(8)]
        seen += [futures.index(future) for future in concurrent.futures.as_completed(futures)]
    line.put(None)
    done.wait()
    getter.join()
    return seen


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_seed_gives_the_same_run(seed, tmp_path):
    found = set()
    for run in range(5):
        with kv.record(clock=kv.VirtualClock(seed)) as trace:
            result = program()
        trace.validate().save(path := tmp_path / f"{run}.jsonl")
        found.add((path.read_bytes(), repr(result)))
    assert len(found) == 1


POOLS = ("thread", "process", "dask")  # the kinds whose default is a number of workers


ROOT = Path(__file__).parents[2]


@pytest.fixture
def saved_trace(tmp_path):
    """Return a function that runs a program in simulated time and returns the bytes of its saved_trace trace."""

    def run(program, kind, **options):
        with kv.record(clock=kv.VirtualClock(**options)) as trace:
            program(kind)
        return trace.validate().save(tmp_path / "trace.jsonl").read_bytes()

    return run


def one_second(item):
    kv.sleep(1)
    return item


async def one_second_async(item):
    await kv.sleep_async(1)
    return item


def computed(item):
    kv.compute(1)
    return item


def waiting(kind):
    return one_second_async if kind == "async" else one_second


def imap(kind):
    with kv.get_executor(kind) as executor:
        list(executor.imap(waiting(kind), range(40)))


def parallel_batch(kind):
    node = kv.ParallelBatchNode(executor=kind)
    node.prep, node.exec = (lambda shared: range(40)), waiting(kind)
    node.run({})


def computing(kind):
    with kv.get_executor(kind, 8) as executor:
        list(executor.imap(computed, range(16)))


# -- cores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected_s"), [("serial", 40), ("thread", 10), ("process", 10), ("dask", 10), ("async", 1)]
)
def test_forty_items_of_a_second_with_the_default_workers(kind, expected_s):
    with kv.record(clock="virtual") as trace:
        imap(kind)
    assert trace.makespan_s == expected_s


def test_there_are_four_cores_unless_others_are_asked_for():
    found = {}
    for options in ({}, {"cores": 2}, {"cores": None}):
        with kv.record(clock=kv.VirtualClock(**options)) as trace:
            computing("process")
        found[options.get("cores", "default")] = trace.makespan_s
    assert found == {"default": 4, 2: 8, None: 2}
    assert SIMULATED_CORES == 4


@pytest.mark.thorough
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_simulated_time_are_the_same_on_machines_of_all_sizes(name, set_cores, tmp_path):
    found = set()
    for cores in (1, 16):
        set_cores(cores)
        run = run_example(name, Setup(clock="virtual", items=6))
        traces = (trace.save(tmp_path / "trace.jsonl").read_bytes() for trace in run.traces.values())
        found.add((*traces, str(run.facts), str(run.measured)))
    assert len(found) == 1


def test_a_prediction_from_a_simulated_run_is_the_same_on_machines_of_all_sizes(set_cores):
    with kv.record(clock="virtual") as trace:
        computing("process")
    found = []
    for cores in (1, 16):
        set_cores(cores)
        found.append(kv.what_if(trace, workers=[1, 2, 4, 8]))
    assert found[0] == found[1]
    assert found[0].makespan_s == {1: 16, 2: 8, 4: 4, 8: 4}
    assert any("4 branches compute at once" in remark for remark in found[0].remarks)


# -- the clock in force decides --------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["thread", "process"])
def test_an_executor_made_outside_of_the_block_has_the_workers_of_the_block_inside(kind, set_cores):
    set_cores(8)
    with kv.get_executor(kind) as executor:
        outside = executor.workers
        with kv.record(clock="virtual") as trace:
            list(executor.imap(one_second, range(40)))
            assert executor.workers == SIMULATED_WORKERS
        assert executor.workers == outside == default_workers(kind) > SIMULATED_WORKERS
    assert trace.makespan_s == 10


def test_an_executor_made_inside_of_the_block_has_those_of_the_machine_outside(set_cores):
    set_cores(8)
    with kv.VirtualClock():
        executor = kv.get_executor("thread")
        assert repr(executor) == "<thread executor, 4 workers>"
    assert executor.workers == 12


@pytest.mark.parametrize("kind", ["thread", "process", "async"])
def test_a_number_that_was_asked_for_stays(kind):
    executor = kv.get_executor(kind, 7)
    with kv.VirtualClock():
        assert executor.workers == 7
    assert executor.workers == 7


def test_a_clock_that_is_not_virtual_leaves_the_defaults_of_the_machine():
    with kv.record(clock=FakeClock()):
        assert default_workers("process") == usable_cores()


@pytest.mark.parametrize("kind", POOLS)
def test_the_trace_says_how_many_workers_there_were(kind):
    with kv.record(clock="virtual") as trace:
        parallel_batch(kind)
    (phase,) = [span for span in trace if span.name == "exec"]
    assert phase.attributes["workers"] == SIMULATED_WORKERS


# -- memory ----------------------------------------------------------------------------------------------------------
def test_memory_is_never_short_in_simulated_time(saved_trace):
    def with_budget(budget):
        def program(kind):
            with kv.get_executor(kind) as executor:
                list(executor.imap(waiting(kind), iter(range(20)), memory=budget))

        return program

    for kind in KINDS:
        assert saved_trace(with_budget(MemoryBudget(1)), kind) == saved_trace(with_budget(None), kind)
    assert MemoryBudget(1).is_tight()


# -- everything else that differs from one machine to another ----------------------------------------------------------
SETTINGS = {
    "other hashes": {"PYTHONHASHSEED": "1"},
    "another language, time zone and number of cores": {
        "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHON_CPU_COUNT": "3",
    },
}  # fmt: skip

DIGESTED = ("defaults", "nested", "fan_out", "word_count", "submitted", "pipeline", "coroutines", "validation")

PROGRAM = """
import sys
from tests.virtual import scenarios

for name in sys.argv[1:]:
    print(*scenarios.digests(getattr(scenarios, name)), sep="\\n")
"""


@pytest.mark.processes
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_hashes_language_time_zone_and_folder_change_nothing(settings, tmp_path):
    known = [line for line in scenarios.KNOWN.read_text().splitlines() if line.startswith(DIGESTED)]
    env = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    command = [sys.executable, "-c", PROGRAM, *DIGESTED]
    done = subprocess.run(command, env=env, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert sorted(done.stdout.splitlines()) == sorted(known)
