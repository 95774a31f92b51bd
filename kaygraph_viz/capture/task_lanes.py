"""What a task of asyncio did when: its steps, and what it waited for between them.

Belongs here: the lane of a task, the CPU clock of the thread of a loop. Does not belong here: the hooks in loops
(``tasks``).

Neighbouring steps of a few microseconds make one stretch, of which only start, end and CPU time are kept.
"""

from __future__ import annotations

import threading
from asyncio import Task
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from kaygraph_viz.awaited import innermost_frame, kind_of_wait, overdue_s
from kaygraph_viz.clock import REAL
from kaygraph_viz.parts import ALL_CPU, NO_SHARE, PART_CODE, Entry
from kaygraph_viz.trace.lanes import CPU_RESOLUTION_NS, Lane, Lanes, Measured, measured_in

__all__ = ["OLDEST_READING_NS", "SHORT_WAIT_NS", "TaskLane", "TaskLanes"]

CPU, WAIT, GIL, BLOCKED, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "gil", "blocked", "unknown"))
SHORT_WAIT_NS = 50_000  # what a shorter wait was for is not looked up
OLDEST_READING_NS = 200_000  # of the CPU clock when a step begins


class TaskLane(Lane):
    """The lane of a task: its CPU clock runs while the task has the loop."""

    __slots__ = ("_ran_before_ns", "_since_ns", "began_ns", "checked_ns", "ended_ns", "number", "ran_ns")

    def __init__(self, name: str, cpu_clock: Callable[[], int] | None, *_: Any, **__: Any) -> None:
        super().__init__(name, cpu_clock)
        self.number = int(name.rpartition("-")[2])
        self.begin(0)

    def begin(self, now_ns: int) -> None:
        """Begin with another task, whose first step begins now [ns]."""
        if self.log.entries:
            self.log.entries.clear()
        self.ran_ns = self._ran_before_ns = 0  # CPU time of its steps so far, and of those before the stretch under way
        self.began_ns = 0  # of the step under way; 0 between two steps
        self._since_ns = self.ended_ns = now_ns  # when the stretch of short steps began; when the last step ended
        self.check_clock(now_ns)

    def check_clock(self, now_ns: int) -> None:
        """Have a reading of the CPU clock that is not too old, for a step that begins now [ns]."""
        self.checked_ns = now_ns
        if now_ns - _cpu.read_ns > OLDEST_READING_NS:
            _cpu.read(now_ns)

    def end_step(self, ended_ns: int, _: int = -1) -> None:
        """Note that the step under way has ended."""
        began_ns, self.began_ns = self.began_ns, 0
        self.ended_ns = ended_ns
        lasted_ns = ended_ns - began_ns
        if lasted_ns < CPU_RESOLUTION_NS or self._clock is None:
            self.ran_ns += lasted_ns
        else:
            used_ns = _cpu.since_last(began_ns, ended_ns)
            self._close_stretch(began_ns)
            self.log.settle(began_ns, ended_ns, 0, used_ns)
            self.ran_ns += used_ns
            self._begin_stretch(ended_ns)

    def end_wait(self, task: Task[Any], now_ns: int) -> None:
        """Note what the task waited for since its last step, which is no short while ago."""
        last_ns, log = self.ended_ns, self.log
        self._close_stretch(last_ns)
        self._begin_stretch(now_ns)
        if getattr(task, "_fut_waiter", None) is None:  # it only let others go first
            log.entries.append((GIL, last_ns, now_ns, NO_SHARE, -1))
            return
        frame = innermost_frame(task.get_coro())
        late_ns = min(now_ns - last_ns, round(overdue_s(frame, task.get_loop()) * 1e9))
        if late_ns < CPU_RESOLUTION_NS:
            late_ns = 0
        log.add(kind_of_wait(frame), last_ns, now_ns - late_ns)
        log.add("gil", now_ns - late_ns, now_ns)

    def _begin_stretch(self, now_ns: int) -> None:
        self._since_ns, self._ran_before_ns = now_ns, self.ran_ns

    def _close_stretch(self, until_ns: int) -> None:
        entries, since_ns = self.log.entries, self._since_ns
        if until_ns <= since_ns:
            return
        if entries and entries[-1][2] > since_ns:  # something in it is known
            self.log.settle(since_ns, until_ns, self._ran_before_ns, self.ran_ns)
        else:
            entries.append(_stretch(since_ns, until_ns, self.ran_ns - self._ran_before_ns))

    def cpu_at(self, now_ns: int) -> int:
        """Return the CPU time of the task until `now_ns` [ns]."""
        return self.ran_ns + (now_ns - self.began_ns if self.began_ns else 0)

    def cpu_between(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> int:
        """Return the CPU time of a span that ends now [ns]; -1 where CPU time is not wanted."""
        if self._clock is None:
            return -1
        return max(0, min(self.cpu_at(ended_ns) - cpu_at_start_ns, ended_ns - started_ns))

    def measured(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> Measured:
        """Return CPU time, blocked time and parts of a span in the task, which ends now [ns], in a step."""
        if started_ns >= self.began_ns > 0 and not self.log.entries:
            return self.cpu_between(cpu_at_start_ns, started_ns, ended_ns), 0, None
        if self.began_ns:
            self.end_step(ended_ns)
            self.began_ns = ended_ns
        self._close_stretch(self.ended_ns)
        self._begin_stretch(self.ended_ns)
        _, blocked_ns, parts = measured_in(self.log, started_ns, ended_ns, has_cpu=False)
        return self.cpu_between(cpu_at_start_ns, started_ns, ended_ns), blocked_ns, parts

    def told(self, started_ns: int, now_ns: int) -> Measured:
        """Return CPU time, blocked time and parts of the task itself, which began at `started_ns` [ns]; changes nothing."""
        lasted_ns, entries = now_ns - started_ns, self.log.entries
        cpu_ns = -1 if self._clock is None else min(self.cpu_at(now_ns), lasted_ns)
        if not entries and self.ended_ns == now_ns:  # short steps alone: their sum says it all
            return cpu_ns, 0, None
        told = self._told_until(now_ns)
        if len(told) == 1 and told[0][0] == CPU:
            return cpu_ns, 0, None
        if told[0][1] > started_ns:  # a very long log has lost its begin
            told.insert(0, (UNKNOWN, started_ns, told[0][1], NO_SHARE, -1))
        blocked_ns = sum(until - began for code, began, until, *_ in told if code == BLOCKED)
        return cpu_ns, blocked_ns, tuple((code, until, share) for code, _, until, share, _ in told)

    def _told_until(self, now_ns: int) -> list[Entry]:
        told = self.log.entries.copy()
        is_in_step = self.began_ns > 0
        since_ns, until_ns = self._since_ns, now_ns if is_in_step else self.ended_ns
        if told:
            since_ns = max(since_ns, told[-1][2])
        if until_ns > since_ns:
            told.append(_stretch(since_ns, until_ns, self.cpu_at(now_ns) - self._ran_before_ns))
        if until_ns < now_ns:
            told.append((WAIT, until_ns, now_ns, NO_SHARE, -1))
        return told


def _stretch(since_ns: int, until_ns: int, ran_ns: int) -> Entry:
    lasted_ns = until_ns - since_ns
    is_cpu = lasted_ns < CPU_RESOLUTION_NS or ran_ns >= ALL_CPU * lasted_ns
    return (CPU, since_ns, until_ns, NO_SHARE, -1) if is_cpu else (UNKNOWN, since_ns, until_ns, ran_ns / lasted_ns, -1)


class TaskLanes:
    """The lanes of the tasks of one recording, which are used again, the lowest one first.

    Parameters
    ----------
    lanes
        All lanes of the recording.
    lane_of
        Returns the lane of a task that is recorded; None for another one.
    """

    def __init__(self, lanes: Lanes, lane_of: Callable[[Task[Any]], Lane | None]) -> None:
        self._lanes = lanes
        self._lane_of = lane_of
        self._made: dict[int, TaskLane] = {}
        self._free: list[int] = []

    def __call__(self, task: Task[Any]) -> Lane | None:
        """Return the lane of a task that is recorded; None for another one."""
        return self._lane_of(task)

    @classmethod
    def of(cls, lanes: Lanes, lane_of: Callable[[Task[Any]], Lane | None]) -> TaskLanes:
        """Return the one of a recording."""
        found = lanes.lane_of_task
        if not isinstance(found, cls):
            found = lanes.lane_of_task = cls(lanes, lane_of)
        return found

    def take(self) -> TaskLane:
        """Return a free lane."""
        try:
            return self._made[heappop(self._free)]
        except IndexError:
            lane = self._lanes.take("task", TaskLane)
            assert isinstance(lane, TaskLane)
            self._made[lane.number] = lane
            return lane

    def give_back(self, lane: TaskLane) -> None:
        """Note that the task of a lane has ended."""
        heappush(self._free, lane.number)


class _CpuClock(threading.local):
    """The CPU clock of the thread of a loop, read no more often than needed: a reading costs as much as a step."""

    read_ns = 0
    cpu_ns = 0

    def read(self, now_ns: int) -> None:
        self.read_ns, self.cpu_ns = now_ns, REAL.cpu_ns()

    def since_last(self, began_ns: int, now_ns: int) -> int:
        """Return how long the thread computed in a step [ns], with what it computed since the last reading."""
        before_ns = self.cpu_ns
        self.read(now_ns)
        return min(now_ns - began_ns, self.cpu_ns - before_ns)


_cpu = _CpuClock()
