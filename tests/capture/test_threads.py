"""Threads that the program starts itself."""

from __future__ import annotations

import contextvars
import multiprocessing
import pickle
import queue
import threading
import time
from types import MethodType, SimpleNamespace

import pytest

import kaygraph_viz as kv
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import current_scope

START = threading.Thread.start


def test_a_thread_is_a_branch_named_after_its_target():
    def work() -> None:
        with kv.span("inside"):
            pass

    with kv.record(capture="threading") as trace:
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
    trace.validate()
    outer, inside = trace.spans
    assert (outer.name, outer.lane, inside.parent_id) == ("work", "worker", outer.span_id)
    assert threading.Thread.start is START


def test_a_thread_that_runs_in_a_context_is_named_after_the_function_within():
    with kv.record(capture="threading", label="arguments") as trace:
        for args in ((len, "tea"), [len, "tea"]):
            thread = threading.Thread(target=contextvars.copy_context().run, args=args)
            thread.start()
            thread.join()
    assert [(each.name, each.attributes["label"]) for each in trace] == [("len", '"tea"')] * 2


def test_threads_of_ours_are_no_branches():
    with kv.record(capture="threading") as trace:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(kv.sleep, 0))
        thread.start()
        thread.join()
    assert not list(trace)


def test_a_class_of_threads_gives_its_name():
    class Crawler(threading.Thread):
        def run(self) -> None:
            self.names = [name for name in vars(self) if not name.startswith("_")]

    with kv.record(capture="threading") as trace:
        thread = Crawler()
        thread.start()
        thread.join()
    assert [each.name for each in trace] == ["Crawler"]
    assert "run" not in thread.names


def test_a_thread_that_was_started_already_says_so():
    with kv.record(capture="threading"):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
    assert "run" not in vars(thread)


def test_an_error_of_a_thread_reaches_its_hook(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda found: seen.append(found.exc_type))
    with kv.record(capture="threading") as trace:
        thread = threading.Thread(target=divmod, args=(1, 0))
        thread.start()
        thread.join()
    assert seen == [ZeroDivisionError]
    assert [(each.name, each.status) for each in trace] == [("divmod", "error")]


def test_a_thread_in_simulated_time_waits_there():
    def work() -> None:
        kv.sleep(0.5)

    with kv.record(clock="virtual", capture="threading") as trace:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    trace.validate()
    assert [(span.name, span.service_s) for span in trace] == [("work", 0.5)]


def test_a_method_without_a_module_belongs_to_the_library_of_its_object():
    loop = type("Loop", (), {"__module__": "uvloop.loop"})()
    in_c = type("cython_function", (), {"__module__": None, "__call__": lambda self, loop: None})()
    with kv.record(capture="threading") as trace:
        thread = threading.Thread(target=MethodType(in_c, loop))  # as old versions of uvloop have some
        thread.start()
        thread.join()
    assert list(trace) == []


# -- queues --------------------------------------------------------------------------------------------------------


CLOCK = FakeClock()


def test_waits_for_a_queue_are_blocked():
    boxes: queue.Queue[int] = queue.Queue()

    def take() -> None:
        boxes.get()

    with kv.record(capture="threading") as trace:
        thread = threading.Thread(target=take)
        thread.start()
        while not trace._source.open_spans:
            time.sleep(0)
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            time.sleep(0)
        boxes.put(1)
        thread.join()
    trace.validate()
    (branch,) = (each for each in trace if each.kind == "branch")
    assert "blocked" in {part.kind for part in branch.parts}
    assert [each.name for each in trace if each.kind == "wait"] == ["Queue.get"]


def test_what_cannot_wait_for_a_queue_is_never_blocked_however_long_it_takes():
    clock = FakeClock()

    class Slow(queue.Queue):
        def _put(self, item):
            clock.advance(0.001)
            super()._put(item)

        def _get(self):
            clock.advance(0.001)
            return super()._get()

    with kv.record(clock=clock, capture="threading") as trace, kv.span("around"):
        boxes = Slow()
        boxes.put(1)
        Slow(1).put(2, block=False)
        assert boxes.get(block=False) == 1
    assert [each.name for each in trace] == ["around"]


# -- queues of processes -------------------------------------------------------------------------------------------


def compute(duration_s):
    CLOCK.compute(duration_s)


class Dear:
    """An item that takes 2 ms to unpickle."""

    def __reduce__(self):
        return compute, (0.002,)


def slow_to_come(item):
    """Return a queue whose item comes after 1 ms."""
    found = multiprocessing.Queue()
    found._sem.acquire()  # as `put` does
    found._recv_bytes = lambda: CLOCK.advance(0.001) or pickle.dumps(item)
    return found


