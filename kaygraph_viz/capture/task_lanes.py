"""What a task of asyncio did when: its steps, and what it waited for between them.

Belongs here: the lane of a task, the CPU clock of the thread of a loop. Does not belong here: the hooks in loops
(``tasks``).

Neighbouring steps of a few microseconds make one stretch, of which only start, end and CPU time are kept.
"""

from __future__ import annotations

import threading
from asyncio import Task, futures, sleep
from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import Any

from kaygraph_viz.awaited import BLOCKING, FILES, due_at_s, innermost_frame, kind_of_wait
from kaygraph_viz.clock import REAL
from kaygraph_viz.parts import ALL_CPU, NO_SHARE, PART_CODE, Entry, PartLog
from kaygraph_viz.trace.lanes import CPU_RESOLUTION_NS, Lane, Lanes, Measured, measured_in

__all__ = [
    "ENDS_SLEEP", "OLDEST_READING_NS", "SHORT_WAIT_NS", "TaskLane", "Told", "lane_for", "told_by", "told_of",
]  # fmt: skip

CPU, WAIT, GIL, BLOCKED, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "gil", "blocked", "unknown"))
SHORT_WAIT_NS = 50_000  # what a shorter wait was for is not looked up
SLEEP = sleep.__code__
OLDEST_READING_NS = 200_000  # of the CPU clock when a step begins
ENDS_SLEEP: Any = vars(futures)["_set_result_unless_cancelled"]  # what the timer of a sleep calls

_get_coro, _get_loop = Task.get_coro, Task.get_loop  # by the class, as in ``tasks``

# Of a wait: the code of its part, when it began, the task was ready again and went on [ns], its CPU time then [ns].
NUMBERS = 5
MOST_NUMBERS = 8 * NUMBERS  # that wait to be written to the log: they are kept in a tuple, which is small
# What was noted of a task: when it began, from and to when the steps go that its log does not have, up to when it is
# told [ns], its CPU time before those steps and in all [ns], whether that is wanted, the entries of its log, its waits.
Told = tuple[int, int, int, int, int, int, bool, Sequence[Entry], tuple[int, ...]]


