"""Gauges: what is kept of them while they are recorded, and in a file."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.trace.memory import GAUGES_MAX_SAMPLES as MAX_SAMPLES, MAX_GAUGES, GaugeLog, gauges_from


def test_only_changes_are_kept_and_of_one_instant_the_last():
    log, owner = GaugeLog(), object()
    for at, used in ((1, 1), (2, 1), (3, 2), (3, 5), (4, 5)):
        log.note(owner, "calls", at, used, 9)
    assert log.samples()["calls"] == ((1, 3), (1, 5), (9, 9))


def test_two_owners_of_one_name_are_told_apart():
    log = GaugeLog()
    for owner in ("first", "second", "third", "first"):
        log.note(owner, "calls", 1, len(owner), 9)
    assert {name: samples.used for name, samples in log.samples().items()} == {
        "calls": (5,), "calls #2": (6,), "calls #3": (5,)
    }  # fmt: skip


def test_a_long_run_keeps_samples_from_all_of_it():
    log = GaugeLog()
    for at in range(10 * MAX_SAMPLES):
        log.note("owner", "calls", at, at, at)
    times, used, _ = log.samples()["calls"]
    assert MAX_SAMPLES / 2 <= len(times) <= MAX_SAMPLES
    assert times == used
    assert times[0] == 0
    assert times[-1] > 9.9 * MAX_SAMPLES
    steps = {after - before for before, after in pairwise(times)}
    assert max(steps) <= 32


def test_there_are_only_so_many():
    log = GaugeLog()
    for number in range(2 * MAX_GAUGES):
        log.note(number, f"gauge {number}", 1, 1, 1)
    assert len(log.samples()) == MAX_GAUGES


def test_a_trace_has_them_live_at_the_end_and_in_its_file(tmp_path):
    limit = kv.RateLimit(in_flight=2)
    with kv.record(clock="virtual") as trace, kv.span("work"), limit:
        kv.sleep(1)
        assert trace.gauges["rate limit: calls in flight"].used == (1,)
    assert trace.gauges["rate limit: calls in flight"] == ((0, 10**9), (1, 0), (2, 2))
    assert kv.load(trace.save(tmp_path / "run.jsonl")).gauges == trace.gauges


def test_a_run_without_limits_has_none(tmp_path):
    with kv.record(clock="virtual") as trace, kv.span("work"):
        pass
    assert trace.gauges == {}
    assert b"gauges" not in trace.save(tmp_path / "run.jsonl").read_bytes()


@pytest.mark.parametrize(
    "gauges",
    [5, {"a": 5}, {"a": [[1], [2]]}, {"a": [[1], [2], [3, 4]]}, {"a": [[1], [2.5], [3]]},
     {"a": [[2, 1], [0, 0], [0, 0]]}, {"a": [[True], [1], [1]]},
     {"a": [[1 << 63], [1], [1]]}, {str(number): [[], [], []] for number in range(99)}],
    ids=str,
)  # fmt: skip
def test_damaged_gauges_are_refused(gauges, tmp_path):
    with pytest.raises(ValueError, match="gauges are not"):
        gauges_from({"gauges": gauges})
    path = tmp_path / "run.jsonl"
    with kv.record(clock="virtual") as trace, kv.span("work"):
        pass
    trace.save(path)
    path.write_text(path.read_text().replace('"dropped":0', f'"dropped":0,"gauges":{json.dumps(gauges)}'))
    with pytest.raises(TraceFormatError):
        kv.load(path)
