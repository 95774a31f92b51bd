"""The program of the helper process, run here: threads are found, changes are kept, there are never too many."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from kaygraph_viz.trace.sampler import clock_reader as sampler_program
from kaygraph_viz.trace.sampler.clock_reader import Watch
from kaygraph_viz.trace.sampler.sampler import is_available, readings_in

GUARD_S = 20.0
pytestmark = pytest.mark.skipif(sys.platform != "linux" or not is_available(), reason="the clocks of Linux")


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose only number is what the clock of the program says [ns]."""
    now = [1_000]
    monkeypatch.setattr(sampler_program.time, "perf_counter_ns", lambda: now[0])
    return now


@pytest.fixture
def answers(monkeypatch):
    """Return what the system says of every thread, as a list of one text."""
    said = [b"100 7 1\n"]

    def pread(file, size, offset):
        if isinstance(said[0], OSError):
            raise said[0]
        return said[0]

    monkeypatch.setattr(sampler_program.os, "pread", pread)
    return said


def readings_of(watch, tid=None):
    tid = tid or threading.get_native_id()
    return [each for each in readings_in(watch.message()) if each.tid == tid]


def tick(watch, clock, now_ns):
    clock[0] = now_ns
    watch.tick()


@pytest.fixture
def watch(clock, answers):
    made = Watch(os.getpid(), 10)
    made.find_all_threads()
    yield made
    for key in list(made._living):
        made._end(key)


def test_only_changes_and_the_last_reading_before_one_are_kept(watch, clock, answers):
    for now in (10, 20, 30, 40):
        tick(watch, clock, now)
    answers[0] = b"150 9 2\n"
    tick(watch, clock, 50)
    tick(watch, clock, 60)
    (found,) = readings_of(watch)
    assert found.times_ns.tolist() == [10, 40, 50, 60]
    assert found.cpu_ns.tolist() == [100, 100, 150, 150]
    assert found.core_ns.tolist() == [7, 7, 9, 9]
    assert found.pid == os.getpid()


def test_a_thread_that_has_ended_keeps_its_readings(watch, clock, answers):
    tick(watch, clock, 10)
    answers[0] = ProcessLookupError()
    tick(watch, clock, 20)
    tick(watch, clock, 30)
    (found,) = readings_of(watch)
    assert found.times_ns.tolist() == [10]


def test_a_number_that_is_given_to_another_thread_has_two_rows_of_readings(watch, clock, answers):
    tick(watch, clock, 10)
    answers[0] = ProcessLookupError()
    tick(watch, clock, 20)
    answers[0] = b"5 0 1\n"
    clock[0] = 25
    watch.find_threads(os.getpid())
    tick(watch, clock, 30)
    first, second = readings_of(watch)
    assert first.cpu_ns.tolist() == [100]
    assert second.times_ns.tolist() == [1_000, 30]  # it began after the last time that anybody looked
    assert second.cpu_ns.tolist() == [0, 5]


def test_threads_that_begin_later_are_found(watch, clock):
    has_begun, is_over = threading.Event(), threading.Event()

    def work():
        has_begun.set()
        is_over.wait(GUARD_S)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert has_begun.wait(GUARD_S)
        watch.find_threads(os.getpid())
        tick(watch, clock, 2_000)
        assert len(readings_of(watch, thread.native_id)) == 1
    finally:
        is_over.set()
        thread.join(GUARD_S)


def test_too_many_readings_are_halved_and_fewer_are_taken(clock, answers):
    watch = Watch(os.getpid(), 10, max_readings=8)
    watch.find_all_threads()
    for number in range(1, 11):
        answers[0] = b"%d 0 1\n" % number
        tick(watch, clock, 10 * number)
    watch.find_all_threads()
    (found,) = readings_of(watch)
    assert found.cpu_ns.tolist() == [1, 3, 5, 7, 9, 9]
    assert watch.period_ns == 20
    for key in list(watch._living):
        watch._end(key)


def test_a_process_that_is_gone_is_not_looked_at_again(watch):
    watch.find_threads(2**22 + 1)  # no process has such a number
    watch.find_all_threads()
    assert 2**22 + 1 not in watch._pids
