"""What a library makes, and waits for, stays real; what user code makes is simulated."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from multiprocessing.pool import ThreadPool

from kaygraph_viz.clock import REAL, use_clock
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.virtual import patches as ordinary
from kaygraph_viz.virtual.clock import VirtualClock
from kaygraph_viz.virtual.participants import here, is_called_by_user, is_made_for_user, module_of
from tests.virtual.running import branches, now_s

GUARD_S = 20.0


def test_logging_in_branches_works_and_goes_on_after_the_block():
    lines, handler = [], []

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    log = logging.getLogger("ordinary")
    log.setLevel(logging.INFO)

    def tell(number):
        time.sleep(1)
        log.info("item %d", number)

    with VirtualClock():
        log.addHandler(handler.append(Lines()) or handler[0])
        branches(tell)
        assert not isinstance(handler[0].lock, ordinary.locks.RLock)  # of a library: a real one
    log.info("after")
    log.removeHandler(handler[0])
    assert lines == ["item 0", "item 1", "item 2", "item 3", "after"]


def test_what_a_library_makes_and_waits_for_is_real(monkeypatch):
    """As a notebook does that flushes what was printed: it makes an event that a thread of its own sets."""
    library = {"threading": threading, "__name__": "somebody"}
    source = (
        "def flush(thread):\n"
        "    event = threading.Event()\n"
        "    thread.put(event.set)\n"
        "    return event.wait(20), type(threading.Lock()), type(threading.Semaphore()._cond._lock)\n"
    )
    exec(compile(source, threading.__file__.replace("threading.py", "library.py"), "exec"), library)
    line, lock = queue.Queue(), threading.Lock()
    outsider = threading.Thread(target=lambda: line.get(timeout=GUARD_S)())
    outsider.start()
    with VirtualClock():
        found = branches(lambda _: library["flush"](line), 1)
        assert now_s() == 0
    outsider.join(GUARD_S)
    assert found == [(True, type(lock), type(lock))]


# -- which threads are simulated, and whose calls they make -----------------------------------------------------------


def test_threads_of_the_schedule_are_found_and_no_others(clock):
    found, outside = [here()], []
    outsider = ThreadPool(1)
    outside.append(outsider.apply(here))
    outsider.close()
    thread = clock.threads.Thread(lambda: found.append(here()))
    thread.start()
    thread.join()
    assert found == [clock.threads] * 2
    assert outside == [None]


def test_outside_of_a_block_and_under_another_clock_no_thread_is_simulated(clock):
    with use_clock(FakeClock()):
        assert here() is None
    with use_clock(REAL):
        assert here() is None
    assert here() is clock.threads


def code_of(module, source, **names):
    """Return what the code of a module calls `made`, which it makes when its file is that of the standard library."""
    names |= {"__name__": module, "sys": sys}
    exec(compile(source, threading.__file__, "exec"), names)
    return names["made"]


def test_a_call_by_way_of_the_standard_library_is_for_user_code():
    made = code_of("queue", "def made(ask): return ask(sys._getframe(0))")
    assert made(is_made_for_user)
    assert made(is_called_by_user)


def test_a_call_of_a_library_is_not():
    made = code_of("somebody", "def made(ask): return ask(sys._getframe(0))")
    assert not made(is_made_for_user)
    assert not made(is_called_by_user)


def test_a_wait_of_this_package_counts_but_what_it_makes_does_not():
    made = code_of("kaygraph_viz.execute", "def made(ask): return ask(sys._getframe(0))")
    assert made(is_called_by_user)
    assert not made(is_made_for_user)


def test_what_a_new_thread_tells_its_starter_with_is_not_made_for_user_code():
    seen = []

    class Mine(threading.Thread):
        pass

    event = threading.Event
    threading.Event = lambda: seen.append(is_made_for_user(sys._getframe(1))) or event()
    try:
        Mine(target=int)
    finally:
        threading.Event = event
    assert seen == [False]


def test_a_frame_belongs_to_a_module():
    assert module_of(sys._getframe()) == __name__
    assert module_of(None) == ""
