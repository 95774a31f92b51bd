"""The source of a pipeline: it is read as it is needed, its errors are told, and it is closed."""

from __future__ import annotations

import itertools

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.execute.pipeline.queues import Buffer
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.source import Source
from kaygraph_viz.execute.pipeline.stages import STAGE_KINDS, Stage
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span
from tests.execute.pipeline.run_helpers import (
    double,
    endless,
    negative,
    ours,
    outcomes,
    values,
)


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_when_the_source_fails_what_it_gave_before_comes_out_first(kind):
    def source():
        yield from range(4)
        raise OSError("disk")

    seen = []
    with pytest.raises(OSError, match="disk") as caught:
        with PipelineRun([Stage("a", double, 2, executor=kind)], source(), owner="ETL") as run:
            seen += (outcome.value for outcome in run)
    assert seen == [0, 2, 4, 6]
    assert caught.value.__notes__ == ["in item 4 of the source of 'ETL'"]
    assert ours() == []


def test_something_that_cannot_be_read_is_an_error_of_the_source():
    class Broken:
        def __iter__(self):
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        outcomes([Stage("a", double)], Broken())


@pytest.mark.parametrize("clock", [None, "virtual"])
@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_when_the_reader_stops_early_the_source_is_closed(kind, clock):
    closed = []
    stages = [Stage("a", double, 2, executor=kind), Stage("b", negative, executor=kind)]
    with record(clock=clock):
        with PipelineRun(stages, endless(closed)) as run:
            assert [next(run).value for _ in range(3)] == [0, -2, -4]
        assert closed == [True]
    assert ours() == []
    assert list(run) == []


def test_an_error_of_a_source_that_is_closed_is_not_lost():
    def source():
        try:
            yield from itertools.count()
        finally:
            raise OSError("cannot close")

    for kind in ("thread", "serial"):
        stages = [Stage("a", double, executor=kind)]
        with pytest.raises(OSError, match="cannot close"), PipelineRun(stages, source()) as run:
            next(run)


def test_things_of_the_caller_that_are_no_generators_stay_open(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("1\n2\n3\n")
    with path.open() as file:
        assert values([Stage("a", int)], file) == [1, 2, 3]
        assert not file.closed


def test_what_the_source_records_lies_in_the_reading_of_its_item():
    def source():
        for number in range(3):
            with span("fetch"):
                sleep(0.1)
            yield number
        with span("close file"):
            sleep(0.1)

    with record(clock="virtual") as trace:
        outcomes([Stage("a", double)], source())
    spans = {found.span_id: found for found in trace}
    assert [spans[fetch.parent_id].index for fetch in trace.where(name="fetch")] == [0, 1, 2]
    assert [branch.service_s for branch in trace.where(name="source")] == [0.1] * 3
    assert spans[trace.where(name="close file")[0].parent_id].kind == "wait"


# -- step by step --------------------------------------------------------------------------------------------------


def source_of(items, size=2, clock=None):
    clock = clock or FakeClock()
    return Source(items, Buffer(size, is_ordered=True, now_ns=clock.now_ns), "ETL", clock.now_ns)


def test_reading_takes_time_and_nothing_is_read_any_more_for_a_queue_that_was_abandoned():
    clock = FakeClock()
    source = source_of((clock.sleep(2) or number for number in itertools.count()), clock=clock)
    assert source.step()
    source.outbox.abandon()
    assert not source.step()
    assert source.meter.facts(10**9).busy_s == 4
