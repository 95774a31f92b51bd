"""Report generation as an example."""

from __future__ import annotations

import pytest

from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.examples.report import PAGE, run


@pytest.fixture(scope="module")
def found():
    return run(Setup(clock="virtual", items=5))


def test_page_is_a_picture(found):
    assert found.extras[PAGE].startswith(b"\x89PNG\r\n\x1a\n")


def test_every_panel_says_how_many_answers_it_rests_on(found):
    assert [fact.label for fact in found.facts] == [
        "countries", "plans", "accounts in networks", "industries of employers",
    ]  # fmt: skip
    assert all(fact.remark.startswith("5 of 5 answered") for fact in found.facts)