class TaskLane(Lane):
    """The lane of a task: its CPU clock runs while the task has the loop."""

    __slots__ = ("_free", "_ran_before_ns", "_since_ns", "_waits", "began_ns", "cpu", "due_s", "ended_ns", "ran_ns")

    def __init__(
        self, name: str, cpu_clock: Callable[[], int] | None, _: int = 0, *, is_exact: bool = False
    ) -> None:  # fmt: skip
        super().__init__(name, cpu_clock, is_exact=is_exact)
        self._free: list[TaskLane] = []
        self._waits: tuple[int, ...] = ()  # those that are not in the log yet, one after the other
        # CPU time of its steps so far, and before the stretch under way; when the step under way began, 0 between two.
        self.ran_ns = self._ran_before_ns = self.began_ns = 0
        self._since_ns = self.ended_ns = 0  # when the stretch of short steps began, and when the last step ended
        self.cpu = _here.cpu  # the clock of the thread of its loop
        self.due_s: float | None = None  # when the timer of a sleep that has ended was due, by its loop [s]

    def give_back(self) -> None:
        """Note that its task has ended."""
        self._free.append(self)

    def end_long_step(self, ended_ns: int) -> None:
        """Note that the step under way has ended, which is long enough for a reading of the CPU clock."""
        began_ns, self.began_ns = self.began_ns, 0
        if self.notes_itself:
            self.ended_ns = ended_ns
            return
        used_ns = ended_ns - began_ns if self._clock is None else _here.cpu.since_last(began_ns, ended_ns)
        self._close_stretch(began_ns)
        self.log.settle(began_ns, ended_ns, 0, used_ns)
        self.ran_ns += used_ns
        self._since_ns = self.ended_ns = ended_ns
        self._ran_before_ns = self.ran_ns

    def end_wait(self, task: Task[Any], now_ns: int) -> None:
        """Note what the task waited for since its last step, which is no short while ago."""
        last_ns, ready_ns = self.ended_ns, now_ns
        due_s = self.due_s
        if due_s is not None:
            code, self.due_s = WAIT, None
        elif task._fut_waiter is None:  # type: ignore[attr-defined]  # it only let others go first
            code, ready_ns = GIL, last_ns
        else:
            code, due_s = told_by(_get_coro(task))
        if due_s is not None:
            late_ns = int((_get_loop(task).time() - due_s) * 1e9)
            if late_ns >= CPU_RESOLUTION_NS:
                ready_ns = max(last_ns, now_ns - late_ns)
        self._waits += (code, last_ns, ready_ns, now_ns, self.ran_ns)
        if self.log.entries or len(self._waits) > MOST_NUMBERS:
            self._write()

    def _write(self) -> None:
        """Write the waits to the log, with the steps between them."""
        if self._waits:
            waits, self._waits = self._waits, ()
            self._since_ns, self._ran_before_ns = _write_waits(self.log, waits, self._since_ns, self._ran_before_ns)

    def _close_stretch(self, until_ns: int) -> None:
        """Write what was noted until the end of a step [ns] to the log."""
        self._write()
        _write_steps(self.log, self._since_ns, until_ns, self._ran_before_ns, self.ran_ns)
        self._since_ns, self._ran_before_ns = until_ns, self.ran_ns

    def noting(self) -> PartLog | None:
        """Return the log in which what the task does is noted."""
        self._write()
        return super().noting()

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
        if self.notes_itself:
            return super().measured(cpu_at_start_ns, started_ns, ended_ns)
        if started_ns >= self.began_ns > 0 and not self.log.entries and not self._waits:
            return self.cpu_between(cpu_at_start_ns, started_ns, ended_ns), 0, None
        if self.began_ns:
            self.end_long_step(ended_ns)
            self.began_ns = ended_ns
        self._close_stretch(self.ended_ns)
        _, blocked_ns, parts = measured_in(self.log, started_ns, ended_ns, has_cpu=False)
        return self.cpu_between(cpu_at_start_ns, started_ns, ended_ns), blocked_ns, parts

    def told(self, started_ns: int, now_ns: int) -> Measured:
        """Return CPU time, blocked time and parts of the task, which began at `started_ns` [ns]; changes nothing."""
        if self.notes_itself:
            return measured_in(self.log, started_ns, now_ns, has_cpu=self._clock is not None)
        until_ns = now_ns if self.began_ns else self.ended_ns
        return told_of((
            started_ns, self._since_ns, until_ns, now_ns, self._ran_before_ns, self.cpu_at(now_ns),
            self._clock is not None, self.log.entries, self._waits,
        ))  # fmt: skip

    def hand_over(self, started_ns: int) -> Told:
        """Give the lane back, and return what was noted of its task, which has ended with its last step."""
        entries: Sequence[Entry] = ()
        waits, self._waits = self._waits, ()
        if self.log.entries:
            entries, self.log.entries = self.log.entries, []
        ended_ns = self.ended_ns
        told = (
            started_ns, self._since_ns, ended_ns, ended_ns, self._ran_before_ns, self.ran_ns, self._clock is not None,
            entries, waits,
        )  # fmt: skip
        self._free.append(self)
        return told


def lane_for(lanes: Lanes, free: list[TaskLane], now_ns: int) -> TaskLane:
    """Return a lane for a task whose first step begins now [ns]: one of those that are free, or a new one."""
    try:
        lane = free.pop()
        if lane.log.entries:
            lane.log.entries.clear()
        lane.ran_ns = lane._ran_before_ns = lane.began_ns = 0
        lane.due_s = None
    except IndexError:
        lane = lanes.take("task", TaskLane)  # type: ignore[assignment]
        lane._free = free
    lane._since_ns = lane.ended_ns = now_ns
    lane.cpu = cpu = _here.cpu
    if now_ns - cpu.read_ns > OLDEST_READING_NS:
        cpu.read(now_ns)
    return lane


