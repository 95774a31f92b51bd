"""Clusters and clients: what is started and ended, what is ours, what workers are asked."""

from __future__ import annotations

import _thread
import asyncio
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from kaygraph_viz.base.errors import NodeError
from kaygraph_viz.execute.dask import cluster as dask_cluster, worker as dask_worker
from kaygraph_viz.execute.dask.cluster import Link, connected
from kaygraph_viz.execute.dask.executor import DaskExecutor
from kaygraph_viz.recording import record
from kaygraph_viz.trace.offsets import NO_OFFSET
from tests.execute.dask.worker_functions import (
    GUARD_S,
    die_at_7,
    double,
    hang_at_0,
    say_and_wait,
    statuses,
    values,
)

distributed = pytest.importorskip("distributed")


def test_a_worker_that_starts_again_is_kept_however_long_that_takes(tmp_path):
    import dask

    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}), DaskExecutor(2) as executor:
        list(executor.imap(hang_at_0, [0], timeout=0.3, on_error="collect"))
        found = list(executor.imap(say_and_wait, [(here, there), (there, here)]))  # which needs two workers at once
    assert statuses(found) == ["ok", "ok"]


@pytest.mark.thorough
def test_nothing_is_started_before_the_first_item_and_nothing_is_left_after_close():
    import psutil

    before = set(psutil.Process().children(recursive=True))
    executor = DaskExecutor(1)
    assert executor._link is None
    assert values(executor.imap(double, [1])) == [2]
    folder = executor._link._folder
    started = set(psutil.Process().children(recursive=True)) - before
    executor.close()
    _, alive = psutil.wait_procs([each for each in started if "resource_tracker" not in str(each)], GUARD_S)
    assert alive == [] or all("tracker" in " ".join(each.cmdline()) for each in alive)
    assert not Path(folder).exists()


def test_workers_that_lack_the_package_are_named(dask_client, monkeypatch):
    def run(*_, **__):
        raise ModuleNotFoundError("No module named 'kaygraph_viz'")

    monkeypatch.setattr(dask_client, "run", run)
    with pytest.raises(NodeError, match="cannot load kaygraph_viz"), DaskExecutor(client=dask_client) as executor:
        list(executor.imap(double, [1]))


