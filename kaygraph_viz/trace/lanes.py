"""Lanes: which worker a span ran on, what it is called, and the CPU time of that worker's thread.

Belongs here: naming lanes, assigning them to workers, reading the CPU clock of a thread no more often than needed.
Does not belong here: drawing lanes (``plot``).
"""

from __future__ import annotations

import re
import threading
from asyncio import Task, _get_running_loop, current_task
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from kaygraph_viz.base.parts import (
    PART_CODE,
    PartKind,
    PartLog,
    RowParts,
    Writing,
    contextmanager,
    log_here,
    of_fibers,
    write_here,
)
from kaygraph_viz.base.threads import RLock

# -- names: threads of pools are numbered from 1, as all workers are --------------------------------------------------


POOLS = "concurrent.futures.thread"
OTHER_POOLS = "multiprocessing.pool"  # which gives its threads no names
_NUMBERED = re.compile(r"(?P<pool>.*)_(?P<number>\d{1,9})")
_NAMELESS = re.compile(r"ThreadPoolExecutor-\d+")
_DEFAULT = re.compile(r"Thread-\d+(?P<rest>.*)", re.DOTALL)


def pool_of(thread: threading.Thread) -> str | None:
    """Return the prefix of the names of a pool's threads; empty for a pool without one, None for any other thread."""
    module = getattr(getattr(thread, "_target", None), "__module__", "")
    if module == OTHER_POOLS:
        return ""
    numbered = _NUMBERED.fullmatch(thread.name) if module == POOLS else None
    if numbered is None:
        return None
    pool = numbered["pool"]
    return "" if _NAMELESS.fullmatch(pool) else pool


def after_number(thread: threading.Thread) -> str | None:
    """Return what follows the number in a name that Python gave to a thread; None for a name of another kind."""
    found = _DEFAULT.fullmatch(thread.name)
    return None if found is None else found["rest"]


def lane_name(thread: threading.Thread) -> str:
    """Return the name of a thread's lane: its own, but that a pool's first thread has the number 1."""
    pool = pool_of(thread)
    return thread.name if not pool else f"{pool}-{int(thread.name[len(pool) + 1 :]) + 1}"


# -- one lane ---------------------------------------------------------------------------------------------------------


CPU_RESOLUTION_NS = 20_000  # reading a thread's CPU clock costs up to 1 us: closer readings are not worth taking
POOLS_LIKE_OURS = ("", "thread")  # prefixes of names of threads
CPU, BLOCKED, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "blocked", "unknown"))


class Pause(NamedTuple):
    """The pause of a coroutine between two steps."""

    kind: PartKind
    began_ns: int
    ready_ns: int | None


Measured = tuple[int, int, RowParts | None]  # CPU time and blocked time [ns], and the parts if any were noted


