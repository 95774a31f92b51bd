"""Lanes: which worker a span ran on, and the CPU time of that worker's thread.

Belongs here: naming lanes, lending them to workers, reading the CPU clock of a thread no more often than needed.
Does not belong here: drawing lanes (``plot``).
"""

from __future__ import annotations

import threading
from asyncio import Task, _get_running_loop, current_task
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["CPU_RESOLUTION_NS", "Lane", "Lanes"]

CPU_RESOLUTION_NS = 20_000  # reading a thread's CPU clock costs up to 1 us: closer readings are not worth taking


class Lane:
    """One worker: a row in a chart, and the last reading of its thread's CPU clock.

    Parameters
    ----------
    name
        What the row is called.
    cpu_clock
        Returns the CPU time of the calling thread [ns], or None where CPU time is not wanted.
    resolution_ns
        How old a reading may be to be used again [ns]; 0 for clocks that cost nothing.
    """

    __slots__ = ("_clock", "_cpu_ns", "_read_ns", "_resolution_ns", "name")

    def __init__(self, name: str, cpu_clock: Callable[[], int] | None, resolution_ns: int = CPU_RESOLUTION_NS) -> None:
        self.name = name
        self._clock = cpu_clock
        self._resolution_ns = resolution_ns
        self._read_ns = -resolution_ns - 1
        self._cpu_ns = 0

    def cpu_at(self, now_ns: int) -> int:
        """Return the CPU time of the calling thread at `now_ns`, at most the resolution old [ns]."""
        if now_ns - self._read_ns >= self._resolution_ns and self._clock is not None:
            self._read_ns = now_ns
            self._cpu_ns = self._clock()
        return self._cpu_ns

    def cpu_between(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> int:
        """Return the CPU time of a span that ends now [ns]; -1 where CPU time is not wanted.

        A span shorter than the resolution counts as CPU from end to end.
        """
        if self._clock is None:
            return -1
        service_ns = ended_ns - started_ns
        if service_ns < self._resolution_ns:
            return service_ns
        return min(self.cpu_at(ended_ns) - cpu_at_start_ns, service_ns)


class Lanes:
    """The lanes of one recording.

    Parameters
    ----------
    cpu_clock, resolution_ns
        As for `Lane`.
    """

    def __init__(self, cpu_clock: Callable[[], int] | None, resolution_ns: int = CPU_RESOLUTION_NS) -> None:
        self._clock = cpu_clock
        self._resolution_ns = resolution_ns
        self._lock = threading.Lock()
        self._here = threading.local()  # dies with its thread; the number of a thread is soon given to another one
        self._home_thread = threading.current_thread()  # the one in which the recording began is called main
        self._home = current_task() if _get_running_loop() is not None else None
        self._tasks: WeakKeyDictionary[Task[Any], Lane] = WeakKeyDictionary()
        self._named: dict[str, threading.Thread] = {}
        self._free: dict[str, list[int]] = {}
        self._made: dict[str, int] = {}

    def mine(self) -> Lane:
        """Return the lane of the caller; a thread or task that nobody gave one gets one of its own.

        Tasks of one loop overlap, so each has its own lane, but for the one in which the recording began.
        """
        if _get_running_loop() is not None:
            task = current_task()
            if task is not None and task is not self._home:
                return self._tasks.get(task) or self._name_task(task)
        lane: Lane | None = getattr(self._here, "lane", None)
        return self._name_by_thread() if lane is None else lane

    def _name_task(self, task: Task[Any]) -> Lane:
        lane = self._tasks[task] = self.take("task")
        task.add_done_callback(lambda _: self.free(lane))
        return lane

    def _name_by_thread(self) -> Lane:
        thread = threading.current_thread()
        base = name = "main" if thread is self._home_thread else thread.name
        with self._lock:
            number = 1
            while name in self._named and self._named[name].is_alive():
                number += 1
                name = f"{base} #{number}"
            self._named[name] = thread
        lane = self._here.lane = self._make(name)
        return lane

    def _make(self, name: str) -> Lane:
        return Lane(name, self._clock, self._resolution_ns)

    def take(self, kind: str) -> Lane:
        """Return the lowest free lane of a kind of worker, such as ``thread-1``; give it back with `free`."""
        with self._lock:
            free = self._free.setdefault(kind, [])
            if not free:
                self._made[kind] = self._made.get(kind, 0) + 1
                free.append(self._made[kind])
            return self._make(f"{kind}-{heappop(free)}")

    def again(self, lane: Lane) -> Lane:
        """Return a lane of the same name for another thread: each thread has a CPU clock of its own."""
        return self._make(lane.name)

    def enter(self, lane: Lane) -> None:
        """Say that the calling task, or else thread, works on `lane`."""
        task = current_task() if _get_running_loop() is not None else None
        if task is not None:
            self._tasks[task] = lane
        else:
            self._here.lane = lane

    def free(self, lane: Lane) -> None:
        """Give back a taken lane when its worker has ended."""
        kind, _, number = lane.name.rpartition("-")
        with self._lock:
            heappush(self._free[kind], int(number))
