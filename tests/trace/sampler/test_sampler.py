"""Sampling a recording: the helper process, its end, its faults, and what comes of it."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.sampler import sampler
from kaygraph_viz.trace.sampler.sampler import Sampler, is_available, readings_in
from kaygraph_viz.trace.trace import load

GUARD_S = 20.0
HALF_S = 0.05

only_here = pytest.mark.skipif(sys.platform != "linux" or not is_available(), reason="the clocks of Linux")


@pytest.fixture
def helpers(monkeypatch):
    """Return the helper processes of the recordings of this test, and of no others: some may end meanwhile."""
    found = []

    class Noted(Sampler):
        def __init__(self, period_s):
            super().__init__(period_s)
            found.append(psutil.Process(self.process.pid))

    monkeypatch.setattr(sampler, "Sampler", Noted)
    return found


def sleep_then_compute(_=None):
    time.sleep(HALF_S)
    compute(HALF_S)


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


def cpu_after(found, moment_ns):
    """Return which share of the CPU of a span came after a time."""
    parts = [part for part in found.parts if part.kind == "cpu"]
    behind = sum(max(0, part.ended_ns - max(part.started_ns, moment_ns)) for part in parts)
    return behind / max(1, sum(part.lasted_ns for part in parts))


@contextmanager
def warned(match):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    ours = [str(each.message) for each in told if "sample_s" in str(each.message)]
    assert len(ours) == 1
    assert re.search(match, ours[0])


def started(program, *options):
    """Start a Python program in another process."""
    environment = os.environ | {"PYTHONPATH": str(Path(sampler.__file__).parents[3])}
    command = [sys.executable, *options, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


# -- the option ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, 0.0004, 1.5, -1, True, "0.002", float("nan")])
def test_a_period_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(OptionError, match="sample_s"), record(sample_s=wrong):
        pass


@pytest.mark.parametrize("clock", ["virtual", FakeClock()])
def test_another_clock_than_that_of_the_machine_is_one_warning(clock):
    with warned("without samples"), record(sample_s=0.002, clock=clock) as trace, span("a"):
        pass
    assert len(trace) == 1


def test_another_system_is_one_warning(monkeypatch):
    monkeypatch.setattr(sampler.sys, "platform", "darwin")
    with warned("on Linux"), record(sample_s=0.002) as trace, span("a"):
        pass
    assert len(trace) == 1


def test_clocks_that_are_not_kept_are_one_warning(monkeypatch):
    monkeypatch.setattr(sampler, "is_available", lambda: False)
    with warned("schedstat"), record(sample_s=0.002) as trace, span("a"):
        pass
    assert len(trace) == 1


def test_a_program_that_cannot_be_started_is_one_warning(monkeypatch):
    monkeypatch.setattr(sampler, "is_available", lambda: True)
    monkeypatch.setattr(sampler.sys, "executable", "/no/such/program")
    with warned("no samples"), record(sample_s=0.002) as trace, span("a"):
        pass
    assert len(trace) == 1


@pytest.mark.parametrize("message", [b"", np.array([1]).tobytes(), np.array([1, 7, 8, 2, 100]).tobytes(), b"abc"])
def test_an_answer_that_is_not_complete_is_refused(message):
    with pytest.raises(ValueError, match=r".+"):
        readings_in(message)


# -- what comes of it ----------------------------------------------------------------------------------------------


@only_here
@pytest.mark.processes
@pytest.mark.parametrize("kind", ["serial", "thread", "process"])
def test_a_branch_that_sleeps_and_then_computes_has_its_cpu_in_the_second_half(kind):
    with record(sample_s=0.002) as trace, get_executor(kind, 1) as executor:
        list(executor.imap(sleep_then_compute, range(10)))
    branches = [each for each in trace if each.kind == "branch"]
    shares = [cpu_after(each, each.started_ns + HALF_S * 1e9) for each in branches]
    assert len(shares) == 10
    assert statistics.median(shares) > 0.8
    for each in branches:
        assert sum(part.lasted_ns for part in each.parts if part.kind == "cpu") <= each.cpu_ns
    assert trace.validate() is trace


@only_here
@pytest.mark.processes
def test_its_parts_are_saved(tmp_path):
    with record(sample_s=0.002) as trace, span("a"):
        sleep_then_compute()
    loaded = load(trace.save(tmp_path / "run.jsonl"))
    assert [part.kind for part in trace.spans[0].parts][-1] != "unknown"
    assert loaded.spans[0].parts == trace.spans[0].parts


@only_here
@pytest.mark.processes
def test_the_readings_are_by_the_clock_of_the_recording():
    began = time.perf_counter_ns()
    helper = Sampler(0.002)
    compute(0.02)
    found = helper.readings()
    mine = next(each for each in found if each.tid == threading.get_native_id())
    assert began <= mine.times_ns[0] <= mine.times_ns[-1] <= time.perf_counter_ns()
    assert (np.diff(mine.times_ns) > 0).all()
    assert (np.diff(mine.cpu_ns) >= 0).all()


# -- its end -------------------------------------------------------------------------------------------------------


@only_here
@pytest.mark.processes
def test_the_helper_is_gone_after_the_block(helpers):
    with record(sample_s=0.002):
        (helper,) = helpers
    assert not helper.is_running()


@only_here
@pytest.mark.processes
def test_the_helper_is_gone_after_an_error(helpers):
    with pytest.raises(ZeroDivisionError), record(sample_s=0.002) as trace, span("a"):
        (helper,) = helpers
        raise ZeroDivisionError
    assert not helper.is_running()
    assert [each.status for each in trace] == ["error"]


KILLED = """
import sys, time
from kaygraph_viz.recording import record
with record(sample_s=0.002):
    print("began", flush=True)
    sys.stdin.read()
