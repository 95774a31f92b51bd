"""Several modules together: one seed gives one trace, byte for byte, and another seed another legal one."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import kaygraph_viz as kv
from kaygraph_viz.execute.registry import KINDS
from tests.virtual import scenarios
from tests.virtual.scenarios import KNOWN, SCENARIOS, digests, saved

RENEW = "changed on purpose? then: python -m tests.virtual.scenarios > tests/virtual/schedules.txt"
RUNS, MANY_RUNS = 25, 100


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
def test_a_seed_has_one_run_on_every_machine(scenario):
    known = [line for line in KNOWN.read_text().splitlines() if line.startswith(f"{scenario.__name__} ")]
    assert digests(scenario) == known, (
        "changed on purpose? python -m tests.virtual.scenarios > tests/virtual/schedules.txt"
    )


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
