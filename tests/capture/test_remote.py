"""How calls travel to another process and their spans come home, without another process."""

from __future__ import annotations

import copyreg
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import pytest

from kaygraph_viz.capture import process_recorder
from kaygraph_viz.capture.process_recorder import Carried, RemoteCall, TravellingCall, recorder_for, wanted_by
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import COMPACT_FIRST_AT, Recorder, current_scope, span
from kaygraph_viz.trace.row import RowList


def double(number: int) -> int:
    return 2 * number


def many(count: int) -> int:
    for _ in range(count):
        with span("one"):
            pass
    return count


def fail(number: int) -> int:
    raise KeyError(number)


class FrozenError(Exception):
    def __setattr__(self, name, value):
        raise AttributeError(name)


def refuse(why):
    raise FrozenError(why)


def sent(function, monkeypatch):
    """Return a call as another process has it."""
    call = pickle.loads(pickle.dumps(TravellingCall(function, current_scope(), 1)))
    assert isinstance(call, RemoteCall)
    here = os.getpid()
    monkeypatch.setattr(process_recorder.os, "getpid", lambda: here + 1)
    return call


def test_the_spans_of_a_call_come_home_with_its_result(monkeypatch):
    with record() as trace, span("outer"):
        answer = sent(double, monkeypatch)(21)
        assert isinstance(answer, Carried)
        assert pickle.loads(pickle.dumps(answer)) == 42
    trace.validate()
    assert [(each.name, each.parent_id, each.lane) for each in trace] == [
        ("outer", None, "main"), ("double", 1, "process-1"),
    ]  # fmt: skip


def test_what_there_was_no_room_for_is_counted_and_the_call_itself_is_kept(monkeypatch):
    monkeypatch.setattr(process_recorder, "MOST_ROWS", 10)
    monkeypatch.setattr(process_recorder, "_recordings", {})
    with record() as trace:
        answer = sent(many, monkeypatch)(COMPACT_FIRST_AT)
        assert pickle.loads(pickle.dumps(answer)) == COMPACT_FIRST_AT
    assert [each.name for each in trace if each.parent_id is None] == ["many"]
    assert (len(trace), trace.dropped) == (11, COMPACT_FIRST_AT - 10)


def test_so_do_those_of_a_call_that_fails(monkeypatch):
    with record() as trace:
        call = sent(fail, monkeypatch)
        with pytest.raises(Exception, match="7") as caught:
            call(7)
        error = pickle.loads(pickle.dumps(caught.value))
    assert (type(error), error.args) == (KeyError, (7,))
    assert [(each.name, each.status) for each in trace] == [("fail", "error")]


def test_an_error_that_cannot_be_changed_can_be_sent_as_well(monkeypatch):
    monkeypatch.delitem(copyreg.dispatch_table, FrozenError, raising=False)  # Dask sets attributes of all errors
    with record():
        call = sent(refuse, monkeypatch)
        with pytest.raises(Exception, match="cold") as caught:
            call("cold")
        assert b"FrozenError" in pickle.dumps(caught.value)


def test_a_result_that_arrives_after_the_recording_is_just_the_result(monkeypatch):
    with record() as trace:
        answer = pickle.dumps(sent(double, monkeypatch)(21))
    assert pickle.loads(answer) == 42
    assert not len(trace)


def test_after_the_recording_the_function_itself_is_sent():
    with record():
        call = TravellingCall(double, current_scope(), 1)
    assert pickle.loads(pickle.dumps(call)) is double


def test_in_simulated_time_nothing_is_sent_along():
    with record(clock="virtual"):
        assert pickle.loads(pickle.dumps(TravellingCall(double, current_scope(), 1))) is double


def test_a_call_that_comes_back_unused_is_recorded_here():
    with record() as trace:
        assert pickle.loads(pickle.dumps(TravellingCall(double, current_scope(), 1)))(21) == 42
    assert [(each.name, each.lane) for each in trace] == [("double", "main")]


# -- what a recording wants of other processes ------------------------------------------------------------------


class Needy:
    """A label that pickles and does not unpickle."""

    def __call__(self):
        return "needy"

    def __reduce__(self):
        return divmod, (1, 0)


def there(label) -> Recorder:
    """Return the recorder of a worker process for a recording with these labels."""
    return recorder_for(wanted_by(Recorder(REAL, cpu_time=False, label=label)), RowList(5))


def test_the_process_of_the_recording_keeps_nothing_hooked():
    plain = ThreadPoolExecutor.submit
    recorder_for(wanted_by(Recorder(REAL, captured=frozenset({"futures"}))), RowList(5))
    assert ThreadPoolExecutor.submit is plain


def test_labels_go_there_also_by_a_function_without_a_name():
    assert there("arguments").label == "arguments"
    assert there(lambda url: url[1:]).label("/tea") == "tea"


def test_labels_that_cannot_go_there_are_none():
    lock = threading.Lock()
    assert there(lambda: lock).label is None
    assert cloudpickle.dumps(Needy())
    assert there(Needy()).label is None
