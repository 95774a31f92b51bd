"""Work of which only the newest counts."""

from __future__ import annotations

import threading

import pytest

from kaygraph_viz.widgets.playground.newest import Newest

GUARD_S = 30


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


def ignore(_count):
    pass


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


def test_waiting_tells_whether_anything_is_going_on(newest):
    assert not newest.wait(0.001)
    assert newest.is_going_on
