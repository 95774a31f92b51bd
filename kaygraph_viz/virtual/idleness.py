"""Whether a real thread waits, by what the operating system reports of it.

Belongs here: CPU clocks and states of real threads. Does not belong here: what follows from them (``watchdog``).

A thread that waits for a lock, a queue or a socket sleeps and uses no CPU. A thread that waits for a core is ready to
run, one that reads a file waits for the disk, and one that waits for native threads, or for the GIL, is in a process
that computes: none of them is idle. Linux reports all of that; other systems only the CPU time of the process.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from kaygraph_viz.virtual.fiber import Fiber

__all__ = ["Idleness"]

NO_CPU = 0.001  # share of the time: a thread that used less was not merely slow
LITTLE_CPU = 0.2  # share of one core: a process that uses less computes nothing that the thread could wait for
_THREADS = Path("/proc/self/task")
_now_s, _process_cpu_s = time.monotonic, time.process_time
_own_cpu_s = getattr(time, "thread_time", time.process_time)  # a browser tab has no clock of threads, and no watchdog


class Idleness:
    """Samples of the thread of a fiber, taken since it was first found where it is now."""

    def __init__(self, fiber: Fiber | None) -> None:
        self._has_none = fiber is None
        self._native_id = getattr(fiber.thread, "native_id", None) if fiber is not None else None
        self.idle_samples = 0  # the last ones in a row in which the thread and its whole process were idle
        self._samples = 0
        self._cpu_s = self._cpu_at_window_s = self._cpu()
        self._others_s, self._seen_s = self._others(), _now_s()

    def sample(self) -> None:
        """Read clocks and states once."""
        cpu_s, others_s, now_s = self._cpu(), self._others(), _now_s()
        is_idle = cpu_s == self._cpu_s and others_s - self._others_s < LITTLE_CPU * (now_s - self._seen_s)
        self.idle_samples = self.idle_samples + 1 if is_idle and self._all_sleep() else 0
        self._cpu_s, self._others_s, self._seen_s = cpu_s, others_s, now_s
        self._samples += 1

    def has_used_none(self, samples: int, seconds: float) -> bool:
        """Return whether the thread used no CPU in the last `samples`, which take `seconds` [s]; call it after each."""
        if self._samples == 0 or self._samples % samples:
            return False
        if self._has_none:
            return True
        used_s, self._cpu_at_window_s = self._cpu_s - self._cpu_at_window_s, self._cpu_s
        return used_s < NO_CPU * seconds

    def _cpu(self) -> float:
        """Return the CPU time of the thread [s]; other systems than Linux tell only that of all other threads."""
        if self._native_id is not None and sys.platform == "linux":
            with suppress(OSError):  # it has just ended
                return time.clock_gettime((~self._native_id << 3) | 6)  # as Linux numbers the clocks of threads
        return _process_cpu_s() - _own_cpu_s()

    def _others(self) -> float:
        """Return the CPU time of all threads but the calling one [s]."""
        return _process_cpu_s() - _own_cpu_s()

    def _all_sleep(self) -> bool:
        """Return whether all threads but the calling one sleep; False where the system does not report it."""
        if self._native_id is None:
            return False
        try:
            if _state(self._native_id) != b"S":
                return False
            own = str(threading.get_native_id())
            return all(_state(each.name) not in _BUSY for each in _THREADS.iterdir() if each.name != own)
        except OSError:  # not Linux, or a thread has just ended
            return False


_BUSY = (b"R", b"D", b"T", b"t")  # running or ready, waiting for a disk, stopped


def _state(native_id: int | str) -> bytes:
    """Return the letter by which Linux reports the state of a thread of this process."""
    return (_THREADS / str(native_id) / "stat").read_bytes().rpartition(b") ")[2][:1]
