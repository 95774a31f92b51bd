"""What simulated time cannot see is reported with the branch that is stuck in it; what can be ended is ended."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import subprocess
import sys
import threading
import warnings

import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import VirtualClockError
from kaygraph_viz.clock.clock import REAL, sleep, sleep_async
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual import watchdog as watch, watchdog as watchdog_module
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.fiber import Fiber
from kaygraph_viz.clock.virtual.watchdog import Idleness
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

GUARD_S = 20.0

PATIENCE_S = 0.2  # what is stuck here would be so for ever; a thread that a busy machine lets wait is not meant

pytestmark = pytest.mark.skipif(os.name != "posix", reason="threads have no CPU clock, and pipes are different")


class Blocking:
    """Ways to be stuck in something real, and what releases it again."""

    def __init__(self):
        self.shut = threading.Lock()  # real ones, since they are made before the block
        self.shut.acquire()
        self.line = queue.SimpleQueue()
        self.here, self.there = socket.socketpair()
        self.reading, self.writing = os.pipe()

    def lock(self, _):
        with self.shut:
            pass

    def queue(self, _):
        self.line.get(timeout=GUARD_S)

    def socket(self, _):
        self.here.recv(1)

    def pipe(self, _):
        os.read(self.reading, 1)

    async def coroutine(self, _):
        self.lock(_)

    async def deep_in_a_coroutine(self, _):
        await sleep_async(1)
        self.queue(_)

    def release(self):
        self.shut.release()
        for _ in range(4):
            self.line.put(None)
        self.there.close()
        os.close(self.writing)

    def close(self):
        self.here.close()
        os.close(self.reading)


@pytest.fixture
def blocking():
    made = Blocking()
    yield made
    made.release()
    for thread in threading.enumerate():
        if thread.name in ("async", "thread-1", "thread-2") and thread.is_alive():
            thread.join(GUARD_S)
    made.close()


def run(kind, function, items=(0, 1), **options):
    with record(clock=VirtualClock(patience_s=PATIENCE_S)), get_executor(kind, 2) as executor:
        return list(executor.imap(function, items, owner="Check", **options))


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("thread", "lock"), ("thread", "queue"), ("thread", "socket"), ("thread", "pipe"), ("async", "lock"),
        ("async", "coroutine"), ("async", "deep_in_a_coroutine"), ("serial", "lock"), ("serial", "queue"),
    ],
)  # fmt: skip
def test_a_branch_that_is_stuck_is_named_with_its_line(blocking, kind, way):
    with pytest.raises(VirtualClockError) as caught:
        run(kind, getattr(blocking, way))
    text = str(caught.value)
    assert "(item 0 of 'Check', test_watchdog.py:" in text
    assert (
        "waits in real time, which the virtual clock cannot control, for example for a lock, a queue or a socket"
        in text
    )
    assert "use kv.Lock" in text


def test_what_is_stuck_does_not_hold_up_what_is_traced_later(blocking):
    """As runs with places to give way are; Python 3.11 lets no traced function begin while an interrupt is pending."""
    with pytest.raises(VirtualClockError):
        run("thread", blocking.socket)
    done = threading.Event()

    def call():
        done.set()

    def traced():
        sys.settrace(lambda *_: None)
        call()

    threading.Thread(target=traced, daemon=True).start()
    assert done.wait(GUARD_S)


GARBAGE_IN_CYCLES = """
import gc, threading
from kaygraph_viz.clock.virtual.code_places import _frames_at
from kaygraph_viz.clock.virtual.fiber import Fiber

class Cycle:
    def __init__(self):
        self.me, self.local = self, threading.local()

released = threading.Event()
for _ in range(20):
    threading.Thread(target=released.wait, daemon=True).start()
me = Fiber("me", object())
me.thread = threading.current_thread()
for soon in range(2, 12):
    gc.collect()
    gc.disable()
    Cycle()
    gc.set_threshold(gc.get_count()[0] + soon)
    gc.enable()
    _frames_at(me)
released.set()
"""


@pytest.mark.processes
def test_garbage_collected_while_frames_are_looked_at_hangs_nothing():
    """Python 3.11 holds a lock while it lists the frames, and wants it again to free what belongs to a thread."""
    subprocess.run([sys.executable, "-c", GARBAGE_IN_CYCLES], check=True, timeout=GUARD_S)


STUCK_UNDER_A_PROFILER = """
import cProfile, queue
from kaygraph_viz import record
from kaygraph_viz.base.errors import VirtualClockError
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.clock.virtual.clock import VirtualClock

