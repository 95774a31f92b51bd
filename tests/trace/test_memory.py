"""Memory in use while a run is recorded: read, kept within bounds, saved and loaded."""

from __future__ import annotations

import itertools
import json

import pytest

from kaygraph_viz.base.errors import OptionError, TraceFormatError
from kaygraph_viz.recording import record
from kaygraph_viz.trace import memory
from kaygraph_viz.trace.memory import MAX_SAMPLES, MemoryLog
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import load


def test_memory_is_read_while_it_is_recorded():
    with record(memory=True) as trace, span("a"):
        pass
    times, size = trace.memory
    assert len(times) >= 1
    assert (size > 1_000_000).all()
    assert times[-1] >= trace.spans[0].ended_ns


def test_memory_is_read_only_when_asked_for(monkeypatch):
    monkeypatch.setattr(memory, "_reader", None)
    with record() as trace:
        pass
    assert len(trace.memory.size) == 0


def test_a_long_run_keeps_samples_spread_evenly_and_within_bounds():
    log = MemoryLog(itertools.count().__next__, lambda: 7)
    for tick in range(3 * MAX_SAMPLES):
        if tick % log.times == 0:
            log.sample()
    times, size = log.samples()
    assert MAX_SAMPLES / 2 < len(times) == len(size) <= MAX_SAMPLES
    assert log.times == 4  # a quarter as many are taken as at first


def test_a_fault_of_the_reader_is_one_warning_and_the_run_goes_on(monkeypatch):
    def broken():
        raise RuntimeError("no such file")

    monkeypatch.setattr(memory, "_reader", lambda: broken)
    log = memory.memory_log(memory.REAL, is_wanted=True)
    with pytest.warns(UserWarning, match="not recorded any longer: RuntimeError: no such file"):
        memory._watch(log, memory.threading.Event())
    assert len(log.samples().size) == 0


@pytest.mark.parametrize("options", [{"memory": 1}, {"memory": None}, {"memory": True, "clock": "virtual"}])
def test_wrong_wishes_are_refused(options):
    with pytest.raises(OptionError, match="memory"), record(**options):
        pass


def test_it_is_in_the_file(tmp_path):
    with record(memory=True) as trace, span("a"):
        pass
    loaded = load(trace.save(tmp_path / "run.jsonl"))
    assert [each.tolist() for each in loaded.memory] == [each.tolist() for each in trace.memory]


@pytest.mark.parametrize("wrong", [5, [[1]], [[1], []], [[1], ["x"]], [[1 << 70], [1]], [[True], [1]], [1, 2]])
def test_a_damaged_one_is_refused(tmp_path, wrong):
    with record() as trace:
        pass
    path = trace.save(tmp_path / "run.jsonl")
    head, tail = path.read_text().splitlines()
    path.write_text("\n".join([head, json.dumps({**json.loads(tail), "memory": wrong})]))
    with pytest.raises(TraceFormatError, match="memory"):
        load(path)
