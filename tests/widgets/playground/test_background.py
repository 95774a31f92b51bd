"""A run in the background: what it tells, and what becomes of one that does not heed being stopped."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest

from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.widgets.playground import background
from kaygraph_viz.widgets.playground.background import BackgroundRun, LoopRun, Newest, begun

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


# -- work of which only the newest counts -----


class Blocked:
    """Work that waits for leave."""

    def __init__(self):
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self):
        self.began.set()
        assert self.go.wait(GUARD_S)
        return "blocked"


@pytest.fixture
def blocked():
    blocked = Blocked()
    yield blocked
    blocked.go.set()


@pytest.fixture
def endings():
    return []


@pytest.fixture
def newest(blocked, endings):
    newest = Newest()
    newest.ask(blocked, ignore, endings.append)
    assert blocked.began.wait(GUARD_S)
    yield newest
    blocked.go.set()
    assert newest.wait(GUARD_S)


def told(endings):
    return [ending.returned for ending in endings]


def test_of_what_waits_only_the_newest_is_done(newest, blocked, endings):
    done = []
    for number in range(3):
        newest.ask(lambda number=number: done.append(number) or number, ignore, endings.append)
    blocked.go.set()
    assert newest.wait(GUARD_S)
    assert (done, told(endings)) == ([2], [2])


def test_what_was_dropped_is_not_told_and_later_work_is(newest, blocked, endings):
    newest.drop()
    blocked.go.set()
    assert newest.wait(GUARD_S)
    newest.ask(lambda: "later", ignore, endings.append)
    assert newest.wait(GUARD_S)
    assert told(endings) == ["later"]


def test_work_that_is_asked_for_at_the_end_of_other_work_is_done(endings):
    newest = Newest()

    def ended(ending):
        endings.append(ending)
        newest.ask(lambda: "second", ignore, endings.append)

    newest.ask(lambda: "first", ignore, ended)
    assert newest.wait(GUARD_S)
    assert told(endings) == ["first", "second"]


def test_work_that_is_stopped_before_it_began_is_told_to_be_stopped(newest, blocked, endings):
    newest.ask(never, ignore, endings.append)
    newest.stop()
    blocked.go.set()
    assert newest.wait(GUARD_S)
    (ending,) = endings
    assert ending.was_stopped


def never():
    raise AssertionError("it was stopped before it began")
