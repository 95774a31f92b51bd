"""The program of the helper process that reads the CPU clocks of the threads of other processes, on Linux.

Belongs here: what happens inside that process. Does not belong here: starting and ending it (``sampler``), and what the
readings mean (``parts``). It is run by its path and loads nothing of this package, so that it starts at once.

It is told by its standard input: each number there, of four bytes, is a process to read from now on, and 0 the end. Its
standard output begins with a time of its clock (8 bytes). In the end the readings follow, as whole numbers of 8 bytes:
how many threads, then process, number and count of readings of each, then all times, all CPU times, all times of
waiting for a core [ns], thread by thread.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from array import array

FIND_NS = 25_000_000  # from one search for new threads to the next; reading the directory of a process takes some 20 us
SHARE = 0.018  # of one core, at most: with many threads, they are read less often
MAX_READINGS = 8_000_000  # of 24 bytes each; when there are more, every second one is dropped, and fewer are taken
LONGEST = 64  # bytes of what the system says: three whole numbers


class _Thread:
    """The readings of one thread."""

    __slots__ = ("core", "cpu", "file", "pid", "text", "tid", "times")

    def __init__(self, pid: int, tid: int, file: int) -> None:
        self.pid, self.tid, self.file = pid, tid, file
        self.text = b""
        self.times, self.cpu, self.core = array("q"), array("q"), array("q")

    def add(self, now_ns: int, cpu_ns: int, core_ns: int) -> None:
        self.times.append(now_ns)
        self.cpu.append(cpu_ns)
        self.core.append(core_ns)

    def change(self, text: bytes, now_ns: int, before_ns: int) -> None:
        """Add a reading that differs from the one before, and the last time at which that one was read."""
        cpu, core, _ = text.split()
        self.hold(before_ns)
        self.add(now_ns, int(cpu), int(core))
        self.text = text

    def hold(self, until_ns: int) -> None:
        """Add the last reading once more, as still the same at `until_ns`."""
        if self.times and until_ns > self.times[-1]:
            self.add(until_ns, self.cpu[-1], self.core[-1])

    def thin(self) -> None:
        for readings in (self.times, self.cpu, self.core):
            del readings[1::2]


class Watch:
    """Reads the CPU clocks of all threads of some processes."""

    def __init__(self, pid: int, period_ns: int, max_readings: int = MAX_READINGS) -> None:
        self.period_ns = period_ns
        self._max_readings = max_readings
        self._pids = {pid: 0}  # and when they were looked at last
        self._living: dict[tuple[int, int], _Thread] = {}
        self._ended: list[_Thread] = []
        self._before_ns = 0
        self._ticks = 0

    def find_threads(self, pid: int) -> None:
        """Find the threads of a process that began since the last time, when they had used no CPU."""
        try:
            names = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  (pathlib takes longer to load than all else here)
        except OSError:
            self._pids.pop(pid, None)
            return
        last_ns, self._pids[pid] = self._pids.get(pid, 0), time.perf_counter_ns()
        for name in names:
            if (pid, int(name)) not in self._living:
                self._begin(pid, int(name), last_ns)

    def _begin(self, pid: int, tid: int, last_ns: int) -> None:
        try:
            file = os.open(f"/proc/{pid}/task/{tid}/schedstat", os.O_RDONLY)
        except OSError:  # it has ended, or there are more than files may be open
            return
        thread = self._living[pid, tid] = _Thread(pid, tid, file)
        if last_ns:
            thread.add(last_ns, 0, 0)

    def find_all_threads(self) -> None:
        """Find new threads of all processes, and thin out the readings if there are too many."""
        for pid in list(self._pids):
            self.find_threads(pid)
        threads = self.threads()
        if sum(len(thread.times) for thread in threads) > self._max_readings:
            self.period_ns *= 2
            for thread in threads:
                thread.thin()

    def threads(self) -> list[_Thread]:
        """Return all threads that were ever seen."""
        return [*self._ended, *self._living.values()]

    def tick(self) -> None:
        """Read all clocks once."""
        now, before, gone = time.perf_counter_ns(), self._before_ns, []
        for key, thread in self._living.items():
            try:
                text = os.pread(thread.file, LONGEST, 0)
                if text != thread.text:
                    thread.change(text, now, before)
            except (OSError, ValueError):  # the thread has ended
                gone.append(key)
        self._before_ns = now
        for key in gone:
            self._end(key)

    def _end(self, key: tuple[int, int]) -> None:
        thread = self._living.pop(key)
        os.close(thread.file)
        if thread.times:
            self._ended.append(thread)

    def message(self) -> bytes:
        """Return all readings."""
        for thread in self._living.values():
            thread.hold(self._before_ns)
        threads = [thread for thread in self.threads() if thread.times]
        head = array("q", [len(threads)])
        for thread in threads:
            head.extend((thread.pid, thread.tid, len(thread.times)))
        columns = [[thread.times for thread in threads], [thread.cpu for thread in threads]]
        columns.append([thread.core for thread in threads])
        return b"".join([head.tobytes(), *(part.tobytes() for column in columns for part in column)])


def main(arguments: list[str]) -> None:
    """Read until the input ends or the parent is gone, then write what was read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the recorded program
    parent, period_ns = map(int, arguments)
    gc.disable()  # there are no reference cycles, and a collection would delay readings
    watch = Watch(parent, period_ns)
    watch.find_all_threads()
    watch.tick()
    os.write(1, array("q", [time.perf_counter_ns()]).tobytes())
    _watch(watch, parent)
    if os.getppid() == parent:
        watch.tick()
        sys.stdout.buffer.write(watch.message())
        sys.stdout.buffer.flush()


def _watch(watch: Watch, parent: int) -> None:
    """Read all clocks periodically, until the input ends or the parent is gone."""
    due = find_ns = time.perf_counter_ns()
    used, ticks, step = time.thread_time_ns(), 0, watch.period_ns
    while True:
        wait_ns = max(0, due - time.perf_counter_ns())
        if select.select([0], [], [], wait_ns / 1e9)[0]:
            told = array("i", os.read(0, 4096))
            if not told or 0 in told:
                return
            for pid in set(told):
                watch.find_threads(pid)
        watch.tick()
        ticks += 1
        now = time.perf_counter_ns()
        if now >= find_ns:
            if os.getppid() != parent:
                return
            watch.find_all_threads()
            before, used = used, time.thread_time_ns()
            step = max(watch.period_ns, round((used - before) / ticks / SHARE))
            ticks, find_ns = 0, now + FIND_NS
        due = max(now, due + step)


if __name__ == "__main__":
    main(sys.argv[1:])
