"""Random graphs, programs and files, the same ones in each run; some rounds of everything; that faults are found."""

from __future__ import annotations

from itertools import count

import pytest

from kaygraph_viz.execute.retries import RetryPolicy
from tests.fuzz.__main__ import main
from tests.fuzz.descriptions import describe
from tests.fuzz.files import FileFuzzer
from tests.fuzz.graphs import Workers, run_case
from tests.fuzz.programs import run_case as run_program
from tests.fuzz.soak import Holdings, leaks, soak

CASES = 100


@pytest.fixture(scope="module")
def workers():
    with Workers(with_cluster=False) as opened:
        yield opened


@pytest.mark.processes
@pytest.mark.parametrize("tens", range(CASES // 10))
def test_random_graphs_give_what_they_must(tens, workers):
    for seed in range(10 * tens, 10 * tens + 10):
        run_case(seed, workers)


@pytest.mark.processes
@pytest.mark.leaves_threads  # a pool of joblib and one of Dask stay
@pytest.mark.parametrize("tens", range(CASES // 20))
def test_random_programs_give_the_same_and_each_call_is_a_branch(tens, tmp_path):
    for seed in range(10 * tens, 10 * tens + 10):
        run_program(seed, tmp_path)


@pytest.mark.processes
@pytest.mark.leaves_threads
def test_a_task_that_has_no_bar_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr("kaygraph_viz.capture.tasks.task_name", lambda coroutine: None)
    with pytest.raises(AssertionError, match="loop"):
        for seed in range(10):
            run_program(seed, tmp_path)


def test_random_files_are_traces_or_refused(tmp_path):
    fuzzer = FileFuzzer(0, tmp_path)
    for _ in range(CASES):
        fuzzer.run_case()
    assert fuzzer.loaded > CASES // 20  # else they are all refused at the first line
    assert fuzzer.kept > 10


@pytest.mark.thorough
@pytest.mark.processes
def test_nothing_is_left_over_after_some_rounds_of_everything():
    assert soak(0, rounds=3) == []


@pytest.mark.parametrize("more", ["processes", "threads", "descriptors", "objects", "bytes"])
def test_what_is_left_over_is_told(more):
    start = Holdings(1, 2, 3, 1000, 1 << 20)
    assert leaks(start, start, 10) == []
    (told,) = leaks(start, start._replace(**{more: 1 << 30}), 10)
    assert told.startswith(f"{more}: ")


def test_a_seed_gives_one_graph():
    assert describe(7) == describe(7) != describe(8)


@pytest.mark.processes
def test_a_retry_too_few_is_found(workers, monkeypatch):
    monkeypatch.setattr(RetryPolicy, "applies", lambda policy, attempt, error: attempt < policy.attempts - 1)
    failed = 0
    for seed in range(40):
        try:
            run_case(seed, workers)
        except AssertionError:
            failed += 1
    assert failed > 3


def test_a_case_that_fails_is_reported_with_what_repeats_it(monkeypatch, capsys, tmp_path):
    used = count()

    def fail_later(trace, folder):
        assert next(used) < 30, "one too many"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tests.fuzz.files.use", fail_later)
    assert main(["files", "--seed", "5", "--cases", "3000"]) == 1
    told = capsys.readouterr().out
    assert "make fuzz-files SEED=5 CASES=" in told
    assert "AssertionError: one too many" in told
    assert list(tmp_path.glob("out/fuzzed-5-*"))
