"""The parent's side of worker processes: they are started, found, kept for later, and never left behind."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import WorkerStartError
from kaygraph_viz.execute.local import process_starter
from kaygraph_viz.execute.local.process_starter import Child, Pool
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from tests.execute.local.process_helpers import GUARD_S, is_alive, pid_of, values, wait_until

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_an_executor_that_is_forgotten_leaves_no_process():
    executor = get_executor("process", 1)
    (pid,) = values(executor.imap(pid_of, [1]))
    del executor
    gc.collect()
    wait_until(lambda: not is_alive(pid))


def test_a_pool_of_another_process_is_left_alone(one, monkeypatch):
    (pid,) = values(one.imap(pid_of, [1]))
    with monkeypatch.context() as patch:
        patch.setattr(process_starter.os, "getpid", lambda: -1)  # as after a fork
        one._pool.close_all()
    assert is_alive(pid)
    assert values(one.imap(pid_of, [1])) == [pid]


def test_without_open_files_by_number_pipe_and_memory_are_found_by_name(monkeypatch):
    monkeypatch.setattr(process_starter, "HAS_PAIRS", False)
    with get_executor("process", 1) as executor:
        assert values(executor.imap(lambda x: "KAYGRAPH_VIZ_KEY" in os.environ, [1])) == [False]
        assert values(executor.imap(lambda x: x + 1, range(500))) == list(range(1, 501))


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="here it takes a file")
def test_a_full_disk_keeps_no_process_from_starting(monkeypatch):
    monkeypatch.setattr(process_starter, "tempfile", None)
    with get_executor("process", 1) as executor:
        assert values(executor.imap(str, [1])) == ["1"]


def test_a_child_that_never_comes_to_its_pipe_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(process_starter, "HAS_PAIRS", False)
    monkeypatch.setattr(process_starter, "PROGRAM", "import sys; sys.exit(7)")
    with get_executor("process", 1) as executor, pytest.raises(WorkerStartError, match="with exit code 7"):
        list(executor.imap(str, [1]))


def test_a_process_that_dies_while_idle_costs_nothing(one):
    (pid,) = values(one.imap(pid_of, [1]))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    (other,) = values(one.imap(pid_of, [1]))
    assert other != pid


def test_processes_that_cannot_begin_are_a_clear_error(two, monkeypatch):
    monkeypatch.setattr(process_starter, "PROGRAM", "import sys; sys.exit(7)")
    with pytest.raises(WorkerStartError, match=r"3 worker processes in a row could not start.* with exit code 7"):
        list(two.imap(str, range(100), on_error="collect"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_that_are_killed_as_they_start_are_replaced(two, monkeypatch, number):
    start, left = Child._start, itertools.repeat(number, 12)

    def start_and_kill(child):
        start(child)
        for number in itertools.islice(left, 1):
            os.kill(child.pid, number)

    monkeypatch.setattr(Child, "_start", start_and_kill)
    assert values(two.imap(str, range(20))) == [str(x) for x in range(20)]
    assert not list(left)


def test_where_processes_are_always_killed_as_they_start_each_item_is_lost(two, monkeypatch):
    start, kills = Child._start, itertools.count()

    def start_and_kill(child):
        start(child)
        os.kill(child.pid, signal.SIGKILL)
        next(kills)

    monkeypatch.setattr(Child, "_start", start_and_kill)
    monkeypatch.setattr(process_starter, "MAX_KILLED", 4)
    with record() as trace:
        outcomes = list(two.imap(str, range(3), on_error="collect"))
    trace.validate()
    assert [(outcome.index, outcome.status) for outcome in outcomes] == [(0, "lost"), (1, "lost"), (2, "lost")]
    assert all("before it began the item" in outcome.error.__notes__[0] for outcome in outcomes)
    assert next(kills) >= 3 * 4


def test_processes_that_crash_as_they_start_are_a_clear_error(two, monkeypatch):
    monkeypatch.setattr(process_starter, "PROGRAM", "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(WorkerStartError, match=r"3 worker processes in a row could not start.* by SIGSEGV"):
        list(two.imap(str, range(100), on_error="collect"))


def test_a_function_that_ends_each_process_that_loads_it_is_a_clear_error(one):
    class Fatal:
        def __call__(self, x):
            return x

        def __reduce__(self):
            return os._exit, (5,)

    assert values(one.imap(str, [1])) == ["1"]
    with pytest.raises(WorkerStartError, match="with exit code 5"):
        list(one.imap(Fatal(), range(5), on_error="collect"))


def test_processes_that_died_while_idle_count_for_nothing():
    with get_executor("process", 4) as executor:
        pids = [
            child.pid for child in [executor._pool.take() for _ in range(4)] if executor._pool.give_back(child) is None
        ]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, pids)))
        assert values(executor.imap(str, range(20))) == [str(x) for x in range(20)]


def test_a_python_without_a_program_is_a_clear_error(two, monkeypatch):
    monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(kv.KayGraphVizError, match="no executable to start"):
        list(two.imap(str, [1]))


PARENT = """
import os, sys, threading, time
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
def hang(_):
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece
    while True: pass
