"""What tests of worker processes share: looking at processes and open files from outside, waiting for what they do."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path

import psutil

from kaygraph_viz.execute.local import process_starter

GUARD_S = 20.0


def values(outcomes):
    return [outcome.value for outcome in outcomes]


def pid_of(_):
    return os.getpid()


def wait_until(is_so):
    """Wait for what another process does; nobody tells us when it has done it."""
    until = time.monotonic() + GUARD_S
    while not is_so():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children_of_ours():
    """Return our worker processes; a Dask cluster and kernels of other tests have their own, one level below."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if process_starter.PROGRAM in child.cmdline():
                found.add(child.pid)
    return found


def open_files():
    """Return our pipes, local sockets and files; the connections of a Dask cluster may come and go meanwhile."""
    found = set()
    for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        with suppress(OSError):  # the folder itself, which is closed again
            state = os.fstat(number)
            if stat.S_ISFIFO(state.st_mode) or stat.S_ISREG(state.st_mode) or is_local_socket(number, state):
                found.add((state.st_dev, state.st_ino, number))
    return found


def is_local_socket(number, state):
    if not stat.S_ISSOCK(state.st_mode):
        return False
    with socket.socket(fileno=os.dup(number)) as copy:
        return copy.family == socket.AF_UNIX


def wait_for(path):
    while not path.exists():
        time.sleep(0.005)


def hang(path):
    """Say who we are in a file, then never return."""
    part = Path(path + ".part")
    part.write_text(str(os.getpid()))
    part.rename(path)
    while True:
        signal.pause()
