"""The pipeline as an example."""

from __future__ import annotations

import sqlite3

import pytest

from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.examples.pipeline import DATABASE, run


@pytest.fixture(scope="module")
def found():
    return run(Setup(clock="virtual"))


def test_database_holds_every_order_once(found, tmp_path):
    (tmp_path / DATABASE).write_bytes(found.extras[DATABASE])
    connection = sqlite3.connect(tmp_path / DATABASE)
    rows = {number for (number,) in connection.execute("SELECT order_id FROM orders")}
    letters = {number for (number,) in connection.execute("SELECT order_id FROM dead_letters")}
    connection.close()
    assert (len(rows), letters) == (38, {"N01677", "N01691"})
    assert not rows & letters


def test_dead_letters_are_named_with_stage_and_reason(found):
    assert [note.partition(":")[0] for note in found.notes] == ["N01677 failed at validate", "N01691 failed at price"]


def blocked_s(trace, stage):
    return sum(span.blocked_ns or 0 for span in trace.where(kind="branch", name=stage)) / 1e9


def test_slow_disk_blocks_the_stage_before_it(found):
    assert blocked_s(found.traces["parallel"], "enrich") == 0
    assert blocked_s(found.traces["slow-load"], "enrich") > 0.1


def test_stage_that_waits_for_services_is_the_bottleneck(found):
    name, why = found.measured.bottleneck
    busy = {row[0]: row[2] for row in found.details[1]}
    assert name == "enrich"
    assert why == f"busy for {busy['enrich']} of the time"
    assert list(busy) == ["stage", "source", "validate", "price", "enrich", "load"]
