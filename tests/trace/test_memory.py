"""Memory in use while a run is recorded: read, kept within bounds, saved and loaded."""

from __future__ import annotations

import ast
import itertools
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import kaygraph_viz as kv
from kaygraph_viz.analysis.compare import compare
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.base.errors import OptionError, TraceFormatError
from kaygraph_viz.recording import record
from kaygraph_viz.trace import memory
from kaygraph_viz.trace.columns import as_places, repeated, sums, tally
from kaygraph_viz.trace.gauges import MAX_GAUGES, MAX_SAMPLES as MAX_GAUGE_SAMPLES, GaugeLog, gauges_from
from kaygraph_viz.trace.memory import MAX_SAMPLES, MemoryLog
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import load
from kaygraph_viz.widgets.timeline.packing import pack


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


# -- gauges --------------------------------------------------------------------------------------------------------


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
    for at in range(10 * MAX_GAUGE_SAMPLES):
        log.note("owner", "calls", at, at, at)
    times, used, _ = log.samples()["calls"]
    assert MAX_GAUGE_SAMPLES / 2 <= len(times) <= MAX_GAUGE_SAMPLES
    assert times == used
    assert times[0] == 0
    assert times[-1] > 9.9 * MAX_GAUGE_SAMPLES
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


# -- counting ------------------------------------------------------------------------------------------------------


ROOT = Path(kv.__file__).parent


@pytest.fixture
def narrow(monkeypatch):
    """Make places 32 bits wide, and refuse wider ones as NumPy does then."""

    def refusing(function):
        def call(*args, **options):
            places = np.asarray(args[place_of[function.__name__]])
            if not np.can_cast(places.dtype, np.int32, "safe"):
                raise TypeError(f"Cannot cast array data from {places.dtype} to int32 according to the rule 'safe'")
            return function(*args, **options)

        return call

    place_of = {"bincount": 0, "repeat": 1}
    monkeypatch.setattr(np, "intp", np.int32)
    for name in place_of:
        monkeypatch.setattr(np, name, refusing(getattr(np, name)))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.int32, np.uint8])
def test_numbers_of_any_width_tell_places(dtype):
    places = np.array([0, 2, 2], dtype)
    assert as_places(places).dtype == np.int32
    assert tally(places, 4).tolist() == [1, 0, 2, 0]
    assert sums(places, [1, 2, 3], 4).tolist() == [1, 0, 5, 0]
    assert repeated([7, 8, 9], places).tolist() == [8, 8, 9, 9]


def test_counts_have_64_bits_and_sums_are_floats():
    assert (tally([], 2).dtype, sums([], [], 2).dtype) == (np.int64, np.float64)


def recorded(workers):
    def work(item):
        kv.sleep(0.1)
        kv.compute(0.01 * item)

    with kv.record(clock="virtual") as trace, kv.get_executor("thread", workers) as executor:
        list(executor.imap(work, range(12)))
    return trace


def everything():
    first, second = recorded(2), recorded(4)
    return [
        str(explain(first)), str(what_if(first, workers=4)), str(compare(first, second)),
        pack(first).data, str(kv.summarize(second)),
    ]  # fmt: skip


def test_analyses_are_the_same_with_narrow_places(request):
    wide = everything()
    request.getfixturevalue("narrow")
    assert everything() == wide


def test_nothing_counts_by_places_in_another_way():
    for path in ROOT.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == "columns.py" or not ("np.bincount" in text or "np.repeat" in text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.bincount", "np.repeat"):
                assert any(option.arg == "axis" for option in node.keywords), f"{path.name}:{node.lineno}"