def recorded(call, *, capture="multiprocessing"):
    with kv.record(clock=CLOCK, capture=capture) as trace, kv.span("around"):
        call()
    trace.validate()
    return [(each.name, each.service_s, each.blocked_ns) for each in trace if each.kind == "wait"], trace


def test_the_wait_for_an_item_is_blocked_and_its_unpickling_is_not():
    boxes = slow_to_come(Dear())
    found, trace = recorded(lambda: boxes.get())
    assert found == [("Queue.get", 0.001, 1_000_000)]
    around = trace.spans[0]
    assert [(part.kind, part.ended_ns - part.started_ns) for part in around.parts] == [
        ("blocked", 1_000_000), ("cpu", 2_000_000),
    ]  # fmt: skip
    boxes = slow_to_come(1)
    assert recorded(lambda: boxes.get(), capture="threading")[0] == []


@pytest.mark.parametrize("without_block", [{"block": False}, {"timeout": 0.0, "block": False}])
def test_who_does_not_block_does_not_wait(without_block):
    boxes = slow_to_come(1)
    boxes._poll = lambda *_: True
    assert recorded(lambda: boxes.get(**without_block))[0] == []
    boxes = slow_to_come(1)
    boxes._poll = lambda *_: True
    assert recorded(lambda: boxes.get(False))[0] == []


def test_nobody_waits_to_put_something_where_there_is_room(monkeypatch):
    def slowly(*_):
        CLOCK.advance(0.001)
        return True

    for make in (multiprocessing.Queue, multiprocessing.JoinableQueue):
        boxes = make(1)
        monkeypatch.setattr(boxes, "_start_thread", lambda: None)
        monkeypatch.setattr(boxes._sem, "acquire", slowly)
        assert recorded(lambda boxes=boxes: boxes.put("first"))[0] == []
        monkeypatch.setattr(boxes, "full", lambda: True)
        assert recorded(lambda boxes=boxes: boxes.put("second"))[0] == [("Queue.put", 0.001, 1_000_000)]


def test_joining_a_queue_and_a_simple_queue_are_waits_too(monkeypatch):
    boxes = multiprocessing.JoinableQueue()
    boxes._unfinished_tasks.release()
    monkeypatch.setattr(boxes._cond, "wait", lambda: CLOCK.advance(0.003))
    assert recorded(lambda: boxes.join())[0] == [("Queue.join", 0.003, 3_000_000)]
    simple = multiprocessing.SimpleQueue()
    simple._reader = SimpleNamespace(recv_bytes=lambda: CLOCK.advance(0.004) or pickle.dumps(1))
    assert recorded(lambda: simple.get())[0] == [("SimpleQueue.get", 0.004, 4_000_000)]


def test_what_has_stopped_recording_is_asked_for_no_lane(monkeypatch):
    boxes = slow_to_come(1)

    def stopped():
        recorder = current_scope().recorder
        monkeypatch.setattr(recorder, "is_open", False)  # as in a forked child
        monkeypatch.setattr(recorder.lanes, "mine", pytest.fail)
        assert boxes.get() == 1
        monkeypatch.undo()

    assert recorded(stopped)[0] == []


def test_errors_of_queues_are_those_without_a_recording():
    boxes = multiprocessing.Queue()

    def failed(call):
        try:
            call()
        except Exception as error:
            frames = []
            found = error.__traceback__
            while found is not None:
                frames.append(found.tb_frame.f_code.co_name)
                found = found.tb_next
            return repr(error), frames[1:]
        return None

    calls = [
        lambda: boxes.get(timeout=0.0), lambda: boxes.get(block=False), lambda: boxes.get(1, 2, 3), lambda: boxes.put(),
    ]  # fmt: skip
    plain = [failed(call) for call in calls]
    with kv.record(capture="all"), kv.span("around"):
        assert [failed(call) for call in calls] == plain
    assert None not in plain


@pytest.mark.processes
def test_a_process_that_takes_items_until_it_is_told_to_stop_waits_for_them():
    context = multiprocessing.get_context("fork")
    items, answers = context.Queue(), context.Queue()

    def work():
        for item in iter(items.get, None):
            answers.put(item)

    with kv.record(capture="multiprocessing") as trace:
        process = context.Process(target=work)
        process.start()
        for number in range(3):  # each time, the process waits until this one has seen the answer
            items.put(number)
            assert answers.get() == number
        items.put(None)
        process.join()
    trace.validate()
    assert {each.name for each in trace if each.kind == "wait"} <= {"Queue.get"}
    assert [each.status for each in trace if each.kind == "branch"] == ["ok"]
