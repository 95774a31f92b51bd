"""`record` and what it captures; what it keeps is in ``trace/test_recorder``."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span

SUBMIT = ThreadPoolExecutor.submit


def names(trace) -> list[str]:
    trace.validate()
    return [each.name for each in trace]


def test_an_option_that_is_wrong_leaves_no_hook():
    with pytest.raises(OptionError, match="max_spans"), record(capture="all", max_spans=-1):
        pass
    assert ThreadPoolExecutor.submit is SUBMIT


def test_the_innermost_recording_gets_what_is_captured():
    with ThreadPoolExecutor(1) as pool, record(capture="futures") as outer:
        pool.submit(len, []).result()
        with record(capture="futures") as inner:
            pool.submit(max, 1, 2).result()
        pool.submit(min, 1, 2).result()
    assert (names(outer), names(inner)) == (["len", "min"], ["max"])
    assert ThreadPoolExecutor.submit is SUBMIT


def test_a_recording_without_capture_inside_one_with_it_captures_nothing():
    with ThreadPoolExecutor(1) as pool, record(capture="futures"), record() as inner:
        pool.submit(len, []).result()
    assert names(inner) == []


def test_recordings_of_two_threads_are_kept_apart():
    turns = threading.Barrier(2)
    found = {}

    def work(name, function):
        with ThreadPoolExecutor(1) as pool, record(capture="futures") as trace:
            turns.wait()
            pool.submit(function, [1]).result()
            turns.wait()
        found[name] = names(trace)

    threads = [threading.Thread(target=work, args=pair) for pair in [("a", len), ("b", sum)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": ["len"], "b": ["sum"]}
    assert ThreadPoolExecutor.submit is SUBMIT


def test_a_recording_keeps_no_object_of_the_program():
    class Box:
        def open(self, other):
            return self, other

    box, other = Box(), Box()
    alive = [weakref.ref(box), weakref.ref(other)]
    with record(capture="all") as trace:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(box.open, other).result()
        del box, other
        gc.collect()
        assert [each() for each in alive] == [None, None]
    assert names(trace) == ["open"] or names(trace) == ["Box.open"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.processes
def test_a_forked_child_records_nothing():
    with record(capture="all") as trace:
        pid = os.fork()
        if not pid:
            with span("in the child"):
                os._exit(len(trace) + len(list(trace.columns.names)))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert names(trace) == []
