"""A thread that waits is told from one that computes, that is kept from computing, or for which others compute."""

from __future__ import annotations

import sys
import threading

import pytest

from kaygraph_viz.virtual import idleness
from kaygraph_viz.virtual.fiber import Fiber
from kaygraph_viz.virtual.idleness import Idleness

GUARD_S = 20.0
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
    monkeypatch.setattr(idleness, "_THREADS", tmp_path)
    monkeypatch.setattr(idleness, "_state", lambda name: made.states[str(name)])
    monkeypatch.setattr(idleness, "_now_s", lambda: made.now_s)
    monkeypatch.setattr(idleness, "_process_cpu_s", lambda: sum(made.cpu_s.values()))
    monkeypatch.setattr(idleness, "_own_cpu_s", lambda: 0.0)
    monkeypatch.setattr(idleness.threading, "get_native_id", lambda: 3)
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


def test_looks_at_an_idle_process_are_counted(seen, machine):
    assert look(seen, machine) == 3
    assert look(seen, machine, other=0.0005) == 6  # next to nothing


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

    monkeypatch.setattr(idleness, "_state", missing)
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
