"""A run in the background: what it tells, and what becomes of one that does not heed being stopped."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest

from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.widgets.playground import background
from kaygraph_viz.widgets.playground.background import BackgroundRun, LoopRun, begun

GUARD_S = 30


@pytest.fixture(autouse=True)
def _short_ticks(monkeypatch):
    monkeypatch.setattr(background, "TICK_S", 0.001)


def ignore(_count):
    pass


def test_end_is_told_once_with_what_was_returned_and_recorded():
    def work():
        with record() as trace, span("one"):
            pass
        return trace

    endings = []
    run = BackgroundRun(work, ignore, endings.append)
    run.wait(GUARD_S)
    (ending,) = endings
    assert ending.trace is ending.returned
    assert (ending.error, ending.was_stopped, run.is_going_on) == (None, False, False)


def test_branches_are_counted_while_the_run_goes_on():
    told, was_told = [], threading.Event()

    def tick(count):
        told.append(count)
        if count == 2:
            was_told.set()

    def work():
        with record():
            for _ in range(2):
                with span("one"):
                    pass
            assert was_told.wait(GUARD_S)

    endings = []
    BackgroundRun(work, tick, endings.append).wait(GUARD_S)
    assert endings[0].error is None
    assert told == sorted(told)


def test_run_that_does_not_heed_is_left_alone_and_its_result_ignored():
    began, go = threading.Event(), threading.Event()

    def deaf():
        began.set()
        while not go.is_set():
            with suppress(KeyboardInterrupt):
                go.wait(GUARD_S)

    endings = []
    run = BackgroundRun(deaf, ignore, endings.append, patience_s=0.0)
    assert began.wait(GUARD_S)
    run.stop()
    run.wait(GUARD_S)
    assert [(ending.was_stopped, ending.is_going_on) for ending in endings] == [(True, True)]
    go.set()
    run._worker.join(GUARD_S)
    assert len(endings) == 1


def test_stop_after_the_end_does_nothing():
    endings = []
    run = BackgroundRun(lambda: 1, ignore, endings.append)
    run.wait(GUARD_S)
    run.stop()
    assert (run.was_stopped, [ending.returned for ending in endings]) == (False, [1])


def test_interrupt_of_the_readers_own_is_an_error_and_no_stop():
    def work():
        raise KeyboardInterrupt

    endings = []
    BackgroundRun(work, ignore, endings.append).wait(GUARD_S)
    assert (type(endings[0].error), endings[0].was_stopped) == (KeyboardInterrupt, False)


def test_a_loop_does_the_run_where_there_are_no_threads(monkeypatch):
    async def cell():
        run = begun(lambda: 42, ignore, endings.append)
        assert (run.is_going_on, endings) == (True, [])  # the control that was moved is served first
        await asyncio.sleep(0)
        assert not run.is_going_on

    monkeypatch.setattr(background, "has_threads", lambda: False)
    endings = []
    before = threading.active_count()
    asyncio.run(cell())
    assert [ending.returned for ending in endings] == [42]
    assert threading.active_count() == before


def test_what_was_stopped_before_a_loop_could_begin_is_not_done():
    ran, endings = [], []
    run = LoopRun(lambda: ran.append(1), ignore, endings.append)
    run.stop()
    run.wait()
    run.wait()
    assert (ran, [ending.was_stopped for ending in endings]) == ([], [True])
