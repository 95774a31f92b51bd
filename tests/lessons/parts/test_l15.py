"""The parts of a report: what they return, and what happens where no service is open."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.lessons.grade import grade
from kaygraph_viz.lessons.parts import l15 as shop
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace

CUSTOMER = shop.new_customers[0]
PRICED = [SimpleNamespace(country="DE", net_cents=cents) for cents in (250, 350)]
FACTS = {("profile", "C1"): {"plan": "basic"}, ("profile", "C2"): None, ("social", "C1"): {"followers": 3}}


class Ask(ParallelBatchNode):
    def prep(self, shared):
        return shop.SERVICES

    def exec(self, service):
        return shop.ask(service, CUSTOMER["customer_id"])

    def post(self, shared, services, answers):
        shared["answers"] = answers


def test_services_are_open_during_a_run_only():
    shared, _ = shop.run(Graph(start=Ask(max_workers=3)))
    assert len(shared["answers"]) == len(shop.SERVICES)
    with pytest.raises(RuntimeError, match="use threads for this part"):
        shop.ask("social", CUSTOMER["customer_id"])


def test_a_service_that_hangs_gives_no_answer():
    shared, trace = shop.run(Graph(start=Ask(max_workers=3)), hang_rate=1.0)
    social = shared["answers"][shop.SERVICES.index("social")]
    assert (social, trace.makespan_s >= shop.PATIENCE_S) == (None, True)


@pytest.mark.parametrize(
    ("panel", "numbers"), list(zip(shop.PANELS, [{"DE": 6}, {"basic": 1}, {1: 2, 0: 1}], strict=True)), ids=shop.PANELS
)
def test_a_panel_counts_only_what_is_there(panel, numbers):
    shared = {"priced": [None, *PRICED], "facts": FACTS, "findings": [["a remark"], [], ["another"]]}
    with record(clock="virtual"):
        assert shop.count_panel(panel, shared) == numbers


def test_the_longest_branch_of_a_name_counts():
    goal = shop.none_longer_than(1, "ask")
    assert grade(make_trace(bar("ask", "t-1", 0, 1), bar("other", "t-1", 1, 9)), [goal]).passed
    (found,) = grade(make_trace(bar("ask", "t-1", 0, 1), bar("ask", "t-2", 1, 4)), [goal]).findings
    assert (found.is_met, found.reason, found.from_s, found.to_s) == (False, "the longest took 3.00 s", 1, 4)
    assert not grade(make_trace(bar("other", "t-1", 0, 1)), [goal]).passed
