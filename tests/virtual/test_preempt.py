"""Preemption: with a chance, a thread yields after any instruction of user code, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kaygraph_viz.clock import sleep
from kaygraph_viz.errors import PlatformError
from kaygraph_viz.virtual import preempt
from kaygraph_viz.virtual.clock import VirtualClock
from tests.virtual import scenarios

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = [each.__name__ for each in scenarios.SCENARIOS]
SOME = ["submitted", "nested", "pipeline", "coroutines"]


@pytest.fixture
def without_threads(monkeypatch):
    """Notice instructions as it is done in a browser tab."""
    monkeypatch.setattr(preempt, "has_threads", lambda: False)


@pytest.fixture(params=["hooks", "calls"])
def way(request):
    """Both ways, one after the other: what holds for one holds for the other."""
    if request.param == "calls":
        request.getfixturevalue("without_threads")


def lost_updates(clock):
    """Return how many of 40 increments two threads lose that read and write apart, and the time at the end."""
    total = {"n": 0}

    def add():
        for _ in range(20):
            n = total["n"]
            total["n"] = n + 1

    with clock:
        pair = [threading.Thread(target=add) for _ in range(2)]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()
    return 40 - total["n"], clock.now_ns()


def test_without_a_chance_a_thread_yields_only_where_it_waits():
    assert lost_updates(VirtualClock()) == (0, 0)


def test_with_a_chance_a_race_shows_and_no_time_passes(way):
    lost, now_ns = lost_updates(VirtualClock(1, preempt=0.3))
    assert lost > 0
    assert now_ns == 0


def test_a_seed_has_one_schedule_with_preemption_too(way):
    assert len({lost_updates(VirtualClock(5, preempt=0.3)) for _ in range(5)}) == 1
    assert len({lost_updates(VirtualClock(seed, preempt=0.3)) for seed in range(8)}) > 1


def test_the_hooks_are_gone_after_the_block():
    before = sys.gettrace()
    with VirtualClock(preempt=1.0):
        sleep(1)
    assert sys.gettrace() is before
    if sys.version_info >= (3, 12):
        assert "kaygraph-viz" not in [sys.monitoring.get_tool(number) for number in range(6)]


def test_the_main_program_is_not_preempted(way):
    seen = []
    with VirtualClock(preempt=1.0) as clock:
        thread = clock.threads.Thread(target=seen.append, args=("thread",))
        thread.start()
        seen.append("main")
        seen.append("main")
        thread.join()
    assert seen == ["main", "main", "thread"]


@pytest.mark.parametrize("steps", range(40))
def test_the_end_of_the_block_never_comes_between_taking_a_lock_and_guarding_it(way, steps):
    def hold():
        lock.acquire()
        try:
            sleep(1)
        finally:
            lock.release()

    with VirtualClock(preempt=1.0):
        lock = threading.Lock()
        threading.Thread(target=hold).start()
        for _ in range(steps):  # after each of them the thread has gone one instruction further
            sleep(0)
    assert lock.acquire(blocking=False)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="each thread has a trace function of its own there")
def test_where_all_tools_are_taken_that_is_said():
    from kaygraph_viz.errors import VirtualClockError

    free = [number for number in range(6) if sys.monitoring.get_tool(number) is None]
    for number in free:
        sys.monitoring.use_tool_id(number, "taken")
    try:
        with pytest.raises(VirtualClockError, match="preempt needs one of"), VirtualClock(preempt=0.5):
            pass
    finally:
        for number in free:
            sys.monitoring.free_tool_id(number)


def test_a_browser_tab_needs_a_package_for_it(without_threads, monkeypatch):
    monkeypatch.setitem(sys.modules, "bytecode", None)
    with pytest.raises(PlatformError, match="%pip install bytecode"), VirtualClock(preempt=0.1):
        pass


@pytest.mark.processes
@pytest.mark.skipif(sys.version_info < (3, 12), reason="a trace function is told a little more of coroutines")
@pytest.mark.parametrize(
    "names", [SOME, pytest.param([name for name in SCENARIOS if name not in SOME], marks=pytest.mark.thorough)]
)
def test_both_ways_have_the_same_schedules(names):
    command = [sys.executable, "-m", "tests.virtual.both_ways", *names]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""
