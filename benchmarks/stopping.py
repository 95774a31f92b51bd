"""The time until work stops after an interrupt, a deadline, or the death of the parent process; each against a budget.

Belongs here: seconds from the interrupt until control is back or a process has ended, in a program of its own. Does not
belong here: whether the right things stop, which the tests say.
"""

from __future__ import annotations

import os

from benchmarks.harness import Measured, Scale, benchmark, in_subprocess
from kaygraph_viz.base.optional import require

INTERRUPT_S, GONE_S, KILL_S, ORPHAN_S = 0.5, 1.0, 0.5, 2.0

START = """
import asyncio, os, signal, subprocess, sys, tempfile, threading, time
from pathlib import Path
import psutil
import kaygraph_viz as kv

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the benchmarks were started to ignore it
kind, folder = sys.argv[1], tempfile.mkdtemp()

def hang(number, folder=folder):
    Path(folder, str(number)).touch()
    time.sleep(8)

async def hang_async(number, folder=folder):
    Path(folder, str(number)).touch()
    await asyncio.sleep(8)

def wait_until(holds):
    while not holds():
        time.sleep(0.001)

def alive(pids):
    return any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)
"""

INTERRUPT = """
interrupted = []

def interrupt():
    wait_until(lambda: len(os.listdir(folder)) == 4)
    interrupted.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
executor = kv.get_executor(kind, 4)
try:
    list(executor.imap(hang_async if kind == "async" else hang, range(12)))
except KeyboardInterrupt:
    print(time.perf_counter() - interrupted[0], flush=True)
if kind == "process":
    wait_until(lambda: not psutil.Process().children())
    print(time.perf_counter() - interrupted[0], flush=True)
assert len(os.listdir(folder)) == 4, "something queued was started"
os._exit(0)
"""

DEADLINE = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
executor = kv.get_executor("process", 1)
list(executor.imap(str, [1]))
began = time.perf_counter()
(outcome,) = executor.imap(hang, [1], timeout=0.2, on_error="collect")
assert outcome.status == "timeout"
print(time.perf_counter() - began - 0.2, flush=True)
os._exit(0)
"""

ORPHANS = """
if kind == "parent":
    threading.Thread(target=list, args=(kv.get_executor("process", 2).imap(hang, range(2)),), daemon=True).start()
    wait_until(lambda: len(os.listdir(folder)) == 2)
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    time.sleep(60)
parent = subprocess.Popen([sys.executable, "-c", sys.argv[2], "parent"], stdout=subprocess.PIPE, text=True)
pids = [int(word) for word in parent.stdout.readline().split()]
parent.kill()
parent.wait()
began = time.perf_counter()
wait_until(lambda: not alive(pids))
print(time.perf_counter() - began, flush=True)
"""


def _interrupted(kind: str) -> Measured:
    return Measured(in_subprocess(START + INTERRUPT, kind)[0], INTERRUPT_S)


@benchmark("stop button, 4 threads in 8 s items", peer="0.5 s", target=1.0, note="until control is back")
def threads(scale: Scale) -> Measured:
    """Measure from SIGINT until the reader of threads has control."""
    return _interrupted("thread")


@benchmark("stop button, 4 processes in 8 s items", peer="0.5 s", target=1.0, note="until control is back")
def processes(scale: Scale) -> Measured:
    """Measure from SIGINT until the reader of processes has control."""
    return _interrupted("process")


@benchmark("stop button, 4 coroutines in 8 s items", peer="0.5 s", target=1.0, note="until control is back")
def coroutines(scale: Scale) -> Measured:
    """Measure from SIGINT until the reader of coroutines has control."""
    return _interrupted("async")


@benchmark("stop button until 4 processes have ended", peer="1 s", target=1.0, note="while they run items of 8 s")
def ended(scale: Scale) -> Measured:
    """Measure from SIGINT until no worker process is left."""
    return Measured(in_subprocess(START + INTERRUPT, "process")[1], GONE_S)


@benchmark("stop button, 4 Dask workers in 8 s items", peer="0.5 s", target=1.0, note="until control is back")
def cluster(scale: Scale) -> Measured:
    """Measure from SIGINT until the reader of a cluster of our own has control."""
    require("distributed")
    return _interrupted("dask")


@benchmark("deadline until a process is killed", peer="0.5 s", target=1.0, note="SIGTERM is ignored")
def deadline(scale: Scale) -> Measured:
    """Measure the time from the deadline of a branch that sleeps on until its outcome is a timeout."""
    (seconds,) = in_subprocess(START + DEADLINE, "process")
    return Measured(seconds, KILL_S)


@benchmark("death of the parent until its processes have ended", peer="2 s", target=1.0, note="they run user code")
def orphans(scale: Scale) -> Measured:
    """Measure the time that worker processes outlive a parent that was killed."""
    if os.name != "posix":
        raise ImportError("killing the parent is measured on POSIX only")
    (seconds,) = in_subprocess(START + ORPHANS, "measured", START + ORPHANS)
    return Measured(seconds, ORPHAN_S)
