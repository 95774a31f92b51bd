"""What runs on a worker: a chunk of items, and the journal of it."""

from __future__ import annotations

import os
import pickle
import signal
import time
from pathlib import Path

import pytest

from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.dask import worker as dask_worker
from kaygraph_viz.execute.dask.results import packed_setup
from kaygraph_viz.execute.dask.worker import GO, Finished, Journal, WorkerThread, read_journal, run_chunk
from kaygraph_viz.execute.pickling import by_value, unpack_result
from kaygraph_viz.recording import record
from tests.execute.dask.worker_functions import (
    Trap,
    double,
    spend,
    statuses,
)

distributed = pytest.importorskip("distributed")


def test_an_item_that_cannot_be_loaded_on_the_worker_fails_alone(foreign):
    outcomes = list(foreign.imap(str, [0, Trap(), 2], on_error="collect"))
    assert statuses(outcomes) == ["ok", "error", "ok"]
    assert "could not be loaded on the worker: ValueError: bad trap" in str(outcomes[1].error)


def test_workers_of_an_own_cluster_ignore_interrupts(own):
    def ignores(dask_worker=None):
        return signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    assert set(own.client.run(ignores).values()) == {True}


def test_cpu_time_is_that_of_the_worker(foreign):
    with record() as trace:
        list(foreign.imap(spend, [20]))
    (branch,) = trace.where(kind="branch")
    assert 0 < branch.cpu_ns <= branch.ended_ns - branch.started_ns


def test_a_journal_cut_off_in_the_middle_is_read_as_far_as_it_goes(tmp_path):
    from kaygraph_viz.execute.dask.worker import GO

    (tmp_path / GO).touch()
    journal = Journal(str(tmp_path), 0, WorkerThread("tcp://a", 1, 2))
    journal.start(0, None)
    journal.start(1, b"first")
    journal.finish(b"second")
    data = (tmp_path / "0").read_bytes()
    for end in range(len(data) + 1):
        (tmp_path / "0").write_bytes(data[:end])
        written = read_journal(str(tmp_path), 0)
        assert written.finished in ([], [b"first"], [b"first", b"second"])
    assert (written.worker, written.started) == (WorkerThread("tcp://a", 1, 2), 1)


# -- a chunk, run in this process ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of a call that may go on."""
    monkeypatch.setattr(dask_worker, "_address", lambda: "tcp://here")
    monkeypatch.setattr(dask_worker, "BUDGET_NS", 10**15)  # a busy machine may take its time
    (tmp_path / GO).touch()
    return str(tmp_path)


def run(folder, function, items, number=0, **options):
    """Have items run as a chunk, and return the answer."""
    branches = Branches(function, name="look", owner="Check", **options)
    pairs = list(enumerate(items))
    return run_chunk(f"{folder}{time.perf_counter_ns()}", number, packed_setup(branches), folder, by_value(pairs))


def finished(answer):
    return [Finished(*pickle.loads(each)) for each in answer.finished]


def test_outcomes_of_a_chunk_come_back_and_are_in_its_journal(folder):
    answer = run(folder, double, [1, 2, 3])
    assert [unpack_result(each.packed, each.failure, "item")[0] for each in finished(answer)] == [2, 4, 6]
    assert [each.position for each in finished(answer)] == [0, 1, 2]
    written = read_journal(folder, 0)
    assert (written.finished, written.is_ended, written.worker) == (answer.finished, True, answer.worker)
    assert (answer.worker.address, answer.worker.pid) == ("tcp://here", os.getpid())


def test_a_call_that_was_stopped_begins_nothing_more(folder):
    def stop(x):
        Path(folder, GO).unlink()
        return x

    assert len(run(folder, stop, [1, 2, 3]).finished) == 1
    assert read_journal(folder, 0).started is None
    assert run(folder, double, [1], number=1).finished == []


def test_a_chunk_that_dask_runs_again_is_noticed(folder):
    run(folder, double, [1])
    answer = run(folder, double, [1])
    assert (answer.is_rerun, answer.finished) == (True, [])


def test_a_chunk_of_a_call_that_is_over_does_nothing(folder, tmp_path):
    answer = run(str(tmp_path / "gone"), double, [1])
    assert (answer.is_rerun, answer.finished, answer.fault) == (False, [], None)


def test_a_chunk_whose_time_is_up_is_handed_back(folder, monkeypatch):
    monkeypatch.setattr(dask_worker, "BUDGET_NS", -1)
    assert len(run(folder, double, [1, 2, 3]).finished) == 1


def test_a_large_outcome_ends_its_chunk_and_is_not_written_down(folder, monkeypatch):
    monkeypatch.setattr(dask_worker, "JOURNALED_BYTES", 1000)
    answer = run(folder, lambda x: "x" * x, [1, 2000, 1])
    assert [len(each.packed) for each in finished(answer)] == [1, 2000]
    assert read_journal(folder, 0).finished == answer.finished[:1]
