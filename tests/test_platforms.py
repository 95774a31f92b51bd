"""macOS and Windows: what several modules do there, driven here with the system patched.

What a module alone decides is tested beside it: ``test_machine`` (cores), ``trace/sampler/test_sampler`` (no
``/proc``), ``virtual/test_idleness`` (states of threads), ``execute/local/test_process_starter`` (pipes by name),
``capture/test_futures`` (processes that are spawned).
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest

from kaygraph_viz.cli import lab, main as command_line, record as record_module
from kaygraph_viz.clock.clock import RealClock, compute
from kaygraph_viz.clock.sync import Lock
from kaygraph_viz.clock.virtual import scheduler, watchdog
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.execute import forks
from kaygraph_viz.execute.local import answers, answers as answers_module, process_starter, worker_process
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

POSIX_ONLY = (
    "fork", "geteuid", "getpgid", "getpgrp", "killpg", "memfd_create", "register_at_fork", "setpgid", "waitid",
)  # fmt: skip
MAC_LACKS = ("memfd_create", "waitid", "sched_getaffinity")
TICK_NS = 15_625_000  # how often Windows moves its CPU clocks


def elsewhere(module, *missing, **different):
    """Return a module as it is on another system: some names are missing, others are different."""
    return SimpleNamespace(**{name: each for name, each in vars(module).items() if name not in missing} | different)


def windows(**different):
    return elsewhere(os, *POSIX_ONLY, name="nt", **different)


# -- clocks ----------------------------------------------------------------------------------------------------------


def test_a_cpu_clock_with_long_ticks_never_counts_more_than_the_time(monkeypatch):
    monkeypatch.setattr(RealClock, "cpu_ns", staticmethod(lambda: time.thread_time_ns() // TICK_NS * TICK_NS))
    lock = Lock()

    def work(seconds):
        with lock:
            compute(seconds)

    with record() as trace, get_executor("thread", 2) as executor:
        list(executor.imap(work, [0.002] * 20))
    assert all(0 <= span.cpu_ns <= span.ended_ns - span.started_ns for span in trace.where(kind="branch"))


def test_without_clocks_of_single_threads_that_of_the_process_is_read(monkeypatch):
    monkeypatch.setattr(watchdog, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(watchdog, "_process_cpu_s", lambda: 5.0)
    monkeypatch.setattr(watchdog, "_own_cpu_s", lambda: 2.0)
    fiber = SimpleNamespace(thread=SimpleNamespace(native_id=1))
    assert watchdog.Idleness(fiber)._cpu() == 3.0


# -- worker processes ------------------------------------------------------------------------------------------------

AS_ON_WINDOWS = f"""
import os, sys, types
sys.path[:1] = []
sys.path.append(sys.argv[1])
from kaygraph_viz.execute.local import answers, worker_process
here = {{name: each for name, each in vars(os).items() if name not in {POSIX_ONLY}}} | {{"name": "nt"}}
answers.os = worker_process.os = types.SimpleNamespace(**here)
worker_process.main(sys.argv[2:])
"""


@pytest.fixture
def on_mac(monkeypatch):
    monkeypatch.setattr(process_starter, "os", elsewhere(os, *MAC_LACKS))


@pytest.fixture
def on_windows(monkeypatch):
    """Parent and child both take the paths of Windows."""
    for module in (process_starter, answers):
        monkeypatch.setattr(module, "os", windows())
    monkeypatch.setattr(process_starter, "HAS_PAIRS", False)
    monkeypatch.setattr(process_starter, "OWN_GROUP", {})
    monkeypatch.setattr(process_starter, "PROGRAM", AS_ON_WINDOWS)


@pytest.mark.processes
@pytest.mark.parametrize("system", ["on_mac", "on_windows"])
def test_worker_processes_run_die_and_are_ended(system, request):
    request.getfixturevalue(system)

    def dies_or_is_long(x):
        return os._exit(3) if x == 5 else "long" * 200_000 * x

    with record() as trace, get_executor("process", 2) as executor:
        found = list(executor.imap(dies_or_is_long, range(8), on_error="collect"))
    assert [len(each.value) // 800_000 for each in found if each.error is None] == [0, 1, 2, 3, 4, 6, 7]
    assert "exit code 3" in str(found[5].error)
    assert len(trace.where(kind="branch")) == 8


@pytest.mark.processes
def test_a_late_branch_is_ended_with_its_process_on_windows(on_windows):
    with get_executor("process", 1) as executor:
        (found,) = executor.imap(time.sleep, [60], timeout=0.2, on_error="collect")
        assert found.status == "timeout"
        assert [each.value for each in executor.imap(abs, [-1])] == [1]


def test_a_worker_process_of_windows_sees_whether_its_parent_lives_and_ends_alone(monkeypatch):
    ended = []
    monkeypatch.setattr(worker_process, "os", windows(_exit=ended.append))
    assert worker_process._is_there(os.getpid())
    assert not worker_process._is_there(2**31 - 2)
    worker_process._end_all()
    assert ended == [1]


def test_a_stream_can_be_read_where_the_system_has_no_poll(monkeypatch):
    monkeypatch.setattr(answers, "select", elsewhere(select, "poll"))
    ours, theirs = (Connection(each.detach()) for each in socket.socketpair())
    with ours, theirs:
        reader = answers.AnswerReader(ours, os.getpid())
        assert not reader.has_news(0)
        answers.AnswerWriter(theirs).write(1, b"record")
        assert reader.has_news(0)
        assert reader.read(1) == b"record"


def test_where_nothing_forks_nothing_is_kept_from_forks(monkeypatch):
    monkeypatch.setattr(forks, "os", windows())
    assert forks._Forks().count == 0
    monkeypatch.setattr(worker_process, "os", windows())
    monkeypatch.setattr(answers_module, "mmap", elsewhere(answers_module.mmap, "MADV_DONTFORK"))
    with process_starter._memory_file() as file:
        file.truncate(answers_module.SharedProgress.SIZE)
        memory = answers_module.SharedProgress(file.fileno())
    worker_process._keep_from_forks(None, memory)  # the pipe is not touched
    memory.close()


# -- Dask ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dask():
    pytest.importorskip("distributed")
    from kaygraph_viz.execute.dask import cluster, worker

    return SimpleNamespace(cluster=cluster, worker=worker)


def test_the_journal_of_a_chunk_is_binary_everywhere(dask, monkeypatch, tmp_path):
    asked = []

    def opened(path, flags, mode):
        asked.append(flags)
        return os.open(path, flags & ~(1 << 30), mode)

    monkeypatch.setattr(dask.worker, "os", windows(open=opened, O_BINARY=1 << 30))
    journal = dask.worker.Journal(str(tmp_path), 0, dask.worker.WorkerThread("tcp://a", 1, 2))
    journal.finish(None)
    assert asked[0] & (1 << 30)


def test_a_worker_of_windows_leads_no_group(dask, monkeypatch):
    ignored = []
    monkeypatch.setattr(dask.worker, "os", windows())
    monkeypatch.setattr(dask.worker, "signal", elsewhere(signal, signal=lambda *words: ignored.append(words)))
    dask.worker.dask_setup(None)
    assert ignored == [(signal.SIGINT, signal.SIG_IGN)]


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_dask_worker_is_killed_on_windows(dask, has_ended, monkeypatch):
    killed = []

    def kill(*words):
        killed.append(words)
        if has_ended:
            raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(dask.cluster, "os", windows(kill=kill))
    link = SimpleNamespace(_cluster=object())
    assert dask.cluster.Link.kill(link, dask.worker.WorkerThread("tcp://a", 4711, 1))
    assert killed == [(4711, dask.cluster.KILL)]


# -- simulated time --------------------------------------------------------------------------------------------------


def test_where_no_thread_can_be_interrupted_a_wait_in_real_time_is_not_an_interrupt(monkeypatch):
    monkeypatch.setattr(scheduler, "signal", elsewhere(signal, "pthread_kill"))
    with VirtualClock() as clock:
        assert not clock._scheduler.interrupt(RuntimeError("stuck"))


# -- the command line ------------------------------------------------------------------------------------------------


def test_jupyterlab_is_told_of_no_root_where_there_is_none(tmp_path, monkeypatch):
    labapp, starts = pytest.importorskip("jupyterlab.labapp"), []
    monkeypatch.setattr(labapp, "main", starts.append)
    monkeypatch.setattr(lab, "os", windows())
    lab.run([str(tmp_path)])
    assert starts == [[str(tmp_path / "00_start_here.ipynb")]]


@pytest.mark.parametrize(
    ("system", "error", "code"),
    [
        ("posix", BrokenPipeError(errno.EPIPE, "Broken pipe"), 0),
        ("nt", OSError(errno.EINVAL, "Invalid argument"), 0),
        ("nt", OSError(errno.EINVAL, "Invalid argument", "a?.json"), 2),
        ("posix", OSError(errno.EINVAL, "Invalid argument"), 2),
    ],
)
def test_a_reader_that_has_gone_is_no_error(system, error, code, monkeypatch, capfd):
    def fail(words):
        raise error

    monkeypatch.setattr(command_line, "import_module", lambda name: SimpleNamespace(run=fail))
    monkeypatch.setattr(command_line, "os", elsewhere(os, name=system, dup2=lambda *_: None, open=lambda *_: None))
    assert command_line.main(["report"]) == code
    assert bool(capfd.readouterr().err) == (code == 2)


@pytest.fixture
def leaving(monkeypatch):
    """Return how a recorded program on Windows left: the exit codes, and what it said last."""
    left = SimpleNamespace(codes=[], said=[])
    monkeypatch.setattr(record_module, "os", windows(_exit=left.codes.append, kill=None))
    monkeypatch.setattr(record_module, "atexit", SimpleNamespace(register=lambda function: None))
    terminated = signal.getsignal(signal.SIGTERM)
    left.word = record_module.LastWord(lambda: left.said.append("saved"))
    yield left
    signal.signal(signal.SIGTERM, terminated)


def test_a_recorded_program_ends_without_forks(leaving):
    leaving.word._at_exit()
    assert (leaving.said, leaving.codes) == (["saved"], [])


def test_a_recorded_program_that_is_interrupted_leaves_with_the_code_of_windows(leaving):
    interrupted = signal.getsignal(signal.SIGINT)
    leaving.word.interrupted()
    try:
        with pytest.raises(TypeError):  # `_exit` of a test comes back, and there is no `kill`
            leaving.word._at_exit()
    finally:
        signal.signal(signal.SIGINT, interrupted)
    assert (leaving.said, leaving.codes) == (["saved"], [record_module.INTERRUPTED_ON_WINDOWS])
