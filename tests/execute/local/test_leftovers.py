"""Several modules, with what branches do besides: forks, programs they start, files they close or write to."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import WorkerLostError
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.local import processes
from kaygraph_viz.execute.local.process_starter import Child
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from tests.execute.local.process_helpers import GUARD_S, hang, is_alive, values, wait_for, wait_until

pytestmark = [pytest.mark.usefixtures("nothing_is_left"), pytest.mark.processes]


# -- forks, and files that they find open ----------------------------------------------------------------------------


def test_a_process_that_closes_its_pipe_loses_nothing_that_it_has_done(one):
    def close_all(x):
        from multiprocessing.connection import Connection

        for pipe in [thing for thing in gc.get_objects() if isinstance(thing, Connection)]:
            pipe.close()
        return x

    assert values(one.imap(close_all, [1, 2])) == [1, 2]


def test_processes_that_close_all_files_again_and_again_lose_nothing(one):
    assert values(one.imap(lambda x: os.closerange(3, 64) or x, range(4))) == [0, 1, 2, 3]


def test_a_branch_that_closes_all_files_may_go_on(one, tmp_path, monkeypatch):
    has_ended, looks = Child.has_ended, itertools.count()

    def looked_at(child):
        if next(looks) == 3:
            (tmp_path / "go").touch()
        return has_ended(child)

    def close_and_wait(x):
        os.closerange(3, 64)
        wait_for(tmp_path / "go")
        return x

    monkeypatch.setattr(Child, "has_ended", looked_at)
    monkeypatch.setattr(Child.end, "__defaults__", (0.0,))  # nobody waits for the end of one that is not needed
    assert values(one.imap(close_and_wait, [1])) == [1]


def test_a_branch_that_closes_all_files_and_never_ends_is_killed_once(one, tmp_path, monkeypatch):
    path, now = str(tmp_path / "hangs"), time.perf_counter_ns

    def close_and_hang(x):
        os.closerange(3, 64)
        hang(path)

    monkeypatch.setattr(processes, "perf_counter_ns", lambda: now() + 10**12 * Path(path).exists())
    (outcome,) = one.imap(close_and_hang, [1], timeout=GUARD_S, on_error="collect")
    assert outcome.status == "timeout"


def test_a_file_that_takes_the_place_of_the_pipe_is_left_alone(one, tmp_path):
    path = tmp_path / "file"

    def take_all_places(x):
        os.closerange(3, 64)
        while os.open(path, os.O_CREAT | os.O_RDWR) < 63:
            pass
        return x

    assert values(one.imap(take_all_places, [1, 2])) == [1, 2]
    assert path.read_bytes() == b""


def write_everywhere(x):
    if x == "written":
        for number in range(3, 1024):  # the pipe has the number that it has in the parent
            with suppress(OSError):
                os.write(number, b"what is this pipe for?  It was open...")
    return x


def test_what_a_branch_writes_to_the_pipe_is_no_answer(one):
    with record() as trace:
        outcomes = list(one.imap(write_everywhere, ["a", "written", "b"], on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["ok", "lost", "ok"]
    assert type(outcomes[1].error) is WorkerLostError
    assert "something else than it wrote to its pipe" in outcomes[1].error.__notes__[0]
    assert sorted((branch.index, branch.status) for branch in trace) == [(0, "ok"), (1, "lost"), (2, "ok")]


def fork_in_c(x):
    import ctypes

    if x == 3 and (copy := ctypes.CDLL(None).fork()):
        os.waitpid(copy, 0)
    return x


def test_a_copy_that_python_knows_nothing_of_does_no_harm(one, tmp_path):
    log = tmp_path / "log"

    def run(x):
        with log.open("a") as file:
            file.write(f"{x} ")
        return fork_in_c(x)

    outcomes = list(one.imap(run, range(20), on_error="collect"))
    assert all(outcome.value == outcome.index for outcome in outcomes if outcome.ok)
    assert {outcome.status for outcome in outcomes} <= {"ok", "lost"}
    if sys.platform == "linux":  # where the copy has not even the memory
        assert all(outcome.ok for outcome in outcomes)
        assert list(map(int, log.read_text().split())) == list(range(20))


def start_others(x):
    """Use what a branch may use: programs, processes, forks that are ended, a fork in a thread."""
    import multiprocessing
    import subprocess

    assert subprocess.run(["echo", "a"], capture_output=True, check=True).stdout == b"a\n"
    process = multiprocessing.get_context("fork").Process(target=print)
    process.start()
    process.join()
    if (copy := os.fork()) == 0:
        os._exit(7)
    copies = []
    thread = threading.Thread(
        target=lambda: copies.append(os.fork())
    )  # the copy has this thread only, and ends with it
    thread.start()
    thread.join()
    return x, process.exitcode, *(os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in (copy, *copies))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_programs_processes_and_forks_of_branches_work(one):
    assert values(one.imap(start_others, [1, 2])) == [(1, 0, 7, 0), (2, 0, 7, 0)]


# -- what branches have started --------------------------------------------------------------------------------------


def leave_running(x):
    """Start a program that runs long, and say which; then do what is asked."""
    import subprocess

    path, then, options = x
    left = subprocess.Popen(["sleep", "1000"], **options)
    Path(path + ".part").write_text(str(left.pid))
    Path(path + ".part").rename(path)
    match then:
        case "die":
            os._exit(3)
        case "hang":
            hang(path + ".hangs")
    return left.pid


@pytest.fixture
def started(tmp_path):
    """Return where a branch says what it has started, and a function that waits for that and returns its number."""
    path = tmp_path / "started"

    def pid():
        wait_until(path.exists)
        return int(path.read_text())

    yield str(path), pid
    with suppress(ProcessLookupError):
        os.kill(pid(), signal.SIGKILL)


def test_what_a_late_branch_has_started_is_killed_with_it(one, started, monkeypatch):
    path, pid = started
    now = time.perf_counter_ns
    monkeypatch.setattr(processes, "perf_counter_ns", lambda: now() + 10**12 * Path(path + ".hangs").exists())
    (outcome,) = one.imap(leave_running, [(path, "hang", {})], timeout=GUARD_S, on_error="collect")
    assert outcome.status == "timeout"
    wait_until(lambda: not is_alive(pid()))


def test_what_a_cancelled_branch_has_started_is_killed_with_it(one, started):
    (path, pid), token = started, CancelToken()
    canceller = threading.Thread(target=lambda: pid() and token.cancel())
    canceller.start()
    with pytest.raises(kv.KayGraphVizError, match="was cancelled"):
        list(one.imap(leave_running, [(path, "hang", {})], cancel=token))
    canceller.join()
    wait_until(lambda: not is_alive(pid()))


def test_what_a_branch_has_started_ends_with_a_process_that_dies(one, started):
    path, pid = started
    (outcome,) = one.imap(leave_running, [(path, "die", {})], on_error="collect")
    assert outcome.error.exit_code == 3
    wait_until(lambda: not is_alive(pid()))


def test_what_a_branch_has_started_ends_when_the_executor_is_closed(started):
    path, pid = started
    with get_executor("process", 1) as executor:
        assert values(executor.imap(leave_running, [(path, "return", {})])) == [pid()]
        assert is_alive(pid())
    wait_until(lambda: not is_alive(pid()))


def test_what_has_a_session_of_its_own_is_left_alone(one, started):
    path, pid = started
    (outcome,) = one.imap(leave_running, [(path, "die", {"start_new_session": True})], on_error="collect")
    assert outcome.status == "lost"
    assert is_alive(pid())
