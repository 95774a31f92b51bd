"""Branches on Dask workers: what is special there; the contract itself is in test_contract."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from itertools import count, islice
from pathlib import Path

import pytest

from kaygraph_viz.errors import (
    BranchError,
    CallCancelled,
    DeadlineExceeded,
    NodeError,
    OptionError,
    RemoteWorkerLostError,
    SchedulerLostError,
    WorkerLostError,
)
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.dask import call as dask_call
from kaygraph_viz.execute.dask.cluster import local_cluster
from kaygraph_viz.execute.dask.executor import DaskExecutor
from kaygraph_viz.execute.dask.worker import read_journal
from kaygraph_viz.execute.limits import RetryPolicy
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import record, span

distributed = pytest.importorskip("distributed")

GUARD_S = 20.0
LONG_S = 600.0


@pytest.fixture(scope="module")
def own():
    """An executor with a cluster of its own, whose workers may be killed."""
    with DaskExecutor(2) as executor:
        yield executor


@pytest.fixture
def foreign(dask_client):
    with DaskExecutor(client=dask_client) as executor:
        yield executor


def double(x):
    return 2 * x


def values(outcomes):
    return [outcome.value for outcome in outcomes]


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def touch(path):
    Path(path).touch()


def wait_for_file(path):
    """Wait until the other process has made a file."""
    until = time.monotonic() + GUARD_S
    while not Path(path).exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.005)


def hang(path):
    touch(path)
    threading.Event().wait(LONG_S)


# -- errors are data -----------------------------------------------------------------------------------------------


def fail(x):
    try:
        raise KeyError(x)
    except KeyError as error:
        raise ValueError(f"bad {x}") from error


def test_an_error_comes_back_with_cause_and_traceback(foreign):
    (outcome,) = foreign.imap(fail, [7], on_error="collect")
    assert type(outcome.error) is ValueError
    assert type(outcome.error.__cause__) is KeyError
    assert "in fail" in outcome.traceback


def test_dask_neither_sees_nor_logs_errors_of_user_code(foreign, caplog):
    with caplog.at_level("INFO", "distributed"):
        assert statuses(foreign.imap(fail, range(20), retry=RetryPolicy(2), on_error="collect")) == ["error"] * 20
    assert not [each for each in caplog.records if "bad" in each.getMessage()]


def give_lock(x):
    return threading.Lock() if x == 1 else x


class Trap:
    """Pickles well and cannot be loaded."""

    def __reduce__(self):
        return fail, ("trap",)


def raise_unloadable(x):
    if x == 1:
        raise ValueError("left and right", Trap())
    return x


@pytest.mark.parametrize(
    ("function", "items", "text"),
    [
        (double, [0, threading.Lock(), 2], "item 1 of 'Check' cannot be sent to a worker: TypeError: cannot pickle"),
        (give_lock, [0, 1, 2], "item 1 of 'Check' returned a value that cannot be sent back"),
        (raise_unloadable, [0, 1, 2], "left and right"),
    ],
)
def test_what_cannot_travel_fails_alone(foreign, function, items, text):
    with record() as trace:
        outcomes = list(foreign.imap(function, items, on_error="collect", owner="Check"))
    assert statuses(outcomes) == ["ok", "error", "ok"]
    assert isinstance(outcomes[1].error, BranchError)
    assert text in str(outcomes[1].error)
    assert sorted(s.status for s in trace.where(kind="branch")) == ["error", "ok", "ok"]


def test_an_item_that_cannot_be_loaded_on_the_worker_fails_alone(foreign):
    outcomes = list(foreign.imap(str, [0, Trap(), 2], on_error="collect"))
    assert statuses(outcomes) == ["ok", "error", "ok"]
    assert "could not be loaded on the worker: ValueError: bad trap" in str(outcomes[1].error)


def test_a_function_that_cannot_be_packed_is_refused(foreign):
    lock = threading.Lock()
    with pytest.raises(OptionError, match="fn must be something that can be sent to a worker"):
        list(foreign.imap(lambda x: (lock, x), [1]))


def test_lambdas_closures_methods_and_local_classes_travel(foreign):
    factor = 3

    class Local:
        def __init__(self, x):
            self.x = x

        def times(self, y):
            return self.x * y

    assert values(foreign.imap(lambda x: factor * x, [1, 2])) == [3, 6]
    assert values(foreign.imap(Local(5).times, [1, 2])) == [5, 10]
    (made,) = values(foreign.imap(Local, [4]))
    assert isinstance(made, Local)


def test_a_function_defined_again_runs_in_its_new_body(foreign):
    for body in ("x + 1", "x + 2"):
        scope = {"__name__": "__main__"}
        exec(f"def step(x): return {body}", scope)
        assert values(foreign.imap(scope["step"], [0])) == [int(body[-1])]


def test_nothing_is_written_by_the_caller(foreign, capfd):
    list(foreign.imap(fail, range(4), on_error="collect"))
    assert capfd.readouterr() == ("", "")


# -- order, laziness -----------------------------------------------------------------------------------------------


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


def spend(ms):
    until = time.perf_counter_ns() + ms * 1_000_000
    while time.perf_counter_ns() < until:
        pass
    return ms


def test_a_chunk_of_short_items_with_a_long_one_is_handed_back(foreign):
    items = [0] * 200 + [150, 150] + [0] * 200
    outcomes = list(foreign.imap(spend, items))
    assert values(outcomes) == items
    assert [outcome.index for outcome in outcomes] == list(range(402))


# -- workers that die ----------------------------------------------------------------------------------------------


def die_at_7(x):
    if x == 7:
        os._exit(0)
    return x


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


def test_a_lost_worker_raises_under_raise(own):
    with pytest.raises(RemoteWorkerLostError, match="was lost while it ran item 7 of 'die_at_7'; the item is not run"):
        list(own.imap(die_at_7, range(10)))


def hang_at_1(path_of):
    number, path = path_of
    with Path(f"{path}.{number}").open("a") as runs:  # each run leaves a line
        print(os.getpid(), file=runs)
    if number == 1:
        hang(path)
    return number


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


def say_and_wait(paths):
    touch(paths[0])
    wait_for_file(paths[1])


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


# -- timeouts, stopping --------------------------------------------------------------------------------------------


def hang_at_0(x):
    if x == 0:
        threading.Event().wait(LONG_S)
    return x


def test_a_timeout_ends_the_worker_of_an_own_cluster_and_the_pool_keeps_its_size(own, tmp_path):
    with record() as trace:
        outcomes = list(own.imap(hang_at_0, [0, 1, 2], timeout=0.3, on_error="collect", owner="Check"))
    assert statuses(outcomes) == ["timeout", "ok", "ok"]
    assert type(outcomes[0].error) is DeadlineExceeded
    assert [(s.index, s.status) for s in trace.where(kind="branch") if s.status != "ok"] == [(0, "timeout")]
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    list(own.imap(say_and_wait, [(here, there), (there, here)]))  # which needs two workers at once


def test_a_worker_that_starts_again_is_kept_however_long_that_takes(tmp_path):
    import dask

    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}), DaskExecutor(2) as executor:
        list(executor.imap(hang_at_0, [0], timeout=0.3, on_error="collect"))
        found = list(executor.imap(say_and_wait, [(here, there), (there, here)]))  # which needs two workers at once
    assert statuses(found) == ["ok", "ok"]


def hang_until(paths):
    if paths is not None:
        wait_for_file(paths)


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


def test_workers_of_an_own_cluster_ignore_interrupts(own):
    def ignores(dask_worker=None):
        return signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    assert set(own.client.run(ignores).values()) == {True}


# -- clusters ------------------------------------------------------------------------------------------------------


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


def test_an_existing_client_stays_open(dask_client):
    with DaskExecutor(client=dask_client) as executor:
        assert executor.workers == sum(dask_client.nthreads().values())
        assert executor.client is dask_client
        list(executor.imap(double, [1]))
    assert dask_client.status == "running"
    assert dask_client.submit(double, 4).result() == 8


@pytest.mark.parametrize("client", ["127.0.0.1:8786", 5, object()])
def test_what_is_no_client_is_refused(client):
    with pytest.raises(OptionError, match=r"client must be a distributed\.Client"):
        DaskExecutor(client=client)


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


# -- traces --------------------------------------------------------------------------------------------------------


def nested(x):
    with span("inner", number=x):
        spend(2)
    return x


def test_spans_are_stamped_on_the_workers_and_nest(foreign):
    with record() as trace, span("outer"):
        list(foreign.imap(nested, range(12), name="check"))
    trace.validate()
    by_id = {s.span_id: s for s in trace}
    inner = [s for s in trace if s.name == "inner"]
    assert len(inner) == 12
    for each in inner:
        branch = by_id[each.parent_id]
        assert (branch.name, branch.lane, branch.index) == ("check", each.lane, each.attributes["number"])
        assert by_id[branch.parent_id].name == "outer"
        assert branch.started_ns <= each.started_ns <= each.ended_ns <= branch.ended_ns
    assert {s.lane for s in inner} <= {"dask-1", "dask-2", "dask-3"}


def test_the_first_branch_of_each_lane_says_how_far_its_clock_is_off(foreign):
    with record() as trace:
        list(foreign.imap(spend, [2] * 40))
    told = [s for s in trace if "clock_offset_ns" in s.attributes]
    assert {s.lane for s in told} == {s.lane for s in trace}
    assert len(told) == len({s.lane for s in told})
    for each in told:
        facts = each.attributes
        assert abs(facts["clock_offset_ns"]) <= facts["clock_bound_ns"]  # on one machine the true offset is 0
        assert facts["clock_probes"] >= 20
        assert facts["pid"] != os.getpid()
        assert facts["worker"].startswith("tcp://")


def test_cpu_time_is_that_of_the_worker(foreign):
    with record() as trace:
        list(foreign.imap(spend, [20]))
    (branch,) = trace.where(kind="branch")
    assert 0 < branch.cpu_ns <= branch.ended_ns - branch.started_ns


def test_without_cpu_time_none_is_recorded(foreign):
    with record(cpu_time=False) as trace:
        list(foreign.imap(double, [1]))
    assert [s.cpu_ns for s in trace] == [None]


def test_a_clock_that_workers_do_not_know_gets_times_that_it_could_have_had(foreign):
    with record(clock=FakeClock(start_s=5)) as trace:
        list(foreign.imap(double, range(3)))
    assert {(s.started_ns, s.ended_ns) for s in trace} == {(5_000_000_000, 5_000_000_000)}


def test_an_impossible_start_is_told_and_left_as_it_is(foreign, monkeypatch, request):
    from kaygraph_viz.execute.dask.cluster import Link
    from kaygraph_viz.trace.offsets import Offset

    request.node.add_marker(pytest.mark.invalid_traces)
    monkeypatch.setattr(Link, "offset", lambda *_: Offset(3_600_000_000_000, 1_000))
    with record() as trace, pytest.warns(UserWarning, match="before it was submitted"):
        list(foreign.imap(double, range(5)))
    assert all(s.started_ns < s.submitted_ns or s.submitted_ns == s.started_ns for s in trace)


# -- the journal ---------------------------------------------------------------------------------------------------


def test_a_journal_cut_off_in_the_middle_is_read_as_far_as_it_goes(tmp_path):
    from kaygraph_viz.execute.dask.worker import GO, Journal, WorkerThread

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


def test_the_errors_survive_pickling():
    lost = pickle.loads(pickle.dumps(RemoteWorkerLostError("item 3 of 'Check'", "tcp://10.0.0.1:1", 17, 2)))
    assert (lost.runs, lost.pid, lost.address) == (2, 17, "tcp://10.0.0.1:1")
    assert "in run 2" in str(lost)


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
