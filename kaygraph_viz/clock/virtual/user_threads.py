"""Threads and thread pools of user code in simulated time.

Belongs here: putting threads that user code starts on the schedule, and the futures of ``ThreadPoolExecutor``. Does not
belong here: what a thread of the schedule is (``threads``).

Threads that an installed library starts are not simulated: what they wait for may be real. They get the clock all the
same, so that `kv.sleep` in one of them raises an error that says so.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from kaygraph_viz.base.errors import VirtualClockError
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.threads import Lock, end_as
from kaygraph_viz.clock.clock import REAL, use_clock
from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.clock.virtual.patches import SimpleQueue
from kaygraph_viz.clock.virtual.threads import VirtualFuture, VirtualThreads, here, is_made_for_user, virtual_thread

__all__ = ["started_threads"]

POOL_WORKERS = 8  # of a pool without a number, as on 4 cores: a run is the same on every machine
END_S = 1.0  # how long a thread whose fiber has ended may take to end itself [s of real time]
_start, _join, _is_alive = threading.Thread.start, threading.Thread.join, threading.Thread.is_alive
_make_pool, _submit = ThreadPoolExecutor.__init__, ThreadPoolExecutor.submit
_mutex = Lock()
_blocks: list[VirtualThreads] = []


@contextmanager
def started_threads(threads: VirtualThreads) -> Iterator[None]:
    """Put threads that user code starts on the schedule while the block runs."""
    with _mutex:
        if not _blocks:
            _replace(start, join, is_alive, make_pool, submit)
            logging.getLogger("concurrent.futures").addFilter(_is_not_the_end_of_a_worker)
        _blocks.append(threads)
    try:
        yield
    finally:
        with _mutex:
            _blocks.remove(threads)
            if not _blocks:
                _replace(_start, _join, _is_alive, _make_pool, _submit)


def _replace(start: Any, join: Any, is_alive: Any, make_pool: Any, submit: Any) -> None:
    thread: Any = threading.Thread
    thread.start, thread.join, thread.is_alive = start, join, is_alive
    pool: Any = ThreadPoolExecutor
    pool.__init__, pool.submit = make_pool, submit


def start(thread: threading.Thread) -> None:
    """Start a thread as `threading.Thread.start` does; one that simulated user code starts is simulated."""
    threads = here()
    if threads is None:
        _start(thread)
        return
    if virtual_thread(thread) is None:
        if is_made_for_user(sys._getframe(1)) and thread.ident is None:
            threads.take_in(thread).start()
            return
        thread.run = partial(_run_with, threads.clock, thread.run)  # type: ignore[method-assign]
    with use_clock(REAL):  # the original waits for the event by which the new thread tells that it runs
        _start(thread)


def _run_with(clock: Any, run: Callable[[], None]) -> None:
    with use_clock(clock):
        run()


def join(thread: threading.Thread, timeout: float | None = None) -> None:
    """Wait as `threading.Thread.join` does; for a simulated thread, in simulated time."""
    own = virtual_thread(thread)
    if own is None or here() is None or thread is threading.current_thread():
        _join(thread, timeout)
        return
    own.join(timeout)
    if own.fiber.is_over:
        with use_clock(REAL):
            own.fiber.carrier.join(thread, END_S)


def is_alive(thread: threading.Thread) -> bool:
    """Return whether a thread is alive; one whose fiber has ended is not."""
    own = virtual_thread(thread)
    return _is_alive(thread) and not (own is not None and own.fiber.is_over)


def make_pool(pool: ThreadPoolExecutor, max_workers: int | None = None, *args: Any, **options: Any) -> None:
    """Make a pool as `ThreadPoolExecutor` does; the number of cores that this machine has does not count."""
    if max_workers is None and here() is not None and is_made_for_user(sys._getframe(1)):
        max_workers = POOL_WORKERS
    _make_pool(pool, max_workers, *args, **options)


def submit(pool: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
    """Submit a call as ``ThreadPoolExecutor.submit`` does; that of simulated user code has a simulated future."""
    threads = here()
    if threads is None or not is_made_for_user(sys._getframe(1)):
        return _submit(pool, fn, *args, **options)
    if not isinstance(pool._work_queue, SimpleQueue):
        raise VirtualClockError(
            "this ThreadPoolExecutor was created before the block began, so its threads run in real time; create it "
            'inside the block, or use kv.get_executor("thread", n)'
        )
    if pool not in threads.pools:
        threads.pools.append(pool)
        pool._threads = _InOrder()  # type: ignore[assignment]
    future = VirtualFuture(next(threads.numbers))
    _submit(pool, future.run, fn, args, options).add_done_callback(
        partial(end_as, future)
    )  # where its pool does not run it
    return future


class _InOrder(dict[threading.Thread, None]):
    """The threads of a pool in the order of their starts: a set, which the pool has, varies from run to run."""

    def add(self, thread: threading.Thread) -> None:
        self[thread] = None


def _is_not_the_end_of_a_worker(record: logging.LogRecord) -> bool:
    """Return whether a log record is about something else than a pool worker that ended with its block."""
    return not (isinstance(record.exc_info, tuple) and record.exc_info[0] is Stopped)