def told_of(told: Told) -> Measured:
    """Return CPU time, blocked time and parts of a task."""
    started_ns, since_ns, until_ns, now_ns, ran_before_ns, ran_ns, has_cpu, noted, waits = told
    cpu_ns = min(ran_ns, now_ns - started_ns) if has_cpu else -1
    if not noted and not waits and until_ns == now_ns:  # short steps alone: their sum says it all
        return cpu_ns, 0, None
    log = PartLog()
    log.entries = entries = list(noted)
    since_ns, ran_before_ns = _write_waits(log, waits, since_ns, ran_before_ns)
    if entries and entries[-1][2] > since_ns:
        since_ns = entries[-1][2]
    if until_ns > since_ns:
        entries.append(_stretch(since_ns, until_ns, ran_ns - ran_before_ns))
    if until_ns < now_ns:
        entries.append((WAIT, until_ns, now_ns, NO_SHARE, -1))
    if len(entries) == 1 and entries[0][0] == CPU:
        return cpu_ns, 0, None
    if entries and entries[0][1] > started_ns:  # a very long log has lost its begin
        entries.insert(0, (UNKNOWN, started_ns, entries[0][1], NO_SHARE, -1))
    blocked_ns = sum([until_ns - began_ns for code, began_ns, until_ns, *_ in entries if code == BLOCKED])
    return cpu_ns, blocked_ns, tuple([(code, until_ns, share) for code, _, until_ns, share, _ in entries])


def _write_waits(log: PartLog, waits: tuple[int, ...], since_ns: int, ran_before_ns: int) -> tuple[int, int]:
    """Write waits to a log, and the steps before each; return when those after them began, and the CPU time then."""
    numbers = iter(waits)
    for code, began_ns, ready_ns, ended_ns, ran_ns in zip(*[numbers] * NUMBERS, strict=True):
        _write_steps(log, since_ns, began_ns, ran_before_ns, ran_ns)
        if ready_ns > began_ns:
            log.entries.append((code, began_ns, ready_ns, NO_SHARE, -1))
        if ended_ns > ready_ns:
            log.entries.append((GIL, ready_ns, ended_ns, NO_SHARE, -1))
        since_ns, ran_before_ns = ended_ns, ran_ns
    return since_ns, ran_before_ns


def _write_steps(log: PartLog, since_ns: int, until_ns: int, ran_before_ns: int, ran_ns: int) -> None:
    """Write steps from `since_ns` to `until_ns` [ns] to a log, as one stretch but for what it has of them already."""
    if until_ns <= since_ns:
        return
    entries = log.entries
    if entries and entries[-1][2] > since_ns:
        log.settle(since_ns, until_ns, ran_before_ns, ran_ns)
    else:
        entries.append(_stretch(since_ns, until_ns, ran_ns - ran_before_ns))


def _stretch(since_ns: int, until_ns: int, ran_ns: int) -> Entry:
    lasted_ns = until_ns - since_ns
    is_cpu = lasted_ns < CPU_RESOLUTION_NS or ran_ns >= ALL_CPU * lasted_ns
    return (CPU, since_ns, until_ns, NO_SHARE, -1) if is_cpu else (UNKNOWN, since_ns, until_ns, ran_ns / lasted_ns, -1)


def told_by(coroutine: Any) -> tuple[int, float | None]:
    """Return for what a suspended coroutine waits, as the code of a part, and when a sleep ends by its loop [s]."""
    try:
        while (awaited := coroutine.cr_await).__class__ is CoroutineType:
            coroutine = awaited
        code = coroutine.cr_code
    except AttributeError:  # generators and extension types are coroutines, too
        return PART_CODE[kind_of_wait(innermost_frame(coroutine))], None
    if code is SLEEP:
        return WAIT, due_at_s(coroutine.cr_frame)
    return (BLOCKED if code.co_filename in FILES and code.co_qualname in BLOCKING else WAIT), None


class _CpuClock:
    """The CPU clock of the thread of a loop, read no more often than needed: a reading costs as much as a step."""

    __slots__ = ("cpu_ns", "read_ns")

    def __init__(self) -> None:
        self.read_ns = self.cpu_ns = 0

    def read(self, now_ns: int) -> None:
        self.read_ns, self.cpu_ns = now_ns, REAL.cpu_ns()

    def since_last(self, began_ns: int, now_ns: int) -> int:
        """Return how long the thread computed in a step [ns], with what it computed since the last reading."""
        before_ns = self.cpu_ns
        self.read(now_ns)
        return min(now_ns - began_ns, self.cpu_ns - before_ns)


class _Here(threading.local):
    def __init__(self) -> None:
        self.cpu = _CpuClock()


_here = _Here()