def test_workers_on_other_machines_get_their_items_one_by_one(dask_client, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    with DaskExecutor(client=dask_client) as executor, record() as trace:
        assert values(executor.imap(double, range(30))) == list(range(0, 60, 2))
        outcomes = list(executor.imap(die_at_7, range(4, 9), on_error="collect"))
    assert statuses(outcomes) == ["ok", "ok", "ok", "lost", "ok"]
    assert outcomes[3].error.runs == 1  # this cluster allows no failures; others up to what they are set to
    assert not executor._link
    assert trace.counts()["branch"] == 35


PROGRAM = """
import os
import kaygraph_viz as kv

def number(x):
    if x == 3:
        os._exit(1)
    return 10 * x

print("begins")
with kv.get_executor("dask", 2) as executor:
    print([outcome.value for outcome in executor.imap(number, range(6), on_error="collect")])
    print([outcome.value for outcome in executor.imap(number, range(2))])
"""


@pytest.mark.thorough
def test_a_program_without_a_guard_runs_once_also_when_a_worker_is_replaced(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("begins\n[0, 10, 20, None, 40, 50]\n[0, 10]\n", "")


# -- the link, with a client that only answers ---------------------------------------------------------------------


class Client:
    """A client of two workers, one of them ahead by a second; it counts what it is asked."""

    def __init__(self, sees=(True, True), host=None):
        self.scheduler = SimpleNamespace(address="tcp://scheduler")
        self.scheduler_comm = SimpleNamespace(interval=None)
        self.asked, self.is_closed = 0, False
        self._met = [(host or socket.gethostname(), number, seen) for number, seen in enumerate(sees)]

    def run(self, function, *args, workers=("a", "b"), **options):
        self.asked += 1
        if function is dask_worker.introduce:
            return dict(zip(workers, self._met, strict=True))
        return {address: function() + (10**9 if address == "b" else 0) for address in workers}

    def close(self, timeout=None):
        self.is_closed = True


@pytest.mark.parametrize(
    ("client", "has_journals"),
    [
        (Client(), True),
        (Client(sees=(True, False)), False),
        (Client(host="elsewhere"), False),
        (Client(sees=()), False),
    ],
    ids=["here", "one does not see the folder", "elsewhere", "no workers"],
)
def test_journals_are_kept_where_all_workers_see_the_folder_of_the_caller(client, has_journals):
    client.run = partial(client.run, workers=("a", "b")[: len(client._met)])
    link = Link(client, 2)
    folder = link.new_folder("call")
    assert link.has_journals == has_journals == (folder is not None and Path(folder).is_dir())
    link.close()
    assert folder is None or not Path(folder).exists()


def test_how_far_a_clock_is_off_is_asked_once_and_again_when_that_is_old(monkeypatch):
    link = Link(client := Client(host="elsewhere"), 2)
    before = client.asked
    offset = link.offset("b")
    assert abs(offset.offset_ns - 10**9) <= offset.bound_ns
    assert client.asked - before == dask_cluster.PROBES
    assert link.offset("b") is offset
    assert client.asked - before == dask_cluster.PROBES
    monkeypatch.setattr(dask_cluster, "FRESH_NS", 0)
    assert link.offset("b") is not offset
    link.close()


def test_a_worker_that_has_died_is_taken_to_have_our_clock():
    def fail(*_, **__):
        raise OSError("no such worker")

    link = Link(client := Client(), 2)
    client.run = fail
    assert link.offset("a") is NO_OFFSET
    link.close()


def test_closing_does_not_wait_for_ever_for_a_scheduler_that_is_gone(monkeypatch):
    monkeypatch.setattr(dask_cluster, "CLOSE_S", 0.01)
    hangs, closed = threading.Event(), threading.Event()
    cluster = SimpleNamespace(close=lambda: (hangs.wait(GUARD_S), closed.set()))
    link = Link(Client(), 2, cluster=cluster)
    link.close()
    assert not closed.is_set()
    hangs.set()
    assert closed.wait(GUARD_S)


@pytest.mark.parametrize("answers", [True, False])
def test_a_scheduler_that_was_stopped_is_silent(answers):
    loop, go_on = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def ncores():
        if not answers:
            await go_on.wait()

    client = Client()
    client.loop, client.scheduler = SimpleNamespace(asyncio_loop=loop), SimpleNamespace(address="x", ncores=ncores)
    link = Link(client, 2)
    link.silent_s()
    if answers:
        link._question.result(GUARD_S)
        assert link.silent_s() == 0.0
    else:
        assert link.silent_s() > 0.0
    loop.call_soon_threadsafe(go_on.set)
    link._question.result(GUARD_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(GUARD_S)
    loop.close()
    link.close()


def test_an_interrupt_while_a_cluster_starts_is_noticed_and_closes_it_later():
    hangs, closed = threading.Event(), threading.Event()

    def connect():
        _thread.interrupt_main()  # as one that came just before the wait: it ends no wait in the system
        hangs.wait(GUARD_S)
        return SimpleNamespace(close=closed.set)

    with pytest.raises(KeyboardInterrupt):
        connected(connect)
    assert not closed.is_set()
    hangs.set()
    assert closed.wait(GUARD_S)


def test_an_error_of_a_cluster_that_starts_is_raised():
    def connect():
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        connected(connect)


def test_processes_that_start_meanwhile_do_not_import_the_program():
    main = sys.modules["__main__"]
    before = main.__spec__
    with dask_cluster._program_hidden:
        with dask_cluster._program_hidden:
            assert main.__spec__.name == "program.__main__"
        assert main.__spec__.name == "program.__main__"
    assert main.__spec__ is before
