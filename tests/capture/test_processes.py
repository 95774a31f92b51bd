"""Processes that the program starts itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile

import pytest

import kaygraph_viz as kv
from kaygraph_viz.capture import processes
from kaygraph_viz.testing import FakeClock

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # from 3.12 on: of a fork beside threads
]
START, JOIN = multiprocessing.process.BaseProcess.start, multiprocessing.process.BaseProcess.join
METHODS = multiprocessing.get_all_start_methods()


def double(queue, value):
    with kv.span("inside"):
        queue.put(2 * value)


def leave(code):
    sys.exit(code)


def fail():
    raise ValueError("no such order")


def vanish():
    os._exit(5)


def wait_for(event):
    event.wait()


class Counter(multiprocessing.Process):
    def run(self):
        pass


class Worker(multiprocessing.Process):
    def __init__(self, queue):
        super().__init__(name="packer")
        self.queue = queue

    def run(self):
        self.queue.put(sorted(name for name in vars(self) if not name.startswith("_")))


def started(context, target, *args, **options):
    process = context.Process(target=target, args=args, **options)
    process.start()
    return process


def recorded_one(target, *args):
    """Record one process that ends; return its span and its exit code."""
    with kv.record(capture="multiprocessing") as trace:
        process = started(multiprocessing.get_context("fork"), target, *args)
        process.join()
    (found,) = trace.validate()
    return found, process.exitcode


@pytest.mark.parametrize("method", METHODS)
def test_each_process_is_a_branch_named_after_its_target(method):
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace, kv.span("around") as around:
        pair = [started(context, double, queue, value) for value in (3, 4)]
        assert sorted(queue.get() for _ in pair) == [6, 8]
        for process in pair:
            process.join()
    trace.validate()
    outer = trace.where(name="double")
    assert sorted((each.parent_id, each.lane, each.status) for each in outer) == [
        (around.span_id, f"process-{number}", "ok") for number in (1, 2)
    ]
    assert all(each.submitted_ns <= each.started_ns for each in outer)
    assert all(each.cpu_ns is not None for each in outer)
    assert {each.parent_id for each in trace.where(name="inside")} == {each.span_id for each in outer}
    assert {vars(process).get("run") for process in pair} == {None}
    assert (multiprocessing.process.BaseProcess.start, multiprocessing.process.BaseProcess.join) == (START, JOIN)


def test_a_class_of_processes_gives_its_name_and_finds_itself_as_it_was_made():
    queue = multiprocessing.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace:
        pair = [Worker(queue), Worker(queue)]
        for process in pair:
            process.start()
            process.join()
    assert [(each.name, each.lane) for each in trace] == [("Worker", "packer"), ("Worker", "packer #2")]
    assert [queue.get() for _ in pair] == [["queue"], ["queue"]]


def test_names_that_python_gives_are_no_names_of_rows():
    with kv.record(capture="multiprocessing") as trace:
        process = Counter()
        process.start()
        process.join()
    assert [each.lane for each in trace] == ["process-1"]


@pytest.mark.parametrize(
    ("target", "args", "exit_code", "status", "error"),
    [
        (leave, (0,), 0, "ok", None),
        (leave, (3,), 3, "cancelled", "SystemExit: 3"),
        (fail, (), 1, "error", "ValueError: no such order"),
        (vanish, (), 5, "lost", "the process ended before its function did, exit code 5"),
    ],
)
def test_how_it_ends_is_told(target, args, exit_code, status, error):
    found, code = recorded_one(target, *args)
    assert (code, found.status, found.error) == (exit_code, status, error)


def test_one_that_is_killed_is_lost():
    context = multiprocessing.get_context("fork")
    event = context.Event()
    with kv.record(capture="multiprocessing") as trace:
        process = started(context, wait_for, event)
        process.kill()
        process.join()
    (found,) = trace.validate()
    assert (found.status, process.exitcode) == ("lost", -signal.SIGKILL)


def test_one_that_nobody_joins_is_read_at_the_end_and_one_that_goes_on_is_abandoned():
    context = multiprocessing.get_context("fork")
    event, queue = context.Event(), context.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace:
        ended = started(context, double, queue, 1)
        going_on = started(context, wait_for, event)
        queue.get()
        multiprocessing.connection.wait([ended.sentinel])
    event.set()
    going_on.join()
    ended.join()
    assert {each.name: each.status for each in trace.validate()} == {
        "double": "ok", "inside": "ok", "wait_for": "abandoned",
    }  # fmt: skip
    assert (going_on.exitcode, ended.exitcode) == (0, 0)


def test_those_that_the_program_lets_go_of_are_all_there():
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace:
        for value in range(6):  # the next one may be where the last one was
            started(context, double, queue, value)
            assert queue.get() == 2 * value
            while multiprocessing.active_children():
                pass
    assert [each.status for each in trace.validate().where(name="double")] == ["ok"] * 6


def test_an_error_is_printed_as_without_a_recording(capfd):
    context = multiprocessing.get_context("fork")

    def printed():
        started(context, fail, name="clerk").join()
        return capfd.readouterr().err

    plain = printed()
    with kv.record(capture="multiprocessing"):
        assert printed() == plain
    assert "no such order" in plain


def test_one_that_was_started_already_says_so():
    context = multiprocessing.get_context("fork")
    with kv.record(capture="multiprocessing") as trace:
        process = started(context, fail)
        process.join()
        with pytest.raises(AssertionError, match="cannot start a process twice"):
            process.start()
    assert len(trace) == 1


def test_its_files_are_gone_after_the_block(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recorded_one(leave, 0)
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_for_files_that_is_said_once(monkeypatch):
    def full(prefix):
        raise OSError("no space left")

    monkeypatch.setattr(processes.tempfile, "mkdtemp", full)
    context = multiprocessing.get_context("fork")
    with pytest.warns(UserWarning, match="processes are not recorded: OSError: no space left") as told:
        with kv.record(capture="multiprocessing") as trace:
            for _ in range(2):
                started(context, leave, 0).join()
    assert len(trace) == 0
    assert [each.category for each in told if each.category is not DeprecationWarning] == [UserWarning]


def test_in_simulated_time_they_are_not_recorded_which_is_said():
    context = multiprocessing.get_context("fork")
    with pytest.warns(UserWarning, match="processes are not recorded in simulated time"):
        with kv.record(clock=FakeClock(), capture="multiprocessing") as trace:
            started(context, leave, 0).join()
    assert len(trace) == 0


def test_processes_of_pools_have_no_bars_of_their_own():
    with kv.record(capture="multiprocessing") as trace, multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    assert {each.name for each in trace} == {"abs"}


def test_the_pools_and_processes_of_multiprocess_are_recorded():
    multiprocess = pytest.importorskip("multiprocess")
    with kv.record(capture="multiprocessing") as trace, multiprocess.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, -2], chunksize=1) == [1, 2]
        process = multiprocess.get_context("fork").Process(target=leave, args=(0,))
        process.start()
        process.join()
    assert sorted(each.name for each in trace.validate()) == ["abs", "abs", "leave"]


def test_the_workers_of_mpire_are_loops_whose_threads_are_none():
    mpire = pytest.importorskip("mpire")
    with kv.record(capture="all") as trace, mpire.WorkerPool(n_jobs=2, start_method="fork") as pool:
        assert pool.map(abs, range(8)) == list(range(8))
    assert {each.name for each in trace.validate() if each.kind == "branch"} == {"ForkWorker"}
