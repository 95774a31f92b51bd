"""Several modules: an interrupt at whatever moment ends a call at once, and leaves nothing behind."""

from __future__ import annotations

import _thread
import asyncio
import itertools
import sys
import threading
from functools import partial

import pytest

from kaygraph_viz.base.threads import slices
from kaygraph_viz.clock.sync import Lock
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.execute.pipeline.stages import Stage
from kaygraph_viz.execute.rates.rate_limit import AdaptiveLimit, LimitedCall, RateLimit
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from tests.interrupts import interrupted, interrupted_everywhere

GUARD_S = 20.0
IN_A_WAIT = slices.__qualname__  # what is called between the short waits of which a wait is made


class Hanging:
    """Items that hang until the test releases them."""

    def __init__(self):
        self.gate, self.began, self.was_waited_for = threading.Event(), [], False

    def run(self, item):
        self.began.append(item)
        if not self.gate.wait(GUARD_S):
            self.was_waited_for = True

    async def run_async(self, item):
        self.began.append(item)
        await asyncio.Event().wait()


@pytest.fixture(autouse=True, scope="module")
def all_is_imported():
    """Load what is loaded when it is first used."""
    for kind in ("thread", "async"):
        with record(), get_executor(kind, 1) as executor:
            list(executor.imap(str, "ab"))


def imap(kind, items, **options):
    with get_executor(kind, 2) as executor:
        for _ in executor.imap(items.run_async if kind == "async" else items.run, range(8), **options):
            pass


def recorded(items):
    with record() as trace:
        try:
            imap("thread", items)
        finally:
            items.gate.set()
    trace.validate()


def submitted(kind, items):
    with get_executor(kind, 2) as executor:
        for future in [executor.submit(items.run, number) for number in range(4)]:
            future.result()


def piped(items):
    with PipelineRun([Stage("first", items.run, workers=2), Stage("second", items.run)], range(8)) as run:
        list(run)


CALLS = {
    "thread": lambda items: imap("thread", items),
    "with a deadline": lambda items: imap("thread", items, deadline=GUARD_S),
    "async": lambda items: imap("async", items),
    "recorded": recorded,
    "submitted": lambda items: submitted("thread", items),
    "pipeline": piped,
}


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_at_any_moment_ends_a_call_whose_items_hang(name):
    before = set(threading.enumerate())  # also those of other tests
    for moment in itertools.count(1, 7):
        items = Hanging()
        hit = interrupted(partial(CALLS[name], items), moment)
        assert hit is not None, "it has not waited"
        assert not items.was_waited_for, hit
        count = len(items.began)
        items.gate.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(GUARD_S)
        assert len(items.began) == count, hit
        if hit[1] == IN_A_WAIT:
            return


def test_an_interrupt_at_any_moment_leaves_no_lock_locked():
    lock = Lock()

    def act():
        with lock:
            pass

    hits = []
    for hit in interrupted_everywhere(act):
        hits.append(hit)
        assert not lock.locked(), hit
    assert ("call", "Lock.acquire") in hits


def test_an_interrupt_at_any_moment_leaves_no_slot_taken():
    limit = RateLimit(per_second=1_000_000, in_flight=1)

    def act():
        with limit:
            pass

    begin_of_exit = ("call", RateLimit.__exit__.__qualname__)  # before its first line: Python has no way to be told
    for hit in interrupted_everywhere(act):
        if hit == begin_of_exit:
            limit.__exit__(None, None, None)
        assert not any((limit._turns._inside, limit._turns._queue)), hit


def test_an_interrupt_at_any_moment_gives_back_what_a_call_with_units_had():
    limit = RateLimit(units_per_minute=1_000_000, in_flight=AdaptiveLimit())
    calls = []

    def act():
        calls.append(limit.units(5))
        with calls[-1] as call:
            call.used(3)

    begin_of_exit = ("call", LimitedCall.__exit__.__qualname__)
    for hit in interrupted_everywhere(act):
        if hit == begin_of_exit:
            calls[-1].__exit__(None, None, None)
        assert not any((limit._turns._inside, limit._turns._queue)), hit
    (window,) = limit._turns._units
    assert window.used == sum(amount for _, amount in window._begun.values())


def test_a_lock_survives_a_thousand_real_interrupts():
    lock, again, is_over = Lock(), threading.Semaphore(0), threading.Event()

    def interrupt():
        while again.acquire() and not is_over.is_set():
            _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(1000):
            try:
                again.release()
                while True:
                    with lock:
                        pass
            except KeyboardInterrupt:
                assert not lock.locked()
    finally:
        sys.setswitchinterval(interval)
        is_over.set()
        again.release()
        thread.join(GUARD_S)