"""


@only_here
@pytest.mark.processes
def test_the_helper_is_gone_when_the_recorded_process_is_killed():
    with started(KILLED) as process:
        assert process.stdout.readline() == b"began\n"
        (helper,) = psutil.Process(process.pid).children()
        process.kill()
        psutil.wait_procs([helper], GUARD_S)
        assert not helper.is_running()


@only_here
@pytest.mark.processes
def test_an_interrupt_does_not_end_the_helper(helpers):
    with record(sample_s=0.002) as trace, span("a"):
        (helper,) = helpers
        helper.send_signal(signal.SIGINT)
        sleep_then_compute()
    assert "unknown" not in {part.kind for part in trace.spans[0].parts}


@only_here
@pytest.mark.processes
def test_a_helper_that_is_killed_is_one_warning_and_the_trace_is_whole(helpers):
    with warned("no samples"), record(sample_s=0.002) as trace, span("a"):
        (helper,) = helpers
        helper.kill()
        psutil.wait_procs([helper], GUARD_S)
        compute(0.002)
    assert trace.validate() is trace
    assert len(trace) == 1


@only_here
@pytest.mark.processes
def test_a_helper_that_does_not_answer_is_one_warning(helpers, monkeypatch):
    with warned("did not answer"), record(sample_s=0.002):
        (helper,) = helpers
        helper.suspend()
        monkeypatch.setattr(sampler, "PATIENCE_S", 0.05)
    assert not helper.is_running()


FORKED = """
import os, sys
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
with record(sample_s=0.002) as trace, span("a"):
    copy = os.fork()
    if not copy:
        sys.stdin.read()
        os._exit(0)
    print("began", flush=True)
print("ended", flush=True)
os.waitpid(copy, 0)
"""


@only_here
@pytest.mark.processes
def test_a_copy_of_the_process_does_not_keep_the_recording_from_its_end():
    """It keeps the pipe open, the end of which would tell the helper."""
    with started(FORKED, "-W", "error") as process:
        assert process.stdout.readline() == b"began\n"
        assert process.stdout.readline() == b"ended\n"
        process.communicate(timeout=GUARD_S)
        assert process.returncode == 0


LEFT_BY_A_COPY = """
import os
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
with record(sample_s=0.002) as trace, span("a"):
    copy = os.fork()
    if copy:
        os.waitpid(copy, 0)
        sum(range(2_000_000))
if copy:
    print(trace.spans[0].parts[-1].kind, flush=True)
"""


@only_here
@pytest.mark.processes
def test_a_copy_of_the_process_that_leaves_the_block_does_not_end_the_helper():
    with started(LEFT_BY_A_COPY, "-W", "error") as process:
        output, _ = process.communicate(timeout=GUARD_S)
        assert process.returncode == 0
        assert output in (b"cpu\n", b"core\n", b"wait\n")
