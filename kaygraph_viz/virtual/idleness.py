"""Whether a thread really waits, by what the system tells of it.

Belongs here: CPU clocks and states of real threads. Does not belong here: what follows from them (``watchdog``).

A thread that waits for a lock, a queue or a socket sleeps and uses no CPU. One that the machine lets wait for a core is
ready to run, one that reads a file is waiting for the disk, and one that waits for helpers written in another language,
or for its turn with the interpreter, is in a process that computes: none of them is idle. Linux tells all that; other
systems only how much CPU the process has used.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from kaygraph_viz.virtual.fiber import Fiber

__all__ = ["Idleness"]

NO_CPU = 0.001  # who used less than this share of the time was not merely slow
LITTLE_CPU = 0.2  # a process that uses less than this share of a core computes nothing for the one who waits
_THREADS = Path("/proc/self/task")
_now_s, _process_cpu_s, _own_cpu_s = time.monotonic, time.process_time, time.thread_time


class Idleness:
    """What was seen of the thread of a fiber since it was first found where it is.

    Parameters
    ----------
    fiber
        Whose thread; None for nobody's.
    """

    def __init__(self, fiber: Fiber | None) -> None:
        self._is_nobody = fiber is None
        self._native_id = getattr(fiber.thread, "native_id", None) if fiber is not None else None
        self.idle_looks = 0  # one after the other, in which it and its whole process were idle
        self._looks = 0
        self._cpu_s = self._cpu_at_window_s = self._cpu()
        self._others_s, self._seen_s = self._others(), _now_s()

    def look(self) -> None:
        """Look once more."""
        cpu_s, others_s, now_s = self._cpu(), self._others(), _now_s()
        is_idle = cpu_s == self._cpu_s and others_s - self._others_s < LITTLE_CPU * (now_s - self._seen_s)
        self.idle_looks = self.idle_looks + 1 if is_idle and self._all_sleep() else 0
        self._cpu_s, self._others_s, self._seen_s = cpu_s, others_s, now_s
        self._looks += 1

    def has_used_none(self, looks: int, seconds: float) -> bool:
        """Return whether it used next to no CPU in the last so many `looks`, which take `seconds`; asked each time.

        Nobody uses none: what other threads of the process compute meanwhile says nothing.
        """
        if self._looks == 0 or self._looks % looks:
            return False
        if self._is_nobody:
            return True
        used_s, self._cpu_at_window_s = self._cpu_s - self._cpu_at_window_s, self._cpu_s
        return used_s < NO_CPU * seconds

    def _cpu(self) -> float:
        """Return the CPU time of the thread [s]; that of the process, but for ours, where threads have no clock."""
        if self._native_id is not None and sys.platform == "linux":
            with suppress(OSError):  # it has just ended
                return time.clock_gettime((~self._native_id << 3) | 6)  # as Linux numbers the clocks of threads
        return _process_cpu_s() - _own_cpu_s()

    def _others(self) -> float:
        """Return the CPU time of all threads but ours [s]; that of the thread itself does not change while it waits."""
        return _process_cpu_s() - _own_cpu_s()

    def _all_sleep(self) -> bool:
        """Return whether the thread and all others but ours sleep; False where the system does not tell."""
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
    """Return the letter that Linux has for the state of a thread of this process."""
    return (_THREADS / str(native_id) / "stat").read_bytes().rpartition(b") ")[2][:1]
