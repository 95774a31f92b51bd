"""Threads that the program starts itself."""

from __future__ import annotations

import contextvars
import threading
from types import MethodType

import pytest

import kaygraph_viz as kv

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


def test_a_timer_is_named_after_its_function():
    def ring() -> None: ...

    with kv.record(capture="threading") as trace:
        timer = threading.Timer(0, ring)
        timer.start()
        timer.join()
    assert [each.name for each in trace] == ["ring"]


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