list(get_executor("process", 2).imap(hang, range(2)))
"""


def test_no_process_outlives_its_parent():
    """A script without a guard, whose functions live in ``__main__``; it is killed while endless loops run."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(map(is_alive, pids)))
    parent.stdout.close()


LEAVING = """
import os, subprocess, sys, time
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
def leave(hangs):
    left = subprocess.Popen(["sleep", "1000"])
    os.write(1, f"{os.getpid()} {left.pid}\\n".encode())
    while hangs: pass
list(get_executor("process", 2).imap(leave, [False, True]))
"""


def test_what_branches_have_started_does_not_outlive_the_parent():
    """Neither what the endless branch has started, nor what is left by one that has ended."""
    parent = subprocess.Popen([sys.executable, "-c", LEAVING], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for _ in range(2) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(map(is_alive, pids)))
    parent.stdout.close()


USED_IN_A_FORK = """
import os
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
executor = get_executor("process", 1)
def pid_of(_): return os.getpid()
def ask(): return [outcome.value for outcome in executor.imap(pid_of, range(3))]
first = ask()
copy = os.fork()
if copy == 0:
    second = ask()
    os._exit(len({*first, *second}))
print(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]), ask() == first)
executor.close()
"""


def test_a_fork_of_the_program_has_processes_of_its_own():
    """Two that talk to one process would take each other's results. From 3.12 on Python warns of forks with threads."""
    ended = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-W", "ignore:This process:DeprecationWarning", "-c",
         USED_IN_A_FORK], capture_output=True, text=True, timeout=GUARD_S, check=True,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("2 True\n", "")


WAIT = """
import psutil
while len(psutil.Process().children()) < 2: time.sleep(0.01)
"""


def test_a_program_that_ends_in_the_middle_ends_its_processes():
    program = PARENT.replace("list(", "threading.Thread(target=list, daemon=True, args=(").replace(
        "(2)))", "(2)),)).start()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program + WAIT], capture_output=True, text=True,
        timeout=GUARD_S, check=True,
    )  # fmt: skip
    wait_until(lambda: not any(is_alive(int(pid)) for pid in ended.stdout.split()))
    assert ended.stderr == ""


def test_calls_of_one_executor_at_once_have_processes_of_their_own(one):
    outer = one.imap(pid_of, itertools.count(), window=0)
    with closing(outer):
        first = next(outer).value
        (second,) = values(one.imap(pid_of, [1]))
    assert first != second


def test_no_more_idle_children_are_kept_than_wanted():
    pool = Pool(1)
    first, second = pool.take(), pool.take()
    pool.give_back(first)
    pool.give_back(second)
    assert is_alive(first.pid)
    assert not is_alive(second.pid)
    assert pool.take() is first
    pool.close()
    pool.give_back(first)  # a child that was at work when the pool was closed
    assert not is_alive(first.pid)
