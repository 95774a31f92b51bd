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
from kaygraph_viz.errors import WorkerStartError
from kaygraph_viz.execute.local import process_starter
from kaygraph_viz.execute.local.process_starter import Pool
from kaygraph_viz.execute.registry import get_executor
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


def test_a_python_without_a_program_is_a_clear_error(two, monkeypatch):
    monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(kv.KayGraphVizError, match="no executable to start"):
        list(two.imap(str, [1]))


PARENT = """
import os, sys, threading, time
from kaygraph_viz.execute.registry import get_executor
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