line = queue.SimpleQueue()

def ask(item):
    return line.get(timeout=20)

def stuck():
    try:
        with record(clock=VirtualClock(patience_s=0.2)), get_executor("thread", 2) as executor:
            list(executor.imap(ask, [1, 2]))
    except VirtualClockError as error:
        print(error)

def twice():
    stuck()
    stuck()

cProfile.run("twice()", sort="cumtime")
"""


@pytest.mark.processes
def test_what_is_stuck_is_given_up_under_a_profiler_too():
    """Python 3.11 lets no profiled function begin while an interrupt is pending."""
    command = [sys.executable, "-c", STUCK_UNDER_A_PROFILER]
    done = subprocess.run(command, check=True, timeout=GUARD_S, capture_output=True, text=True)
    assert "waits in real time" in done.stdout


def test_a_real_lock_between_branches_is_reported_and_all_threads_end():
    lock = threading.Lock()

    def enter(_):
        with lock:
            sleep(1)

    with pytest.raises(
        VirtualClockError, match=r"thread 'thread-2' \(item 1 of 'Check', test_watchdog.py:\d+ in enter\)"
    ):
        run("thread", enter)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("thread-")]
    assert not lock.locked()


@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_whatever_is_done_about_errors_of_branches_this_one_is_raised(blocking, on_error):
    with pytest.raises(VirtualClockError, match="waits in real time"):
        run("thread", blocking.lock, on_error=on_error, retry=kv.RetryPolicy(3))


def test_coroutines_that_wait_for_each_other_are_told_with_their_branches():
    async def wait(_):
        await asyncio.Event().wait()

    with pytest.raises(VirtualClockError) as caught:
        run("async", wait)
    assert "item 0 of 'Check'" in str(caught.value)
    assert "item 1 of 'Check'" in str(caught.value)
    assert "in wait" in str(caught.value)


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_an_input_that_waits_for_ever_is_told_also_where_there_are_deadlines(kind):
    def items():
        yield 1
        threads().Event().wait()

    with pytest.raises(VirtualClockError, match=r"test_watchdog.py:\d+ in items\) waits for an event"):
        run(kind, sleep, items(), timeout=5)


@pytest.mark.parametrize("cpu_s", [0, 0.25])
def test_a_stuck_main_program_gets_a_warning_and_goes_on(monkeypatch, cpu_s):
    told, released = [], queue.SimpleQueue()

    def warn(text, **options):
        if "waits in real time" in text:  # on a busy machine it may look like a slow computation at first
            told.append(text)
            released.put("released")

    monkeypatch.setattr(warnings, "warn", warn)
    with VirtualClock(patience_s=0.02) as clock, get_executor("thread", 1) as executor:
        future = executor.submit(sleep, 1)
        REAL.compute(cpu_s)  # which is no reason to miss what comes after it
        assert released.get(timeout=GUARD_S)
        future.result()
        assert clock.now_ns() == 10**9
    assert "the main program (test_watchdog.py:" in told[0]
    assert "in test_a_stuck_main_program_gets_a_warning_and_goes_on) waits in real time" in told[0]


def test_a_main_program_that_is_alone_may_take_its_time():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = queue.SimpleQueue()
        with VirtualClock(patience_s=0.001) as clock:
            with pytest.raises(queue.Empty):
                nothing.get(timeout=0.1)
            sleep(1)
            assert clock.now_ns() == 10**9


def test_real_computing_is_no_fault():
    def compute(x):
        return sum(number * number for number in range(x))

    with VirtualClock(patience_s=0.2), get_executor("thread", 2) as executor:
        outcomes = list(executor.imap(compute, [200_000] * 4))
    assert len({outcome.value for outcome in outcomes}) == 1


@pytest.fixture
def soon(monkeypatch):
    """Let the warning come after twice the patience."""
    monkeypatch.setattr(watch, "LONG", 2)


@pytest.mark.usefixtures("soon")
def test_a_loop_that_does_not_end_gets_a_warning():
    def spin(_):
        while not warned:
            pass

    with pytest.warns(UserWarning, match=r"\(item 0 of 'Check', test_watchdog.py:\d+ in spin\) computed") as warned:
        run("thread", spin, [0])
    assert len(warned) == 1


@pytest.mark.usefixtures("soon")
def test_so_does_one_that_asks_again_and_again():
    def poll(_):
        while not warned:
            sleep(0)

    with pytest.warns(UserWarning, match=r"\(item 0 of 'Check', test_watchdog.py:\d+ in poll\) computed") as warned:
        run("thread", poll, [0])
    assert len(warned) == 1


def test_a_clock_inside_a_clock_is_not_taken_for_being_stuck():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with VirtualClock(patience_s=0.01) as clock, get_executor("thread", 1) as executor:
            future = executor.submit(sleep, 1)
            with VirtualClock():
                for _ in range(2000):
                    sleep(1)
            future.result()
    assert clock.now_ns() == 10**9


def test_an_interrupt_as_it_starts_leaves_neither_it_nor_the_schedule(monkeypatch):
    start = watch.Watchdog.start

    def start_and_be_interrupted(watchdog):
        start(watchdog)
        raise KeyboardInterrupt

    clock = VirtualClock()
    with monkeypatch.context() as patch:
        patch.setattr(watch.Watchdog, "start", start_and_be_interrupted)
        with pytest.raises(KeyboardInterrupt), clock:
            pytest.fail("the block began")
    assert not clock.is_running
    assert "virtual clock" not in {thread.name for thread in threading.enumerate()}
    with clock:
        sleep(1)
    assert clock.now_ns() >= 1_000_000_000


MANY = 100_000


class Machine:
    """What the system would tell of two threads, 1 and 2; we are thread 3."""

    def __init__(self):
        self.now_s = 0.0
        self.cpu_s = {1: 5.0, 2: 7.0}
        self.states = {"1": b"S", "2": b"S", "3": b"R"}

    def pass_by(self, seconds, **cpu_s):
        self.now_s += seconds
        for name, used in cpu_s.items():
            self.cpu_s[{"own": 1, "other": 2}[name]] += used


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = Machine()
    for name in made.states:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(watchdog_module, "_THREADS", tmp_path)
    monkeypatch.setattr(watchdog_module, "_state", lambda name: made.states[str(name)])
    monkeypatch.setattr(watchdog_module, "_now_s", lambda: made.now_s)
    monkeypatch.setattr(watchdog_module, "_process_cpu_s", lambda: sum(made.cpu_s.values()))
    monkeypatch.setattr(watchdog_module, "_own_cpu_s", lambda: 0.0)
    monkeypatch.setattr(watchdog_module.threading, "get_native_id", lambda: 3)
    monkeypatch.setattr(Idleness, "_cpu", lambda self: made.cpu_s[1])
    return made


@pytest.fixture
def seen(machine):
    fiber = Fiber("waiting", object())
    fiber.thread = type("Thread", (), {"native_id": 1})()
    return Idleness(fiber)


def look(seen, machine, times=3, **cpu_s):
    for _ in range(times):
        machine.pass_by(0.01, **cpu_s)
        seen.sample()
    return seen.idle_samples


@pytest.mark.parametrize("cpu_s", [{"own": 1e-6}, {"other": 0.005}], ids=str)
def test_they_are_counted_anew_when_it_or_others_compute(seen, machine, cpu_s):
    look(seen, machine)
    assert look(seen, machine, 1, **cpu_s) == 0
    assert look(seen, machine) == 3


@pytest.mark.parametrize("name", ["1", "2"])
@pytest.mark.parametrize("state", [b"R", b"D", b"T"])
def test_whoever_is_kept_from_computing_or_waits_for_a_disk_is_not_idle(seen, machine, name, state):
    look(seen, machine)
    machine.states[name] = state
    assert look(seen, machine) == 0


def test_without_a_system_that_tells_nobody_is_known_to_be_idle(seen, machine, monkeypatch):
    def missing(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(watchdog_module, "_state", missing)
    assert look(seen, machine) == 0


@pytest.mark.parametrize(("own", "is_none"), [(0, True), (0.001, False)])
def test_next_to_no_cpu_in_many_looks_is_told_once_for_each_so_many(seen, machine, own, is_none):
    found = []
    for _ in range(8):
        look(seen, machine, 1, own=own)
        found.append(seen.has_used_none(4, 0.04))
    assert found == [False, False, False, is_none] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells")
def test_a_real_thread_that_waits_for_a_lock_is_idle():
    lock = threading.Lock()
    with lock:
        thread = threading.Thread(target=lock.acquire, daemon=True)
        thread.start()
        fiber = Fiber("waiting", object())
        fiber.thread = thread
        seen = Idleness(fiber)
        for _ in range(MANY):
            seen.sample()
            if seen.idle_samples == 3:
                break
    thread.join(GUARD_S)
    assert seen.idle_samples == 3
