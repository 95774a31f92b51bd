"""The sampler: a helper process that looks at the CPU clocks of the recorded threads every few milliseconds, on Linux.

Belongs here: starting it, telling it of other processes, ending it, and which lane is which thread. Does not belong
here: what it does (``clock_reader``), what follows from its readings (``thread_timeline``, ``parts``).

Another process reads them, since a thread of the recorded one would have to wait for the GIL whenever there is
something to see. A fault of it is one warning; the recording goes on without samples.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kaygraph_viz.base.errors import warn
from kaygraph_viz.base.machine import this_machine
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.clock.clock import REAL, Clock
from kaygraph_viz.trace.lanes import Lanes
from kaygraph_viz.trace.sampler.parts import LaneThread, with_samples
from kaygraph_viz.trace.sampler.thread_timeline import ThreadReadings, tick_ns, timelines

if TYPE_CHECKING:
    from kaygraph_viz.trace.columns import SpanColumns


PROGRAM = Path(__file__).with_name("clock_reader.py")
PATIENCE_S = 5.0  # for the helper to begin, and for its readings
THE_END = 0
BURN_NS = 200_000  # after so much computing a clock that is kept has moved
NOT_HERE = (
    "sample_s: this recording continues without samples: they are possible only with the clock of this machine, "
    "on Linux with /proc/PID/schedstat"
)


def is_available() -> bool:
    """Return whether the system keeps the clocks that are read."""
    if sys.platform != "linux" or not sys.executable or getattr(sys, "frozen", False):
        return False
    until = time.thread_time_ns() + BURN_NS
    while time.thread_time_ns() < until:
        pass
    try:
        text = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_bytes()
        return int(text.split()[0]) > 0
    except (OSError, ValueError, IndexError):
        return False


class Sampler:
    """The helper process of one recording."""

    def __init__(self, period_s: float) -> None:
        self.lanes: list[LaneThread] = []
        self._telling = Lock()  # held while writing, so that the pipe is not closed meanwhile
        command = [sys.executable, "-I", "-S", str(PROGRAM), str(os.getpid()), str(round(period_s * 1e9))]
        self.process = subprocess.Popen(  # noqa: S603  (our own program)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0
        )
        try:
            self._wait_for_begin()
        except BaseException:
            self.kill()
            raise
        os.set_blocking(self._input, False)

    @property
    def _input(self) -> int:
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    def _wait_for_begin(self) -> None:
        assert self.process.stdout is not None
        output = self.process.stdout.fileno()
        began = time.perf_counter_ns()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        poll.poll(PATIENCE_S * 1e3)
        told = os.read(output, 8) if poll.poll(0) else b""
        if len(told) != 8:
            raise RuntimeError("it did not start")
        if not began <= int.from_bytes(told, sys.byteorder) <= time.perf_counter_ns():
            raise RuntimeError("its clock is not that of this process")

    def note(self, lane: str, pid: int | None = None) -> None:
        """Register that the calling thread, or the main thread of a worker process, works on a lane from now on."""
        tid = threading.get_native_id() if pid is None else pid
        self.lanes.append(LaneThread(lane, tid, time.perf_counter_ns()))
        self._tell(pid or os.getpid())

    def _tell(self, number: int) -> None:
        with self._telling, suppress(OSError, ValueError):  # the helper is gone: `readings` raises for it
            os.write(self._input, number.to_bytes(4, sys.byteorder))

    def readings(self) -> list[ThreadReadings]:
        """End the helper and return what it read."""
        try:
            self._tell(THE_END)  # by a word: copies of this process, made by a fork, may keep the pipe open
            answer, _ = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError("it did not answer") from None
        finally:
            self.kill()
        if self.process.returncode != 0:
            raise RuntimeError(f"it ended with exit code {self.process.returncode}")
        return readings_in(answer)

    def kill(self) -> None:
        """End the helper at once, if it is still there."""
        with suppress(OSError):
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with self._telling, suppress(OSError):
                    pipe.close()
        self.process.wait()


def readings_in(message: bytes) -> list[ThreadReadings]:
    """Return the readings in a message of the helper process."""
    numbers = np.frombuffer(message, np.int64)
    count = int(numbers[0]) if len(numbers) else -1
    heads, rest = numbers[1 : 1 + 3 * count].reshape(-1, 3), numbers[1 + 3 * count :]
    total = int(heads[:, 2].sum())
    if count < 0 or len(heads) != count or len(rest) != 3 * total:
        raise ValueError("its answer is not complete")
    times, cpu, core = rest.reshape(3, total)
    ends = heads[:, 2].cumsum().tolist()
    found = []
    for (pid, tid, length), end in zip(heads.tolist(), ends, strict=True):
        part = slice(end - length, end)
        found.append(ThreadReadings(pid, tid, times[part], cpu[part], core[part]))
    return found


@contextmanager
def sampling(period_s: float, clock: Clock, lanes: Lanes) -> Iterator[Callable[[SpanColumns], SpanColumns]]:
    """Sample the threads of a recording while the block runs, if that is possible here."""
    if clock is not REAL or not is_available():
        warn(NOT_HERE, stacklevel=5)
        yield lambda columns: columns
        return
    sampled = _Sampled(period_s, lanes)
    try:
        yield sampled.parts
    finally:
        sampled.end()


class _Sampled:
    """A recording with a sampler, whose faults are only reported after the recording."""

    def __init__(self, period_s: float, lanes: Lanes) -> None:
        self._period_ns = round(period_s * 1e9)
        self._lanes = lanes
        self._owner = os.getpid()
        self._fault: Exception | None = None
        self._sampler: Sampler | None = None
        try:
            self._sampler = Sampler(period_s)
        except (OSError, RuntimeError) as error:
            self._fault = error
        else:
            lanes.on_thread = self._sampler.note

    def parts(self, columns: SpanColumns) -> SpanColumns:
        self._lanes.on_thread = None
        if self._sampler is None or os.getpid() != self._owner:  # a fork of this process has no helper of its own
            return columns
        try:
            readings = self._sampler.readings()
            tick = tick_ns(readings, self._period_ns)
            switch_ns = round(sys.getswitchinterval() * 1e9)
            has_gil = this_machine().has_gil
            lines = timelines(readings, switch_ns=switch_ns, has_gil=has_gil)
            return with_samples(columns, lines, self._sampler.lanes, tick_ns=tick)
        except Exception as error:  # a fault of the recording must never change a result
            self._fault = error
            return columns

    def end(self) -> None:
        self._lanes.on_thread = None
        if self._sampler is not None and os.getpid() == self._owner:
            self._sampler.kill()
        if self._fault is not None:
            text = f"sample_s: this recording has no samples, results are not affected: {self._fault}"
            warn(text, stacklevel=6)
