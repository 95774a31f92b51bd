"""The memory in use during a run, read again and again while it is recorded; only where it was asked for.

Belongs here: reading and keeping it. Does not belong here: drawing it (``plot.curves``), and waiting for memory to be
free (``execute``).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.base.checks import checked_flag
from kaygraph_viz.base.errors import OptionError, warn
from kaygraph_viz.base.optional import require_installed
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.clock.clock import REAL, Clock
from kaygraph_viz.trace.row import LARGEST, describe_error

INTERVAL_S = 0.02  # from one sample to the next, at first
SHARE = 0.02  # of the time, at most, for finding child processes
MAX_SAMPLES = 8_192  # samples; when there are more, every second one is kept, and from then on half as many are taken

Ints = npt.NDArray[np.int64]


class MemorySamples(NamedTuple):
    """The memory in use at some times of a run."""

    times_ns: Ints
    size: Ints


NOTHING = MemorySamples(np.empty(0, np.int64), np.empty(0, np.int64))


class MemoryLog:
    """The samples of a run: at most `MAX_SAMPLES`, spread evenly over the run."""

    def __init__(self, now_ns: Callable[[], int], read: Callable[[], int]) -> None:
        self._now_ns, self._read = now_ns, read
        self._kept: list[tuple[int, int]] = []
        self.times = 1  # how many times as long as at first it is from one sample to the next

    def sample(self) -> None:
        """Take one sample."""
        self._kept.append((self._now_ns(), self._read()))
        if len(self._kept) > MAX_SAMPLES:
            self._kept, self.times = self._kept[::2], 2 * self.times

    def samples(self) -> MemorySamples:
        """Return the samples so far."""
        found = np.array(self._kept, np.int64).reshape(-1, 2)
        return MemorySamples(found[:, 0], found[:, 1])


def memory_log(clock: Clock, *, is_wanted: bool) -> MemoryLog | None:
    """Return the log of the memory in use, or None if that is not wanted."""
    if checked_flag("memory", is_wanted) and clock is not REAL:
        raise OptionError("memory", True, "False with a clock that is not that of this machine", "record(memory=True)")
    return MemoryLog(clock.now_ns, _reader()) if is_wanted else None


@contextmanager
def watching(log: MemoryLog | None) -> Iterator[None]:
    """Read how much memory is in use again and again until the block ends, in a thread."""
    if log is None:
        yield
        return
    is_over = threading.Event()
    thread = threading.Thread(target=_watch, args=(log, is_over), name="kaygraph-viz-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        with suppress(Exception):  # `_watch` has warned
            log.sample()


def _watch(log: MemoryLog, is_over: threading.Event) -> None:
    try:
        log.sample()
        while not is_over.wait(INTERVAL_S * log.times):
            log.sample()
    except Exception as error:  # a fault of the recording must never change a result
        warn(f"memory is not recorded any longer: {describe_error(error)}", stacklevel=2)


def _reader() -> Callable[[], int]:
    """Return a function that returns the memory that this process and those it has started have resident [bytes]."""
    require_installed("numbers of the memory in use", "leave out memory=...")
    import psutil

    process = psutil.Process()
    children: list[Any] = []
    look_at_s = -math.inf

    def read() -> int:
        nonlocal children, look_at_s
        if (began_s := time.monotonic()) >= look_at_s:
            children = process.children(recursive=True)
            look_at_s = began_s + (time.monotonic() - began_s) / SHARE
        used = int(process.memory_info().rss)
        for child in children:
            with suppress(psutil.Error):  # it has ended
                used += int(child.memory_info().rss)
        return used

    return read


def memory_from(fields: Mapping[str, Any]) -> MemorySamples:
    """Return the samples that the last line of a file holds, or raise `ValueError` if they are none."""
    noted = fields.get("memory", [[], []])
    if not isinstance(noted, list) or len(noted) != 2 or not all(isinstance(each, list) for each in noted):
        raise ValueError("memory is not a pair of lists")
    numbers = chain.from_iterable(noted)
    if len(noted[0]) != len(noted[1]) or not all(type(each) is int and abs(each) < LARGEST for each in numbers):
        raise ValueError("memory is not a pair of lists of whole numbers of the same length")
    return MemorySamples(*(np.array(each, np.int64) for each in noted))
