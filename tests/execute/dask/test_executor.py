"""Branches on Dask workers, as users see them: what travels, errors as data; the contract is in test_contract."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.base.errors import BranchError, OptionError
from kaygraph_viz.execute.dask.executor import DaskExecutor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.recording import record
from tests.execute.dask.worker_functions import Trap, double, fail, statuses, values

distributed = pytest.importorskip("distributed")


# -- errors are data -----------------------------------------------------------------------------------------------


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


def test_a_function_that_cannot_be_packed_is_refused(foreign):
    lock = threading.Lock()
    with pytest.raises(OptionError, match="fn must be a value that can be sent to a worker"):
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


# -- clusters ------------------------------------------------------------------------------------------------------


def test_an_existing_client_stays_open(dask_client):
    # Another test may have ended a worker, which comes back.
    dask_client.wait_for_workers(len(dask_client.cluster.workers), timeout=30)
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
