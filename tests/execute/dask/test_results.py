"""What comes back from a cluster becomes outcomes and bars."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.call import Call
from kaygraph_viz.execute.dask.cluster import Link
from kaygraph_viz.execute.dask.results import Results
from kaygraph_viz.execute.dask.worker import WorkerThread, Written
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.offsets import NO_OFFSET, Offset
from kaygraph_viz.trace.recorder import span
from tests.execute.dask.worker_functions import (
    double,
    spend,
)

distributed = pytest.importorskip("distributed")


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


def test_a_clock_that_workers_do_not_know_gets_times_that_it_could_have_had(foreign):
    with record(clock=FakeClock(start_s=5)) as trace:
        list(foreign.imap(double, range(3)))
    assert {(s.started_ns, s.ended_ns) for s in trace} == {(5_000_000_000, 5_000_000_000)}


def test_an_impossible_start_is_told_and_left_as_it_is(foreign, monkeypatch, request):

    request.node.add_marker(pytest.mark.invalid_traces)
    monkeypatch.setattr(Link, "offset", lambda *_: Offset(3_600_000_000_000, 1_000))
    with record() as trace, pytest.warns(UserWarning, match="before it was submitted"):
        list(foreign.imap(double, range(5)))
    assert all(s.started_ns < s.submitted_ns or s.submitted_ns == s.started_ns for s in trace)


# -- outcomes of branches that did not come back -------------------------------------------------------------------

WORKER = WorkerThread("tcp://there", 17, 3)
PAIR = (4, "x", 100)


def results(*, has_journals=True, **options):
    branches = Branches(str, name="look", owner="Check", **options)
    request = Call(branches, [])
    return Results(request, SimpleNamespace(has_journals=has_journals, offset=lambda _: NO_OFFSET))


def written(started=None, started_ns=0, worker=WORKER):
    return Written(worker, [], started, started_ns, False)


@pytest.mark.parametrize(
    ("has_journals", "journal", "started_ns"),
    [
        (True, written(), None),
        (True, written(0, 500), 500),
        (True, written(0, 50), 70),  # the clock of the worker may be a little behind
        (False, written(), 70),
    ],
)
def test_an_item_began_when_its_journal_says_so_or_else_when_it_was_sent(has_journals, journal, started_ns):
    assert results(has_journals=has_journals).started_ns(70, journal) == started_ns


def test_without_a_journal_dask_says_which_worker_it_was_and_how_often_it_ran():
    error = RuntimeError("killed")
    error.allowed_failures, error.last_worker = 2, SimpleNamespace(address="tcp://last")
    found = results(has_journals=False).lost(PAIR, 150, written(worker=None), error)
    assert (found.error.address, found.error.pid, found.error.runs) == ("tcp://last", 0, 3)
    assert found.error.__cause__ is error


@pytest.mark.parametrize("is_released", [True, False])
def test_the_bar_of_an_item_that_was_given_up_goes_on_until_it_ends_or_the_recording(is_released):
    clock = FakeClock()
    with record(clock=clock) as trace:
        held = results()
        held.hold(0, PAIR, WORKER, 200)
        clock.sleep(1)
        if is_released:
            held.release(0)
            clock.sleep(1)  # which is no matter of the bar any more
        held.free_all()
    assert [(s.index, s.status, s.started_ns, s.ended_ns) for s in trace] == [(4, "abandoned", 200, 10**9)]
