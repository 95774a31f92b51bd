"""One call on a cluster: order and look-ahead, workers that die, deadlines, stopping."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import threading
from contextlib import closing
from itertools import count, islice
from pathlib import Path

import pytest

from kaygraph_viz.base.errors import (
    CallCancelled,
    DeadlineExceeded,
    RemoteWorkerLostError,
    SchedulerLostError,
    WorkerLostError,
)
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.dask import executor as dask_call, worker as dask_worker
from kaygraph_viz.execute.dask.cluster import local_cluster
from kaygraph_viz.execute.dask.executor import DaskCall, DaskExecutor
from kaygraph_viz.execute.dask.results import packed_setup
from kaygraph_viz.execute.dask.worker import run_chunk
from kaygraph_viz.execute.pickling import by_value
from kaygraph_viz.recording import record
from tests.execute.dask.worker_functions import (
    GUARD_S,
    die_at_7,
    double,
    hang,
    hang_at_0,
    hang_at_1,
    hang_until,
    say_and_wait,
    spend,
    statuses,
    touch,
    values,
    wait_for_file,
)
from tests.execute.local.process_helpers import is_alive, wait_until

distributed = pytest.importorskip("distributed")


@pytest.mark.parametrize(
    ("count", "is_recorded"),
    [(5000, False), (3000, True), pytest.param(100_000, False, marks=pytest.mark.thorough)],
)
def test_many_items_from_a_generator_with_a_flat_number_in_flight(foreign, count, is_recorded):
    pulled = most = 0

    def items():
        nonlocal pulled
        for number in range(1, count + 1):
            pulled = number
            yield number

    def run():
        nonlocal most
        for delivered, outcome in enumerate(foreign.imap(double, items(), window=600), 1):
            assert outcome.value == 2 * delivered
            most = max(most, pulled - delivered)

    if is_recorded:
        with record() as trace:
            run()
        assert trace.counts()["branch"] == count
    else:
        run()
    assert most <= foreign.workers + 600


def test_an_input_that_waits_for_its_own_outcomes_gets_them(foreign):
    seen = [0]
    news = threading.Semaphore(1)

    def feedback():
        for _ in range(30):
            assert news.acquire(timeout=GUARD_S)
            yield seen[-1]

    for outcome in foreign.imap(lambda x: x + 1, feedback(), window=50):
        seen.append(outcome.value)
        news.release()
    assert seen == list(range(31))


def test_a_chunk_of_short_items_with_a_long_one_is_handed_back(foreign):
    items = [0] * 200 + [150, 150] + [0] * 200
    outcomes = list(foreign.imap(spend, items))
    assert values(outcomes) == items
    assert [outcome.index for outcome in outcomes] == list(range(402))


# -- workers that die ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["own", "foreign"])
def test_an_item_that_ends_its_worker_is_lost_alone_and_run_once(request, which):
    executor = request.getfixturevalue(which)
    with record() as trace:
        outcomes = list(executor.imap(die_at_7, range(200), on_error="collect", owner="Check"))
    assert [outcome.index for outcome in outcomes if not outcome.ok] == [7]
    lost = outcomes[7]
    assert (lost.status, lost.error.runs, lost.error.item) == ("lost", 1, "item 7 of 'Check'")
    assert isinstance(lost.error, WorkerLostError)
    assert lost.error.pid > 0
    assert lost.error.address.startswith("tcp://127.0.0.1")
    assert [(s.index, s.status) for s in trace.where(kind="branch") if s.status != "ok"] == [(7, "lost")]
    assert values(executor.imap(double, range(20))) == list(range(0, 40, 2))


class Fatal:
    """Ends each process that loads it."""

    def __reduce__(self):
        return os._exit, (5,)


@pytest.mark.thorough
def test_what_a_late_branch_has_started_is_killed_with_it(own, tmp_path):
    path = tmp_path / "pid"

    def start(x):
        program = subprocess.Popen(["sleep", "1000"])
        path.write_text(str(program.pid))
        threading.Event().wait()

    outcomes = list(own.imap(start, [1], timeout=2.0, on_error="collect"))
    assert statuses(outcomes) == ["timeout"]
    wait_until(lambda: not is_alive(int(path.read_text())))


@pytest.mark.thorough
def test_an_item_that_ends_each_worker_that_loads_it_is_lost_alone(own):
    with record():
        outcomes = list(own.imap(str, [1, Fatal(), 3, 4, 5], on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["ok", "lost", "ok", "ok", "ok"]
    assert "it ran item 1 of 'Check'" in str(outcomes[1].error)


def test_a_folder_of_journals_that_is_gone_is_noticed(own):
    def items():
        yield 1
        for folder in Path(own._link._folder).iterdir():
            shutil.rmtree(folder)
        yield 2

    outcomes = list(own.imap(double, items(), window=0, on_error="collect"))
    assert [outcome.status for outcome in outcomes][1:] == ["lost"]


def test_a_lost_worker_raises_under_raise(own):
    with pytest.raises(RemoteWorkerLostError, match="was lost while it ran item 7 of 'die_at_7'; the item is not run"):
        list(own.imap(die_at_7, range(10)))


def test_a_worker_killed_from_outside_loses_only_what_it_ran(own, tmp_path):
    path = tmp_path / "hangs"

    def killed_later():
        for number in range(40):
            yield number, str(path)
        wait_for_file(path)
        os.kill(int(Path(f"{path}.1").read_text()), signal.SIGKILL)

    outcomes = list(own.imap(hang_at_1, killed_later(), window=100, on_error="collect"))
    assert [(outcome.index, outcome.status) for outcome in outcomes if not outcome.ok] == [(1, "lost")]
    assert outcomes[1].error.pid == int(Path(f"{path}.1").read_text())
    assert all(len(Path(f"{path}.{number}").read_text().splitlines()) == 1 for number in range(40))


def test_losing_the_scheduler_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_call, "SCHEDULER_GONE_S", 0.1)
    path, path_on = str(tmp_path / "runs"), str(tmp_path / "go on")
    import dask

    quick = dask.config.set({"distributed.comm.timeouts.connect": "1s"})  # or closing what is left takes half a minute
    with quick, local_cluster(1) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        executor = DaskExecutor(client=client)

        def items():
            yield path, path_on
            wait_for_file(path)
            asyncio.run_coroutine_threadsafe(cluster.scheduler.close(), cluster.loop.asyncio_loop).result(GUARD_S)

        with pytest.raises(SchedulerLostError, match="cannot be reached any more"):
            list(executor.imap(say_and_wait, items(), on_error="collect"))
        touch(path_on)  # or closing the cluster would wait for the worker
        executor.close()


# -- timeouts, stopping ----------------------------------------------------------------------------------------------


def test_a_timeout_ends_the_worker_of_an_own_cluster_and_the_pool_keeps_its_size(own, tmp_path):
    with record() as trace:
        outcomes = list(own.imap(hang_at_0, [0, 1, 2], timeout=0.3, on_error="collect", owner="Check"))
    assert statuses(outcomes) == ["timeout", "ok", "ok"]
    assert type(outcomes[0].error) is DeadlineExceeded
    assert [(s.index, s.status) for s in trace.where(kind="branch") if s.status != "ok"] == [(0, "timeout")]
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    list(own.imap(say_and_wait, [(here, there), (there, here)]))  # which needs two workers at once


def test_a_timeout_on_a_foreign_cluster_leaves_a_bar_that_is_abandoned(foreign, tmp_path):
    path = str(tmp_path / "go on")
    with record() as trace:
        outcomes = list(foreign.imap(hang_until, [path, None, None], timeout=0.3, on_error="collect"))
    touch(path)
    assert statuses(outcomes) == ["timeout", "ok", "ok"]
    assert sorted(s.status for s in trace.where(kind="branch")) == ["abandoned", "ok", "ok"]


def test_closing_early_waits_for_what_runs_and_starts_nothing_more(foreign, tmp_path):
    def mark(number):
        touch(tmp_path / str(number))
        return number

    with record() as trace, closing(foreign.imap(mark, count(), window=40)) as outcomes:
        assert values(islice(outcomes, 3)) == [0, 1, 2]
    ran = len(list(tmp_path.iterdir()))
    assert trace.counts()["branch"] == ran
    assert values(foreign.imap(double, range(30))) == list(range(0, 60, 2))
    assert len(list(tmp_path.iterdir())) == ran


def test_a_cancelled_call_ends_at_once_and_starts_nothing_more(own, tmp_path):
    token = CancelToken()

    def items():
        yield str(tmp_path / "a")
        yield str(tmp_path / "b")
        wait_for_file(tmp_path / "a")
        token.cancel()
        yield str(tmp_path / "c")

    with record() as trace, pytest.raises(CallCancelled):
        list(own.imap(hang, items(), cancel=token))
    assert "cancelled" in {s.status for s in trace.where(kind="branch")}
    assert values(own.imap(double, range(4))) == [0, 2, 4, 6]
    assert not (tmp_path / "c").exists()


def test_an_interrupt_gives_control_back_at_once(own, tmp_path):
    def items():
        yield str(tmp_path / "a")
        wait_for_file(tmp_path / "a")
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        list(own.imap(hang, items()))
    assert values(own.imap(double, range(4))) == [0, 2, 4, 6]


def test_what_dask_runs_again_when_its_answer_was_taken_does_nothing(foreign, monkeypatch):
    """As it does if the worker dies before Dask has heard that the answer is not needed any more."""
    answers, forget = [], DaskCall._forget

    def forget_and_run(call, chunk):
        forget(call, chunk)
        items = by_value([pair[:2] for pair in chunk.pairs])
        answers.append(run_chunk("again", chunk.number, packed_setup(again), call._folder, items))

    again = Branches(double, name="again")
    monkeypatch.setattr(dask_worker, "_address", lambda: "tcp://here")
    monkeypatch.setattr(DaskCall, "_forget", forget_and_run)
    assert values(foreign.imap(double, range(4))) == [0, 2, 4, 6]
    assert {answer.is_rerun for answer in answers} == {True}
