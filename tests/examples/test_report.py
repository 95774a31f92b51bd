"""Report generation as an example."""

from __future__ import annotations

import pytest

from kaygraph_viz.examples.report import PAGE, run
from kaygraph_viz.examples.setup import Setup


@pytest.fixture(scope="module")
def found():
    return run(Setup(clock="virtual", items=5))


def test_page_is_a_picture(found):
    assert found.extras[PAGE].startswith(b"\x89PNG\r\n\x1a\n")


def test_drawing_begins_after_the_last_answer(found):
    (page,) = found.trace.where(kind="node", name="ReportPageNode")
    assert max(span.ended_ns for span in found.trace.where(kind="branch")) <= page.started_ns


def test_every_panel_says_how_many_answers_it_rests_on(found):
    assert [fact.label for fact in found.facts] == [
        "countries", "plans", "accounts in networks", "industries of employers",
    ]  # fmt: skip
    assert all(fact.remark.startswith("5 of 5 answered") for fact in found.facts)


@pytest.mark.parametrize("kind", ["serial", "process", "async"])
def test_every_kind_of_worker_reports_the_same(kind, found):
    assert run(Setup(clock="virtual", items=5, executor=kind)).facts == found.facts