class Lane:
    """A worker as a row of a chart, with the last reading of its thread's CPU clock."""

    __slots__ = ("_clock", "_cpu_ns", "_outer", "_read_ns", "_resolution_ns", "log", "name", "notes_itself", "step")

    def __init__(
        self,
        name: str,
        cpu_clock: Callable[[], int] | None,
        resolution_ns: int = CPU_RESOLUTION_NS,
        *,
        is_exact: bool = False,
    ) -> None:
        self.name = name
        self.log = PartLog()  # what its thread, or its coroutine, is known to have done
        self.step: tuple[int, int] | None = None  # when its coroutine went on, and what the CPU clock said then [ns]
        # Whether what a coroutine waits for is noted by its loop, as in simulated time.
        self.notes_itself = is_exact
        self._outer: Writing = None, None
        self._clock = cpu_clock
        self._resolution_ns = resolution_ns
        self._read_ns = -resolution_ns - 1
        self._cpu_ns = 0

    def stop_clock(self) -> None:
        """Stop measuring CPU time: while a task waits, its thread computes for other tasks."""
        self._clock = None

    def cpu_at(self, now_ns: int) -> int:
        """Return the CPU time of the calling thread at `now_ns`, at most the resolution old [ns]."""
        if now_ns - self._read_ns >= self._resolution_ns and self._clock is not None:
            self._read_ns = now_ns
            self._cpu_ns = self._clock()
        return self._cpu_ns

    def cpu_between(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> int:
        """Return the CPU time of a span that ends now [ns]; -1 where CPU time is not wanted."""
        if self._clock is None:
            return -1
        service_ns = ended_ns - started_ns
        if service_ns < self._resolution_ns:
            return service_ns
        return min(self.cpu_at(ended_ns) - cpu_at_start_ns, service_ns)

    def noting(self) -> PartLog | None:
        """Return the log in which what the calling thread does on this lane is noted."""
        return log_here() if self.notes_itself else self.log

    def measured(self, cpu_at_start_ns: int, started_ns: int, ended_ns: int) -> Measured:
        """Return the CPU time and the blocked time of a span that ends now [ns], and its parts if any were noted."""
        if not self.notes_itself and not self.log.entries:
            service_ns = ended_ns - started_ns
            if service_ns < self._resolution_ns and self._clock is not None:  # as `cpu_between` says, and faster
                return service_ns, 0, None
            return self.cpu_between(cpu_at_start_ns, started_ns, ended_ns), 0, None
        if self.notes_itself:
            return measured_in(self.noting(), started_ns, ended_ns, has_cpu=self._clock is not None)
        if self.step is not None:
            self.log.settle(self.step[0], ended_ns, self.step[1], self.cpu_at(ended_ns))
            return measured_in(self.log, started_ns, ended_ns, has_cpu=self._clock is not None)
        cpu_ns = self.cpu_between(cpu_at_start_ns, started_ns, ended_ns)
        until = -1 if cpu_ns < 0 else cpu_at_start_ns + cpu_ns
        parts = self.log.between(started_ns, ended_ns, -1 if cpu_ns < 0 else cpu_at_start_ns, until)
        return cpu_ns, _lasted_ns(parts, started_ns, BLOCKED), parts

    def since(self, started_ns: int, ended_ns: int) -> Measured:
        """Return what was noted of a stretch of time that ends now [ns], without reading the CPU clock."""
        return measured_in(self.noting(), started_ns, ended_ns, has_cpu=self.notes_itself and self._clock is not None)

    def begin_step(self, pause: Pause | None, started_ns: int, cpu_ns: int) -> None:
        """Note that the coroutine of the lane resumed after a pause, or began, at `started_ns` [ns]."""
        if self.notes_itself:
            return
        if pause is not None:
            ready_ns = started_ns if pause.ready_ns is None else min(max(pause.ready_ns, pause.began_ns), started_ns)
            self.log.add(pause.kind, pause.began_ns, ready_ns)
            self.log.add("gil", ready_ns, started_ns)
        self.step = started_ns, cpu_ns
        self._outer = write_here(self.log, self._clock)

    def end_step(self, ended_ns: int, used_ns: int) -> None:
        """Note that a step of the coroutine ended after `used_ns` of CPU [ns], -1 if not known."""
        if self.step is None:
            return
        (started_ns, cpu_ns), self.step = self.step, None
        write_here(*self._outer)
        self.log.settle(started_ns, ended_ns, *((cpu_ns, cpu_ns + used_ns) if used_ns >= 0 else (-1, -1)))

    def stepped(self, started_ns: int, ended_ns: int) -> Measured:
        """Return what `measured` returns, for a coroutine whose steps were noted and which has just ended."""
        if self.step is not None:  # of the branch around it on this lane, which goes on
            self.log.settle(self.step[0], ended_ns, self.step[1], self.cpu_at(ended_ns))
        cpu_ns, blocked_ns, parts = measured_in(self.noting(), started_ns, ended_ns, has_cpu=self._clock is not None)
        if parts is not None and len(parts) == 1 and parts[0][0] == CPU:  # the sums say the same in less memory
            return ended_ns - started_ns, 0, None
        return cpu_ns, blocked_ns, parts


def measured_in(log: PartLog | None, started_ns: int, ended_ns: int, *, has_cpu: bool) -> Measured:
    """Return CPU time, blocked time and parts of a span by its log alone; CPU time is -1 where the log has gaps."""
    parts = None if log is None else log.between(started_ns, ended_ns)
    is_known = has_cpu and not any(code == UNKNOWN and share < 0 for code, _, share in parts or ())
    is_known &= parts is not None or ended_ns == started_ns
    cpu_ns = _lasted_ns(parts, started_ns, CPU) if is_known else -1
    return cpu_ns, _lasted_ns(parts, started_ns, BLOCKED), parts


def _lasted_ns(parts: RowParts | None, started_ns: int, wanted: int) -> int:
    """Return the sum of the parts of a kind [ns]; of unknown ones, their share counts as CPU."""
    total = 0
    for code, until_ns, share in parts or ():
        if code == wanted:
            total += until_ns - started_ns
        elif code == UNKNOWN and wanted == CPU:
            total += round(max(0.0, share) * (until_ns - started_ns))
        started_ns = until_ns
    return total


class Lanes:
    """The lanes of one recording."""

    def __init__(
        self, cpu_clock: Callable[[], int] | None, resolution_ns: int = CPU_RESOLUTION_NS, *, is_exact: bool = False
    ) -> None:
        self._clock = cpu_clock
        self._is_exact = is_exact
        self._resolution_ns = resolution_ns
        self._lock = RLock()  # a generator that is collected meanwhile frees its lane in this thread
        self._here = of_fibers(threading.local())  # ends with its thread, while numbers of threads are used again
        self._home_thread = threading.current_thread()  # the one in which the recording began is called main
        self._home = current_task() if _get_running_loop() is not None else None
        self._tasks: WeakKeyDictionary[Task[Any], Lane] = WeakKeyDictionary()
        self._named: WeakValueDictionary[str, threading.Thread] = WeakValueDictionary()
        self._threads = 0  # that Python gave a number
        self._pooled: dict[threading.Thread, Lane] = {}  # threads of pools without a name
        self._free: dict[str, list[int]] = {}
        self._made: dict[str, int] = {}
        # Called when a thread begins to work on a lane: with its name, and the number of the process if it is a worker.
        self.on_thread: Callable[[str, int | None], None] | None = None
        # Returns the lane of a task that is recorded on its own; None for a task that is not.
        self.lane_of_task: Callable[[Task[Any]], Lane | None] | None = None

    def mine(self) -> Lane:
        """Return the lane of the calling task or thread; one without a lane gets a new one."""
        if _get_running_loop() is not None:
            task = current_task()
            if task is not None and task is not self._home:
                return self._tasks.get(task) or self._name_task(task)
        lane: Lane | None = getattr(self._here, "lane", None)
        return self._name_by_thread() if lane is None else lane

    def _name_task(self, task: Task[Any]) -> Lane:
        if self.lane_of_task is not None and (found := self.lane_of_task(task)) is not None:
            return found
        lane = self._tasks[task] = self.take("task")
        if not self._is_exact:
            lane.stop_clock()
        task.add_done_callback(lambda _: self.free(lane))
        return lane

    def _name_by_thread(self) -> Lane:
        thread = threading.current_thread()
        if thread is not self._home_thread and pool_of(thread) in POOLS_LIKE_OURS:
            return self._number(thread)
        with self._lock:
            base = name = self._name(thread)
            number = 1
            while (other := self._named.get(name)) is not None and other.is_alive():
                number += 1
                name = f"{base} #{number}"
            self._named[name] = thread
        lane = self._here.lane = self._make(name)
        self._write_to(lane)
        return lane

    def _name(self, thread: threading.Thread) -> str:
        """Return the name of a thread, in which a number counts the threads of this recording."""
        if thread is self._home_thread:
            return "main"
        rest = None if self._is_exact else after_number(thread)  # simulated threads are numbered as they are started
        if rest is None:
            return lane_name(thread)
        self._threads += 1
        return f"Thread-{self._threads}{rest}"

    def _number(self, thread: threading.Thread) -> Lane:
        """Return a numbered lane for a thread of a pool, which has it for as long as it lives."""
        with self._lock:
            for other in [other for other in self._pooled if not other.is_alive()]:
                self.free(self._pooled.pop(other))
            lane = self._here.lane = self._pooled[thread] = self.take("thread")
        self._write_to(lane)
        return lane

    def _make(self, name: str, lane_type: type[Lane] = Lane) -> Lane:
        return lane_type(name, self._clock, self._resolution_ns, is_exact=self._is_exact)

    def _write_to(self, lane: Lane) -> None:
        """Make the calling thread note its waits on `lane`; in simulated time the clock has a log for each thread."""
        if not self._is_exact:
            write_here(lane.log, self._clock)
            self._tell_of_thread(lane, None)

    def enter_process(self, lane: Lane, pid: int) -> None:
        """Register that a worker process works on `lane` from now on."""
        self._tell_of_thread(lane, pid)

    def _tell_of_thread(self, lane: Lane, pid: int | None) -> None:
        tell = self.on_thread  # read once: the end of the recording sets it to None
        if tell is not None:
            tell(lane.name, pid)

    def take(self, kind: str, lane_type: type[Lane] = Lane) -> Lane:
        """Return the lowest free lane of a kind of worker, such as ``thread-1``; give it back with `free`."""
        with self._lock:
            base = self._base(kind)
            free = self._free.setdefault(base, [])
            if not free:
                self._made[base] = self._made.get(base, 0) + 1
                free.append(self._made[base])
            return self._make(f"{base}{heappop(free)}", lane_type)

    def _base(self, kind: str) -> str:
        """Return what lanes that the calling thread takes are called, up to their number."""
        lane: Lane | None = getattr(self._here, "lane", None)
        if lane is None or not lane.name.startswith(f"{kind}-"):
            return f"{kind}-"
        base, number = _numbered(lane)
        is_freed = number in self._free.get(base, ())
        return f"{kind}-" if is_freed else f"{lane.name}."

    def again(self, lane: Lane) -> Lane:
        """Return a lane of the same name for another thread: each thread has a CPU clock of its own."""
        return self._make(lane.name)

    def enter(self, lane: Lane) -> None:
        """Register that the calling task, or else thread, works on `lane`."""
        task = current_task() if _get_running_loop() is not None else None
        if task is not None:
            self._tasks[task] = lane
        else:
            self._here.lane = lane
            self._write_to(lane)

    def free(self, lane: Lane) -> None:
        """Free a taken lane when its worker has ended."""
        base, number = _numbered(lane)
        with self._lock:
            heappush(self._free[base], number)

    @contextmanager
    def occupied(self, lane: Lane) -> Iterator[Lane]:
        """Register the calling task, or else thread, on a taken lane, and free the lane at the end."""
        self.enter(lane)
        try:
            yield lane
        finally:
            self.free(lane)


def _numbered(lane: Lane) -> tuple[str, int]:
    """Return the name of a taken lane up to its number, and the number."""
    base = lane.name.rstrip("0123456789")
    return base, int(lane.name[len(base) :])


class _NoLane(Lane):
    __slots__ = ()

    def noting(self) -> PartLog | None:
        """Return None: this lane serves all threads at once."""
        return None


NO_LANE: Lane = _NoLane("", None)


class NoLanes(Lanes):
    """The lanes where nothing is recorded: all workers have the same one."""

    def __init__(self) -> None:
        super().__init__(None)

    def mine(self) -> Lane:
        """Return `NO_LANE`."""
        return NO_LANE

    def take(self, kind: str, lane_type: type[Lane] = Lane) -> Lane:
        """Return `NO_LANE`."""
        return NO_LANE

    def enter(self, lane: Lane) -> None:
        """Do nothing."""

    def free(self, lane: Lane) -> None:
        """Do nothing."""
