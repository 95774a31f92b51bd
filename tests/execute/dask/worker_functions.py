"""Functions that tests have run on Dask workers, and what they share to look at the outcomes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

GUARD_S = 20.0
LONG_S = 600.0


def double(x):
    return 2 * x


def values(outcomes):
    return [outcome.value for outcome in outcomes]


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def touch(path):
    Path(path).touch()


def wait_for_file(path):
    """Wait until the other process has made a file."""
    until = time.monotonic() + GUARD_S
    while not Path(path).exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.005)


def hang(path):
    touch(path)
    threading.Event().wait(LONG_S)


def fail(x):
    try:
        raise KeyError(x)
    except KeyError as error:
        raise ValueError(f"bad {x}") from error


class Trap:
    """Pickles well and cannot be loaded."""

    def __reduce__(self):
        return fail, ("trap",)


def spend(ms):
    until = time.perf_counter_ns() + ms * 1_000_000
    while time.perf_counter_ns() < until:
        pass
    return ms


def die_at_7(x):
    if x == 7:
        os._exit(0)
    return x


def hang_at_1(path_of):
    number, path = path_of
    with Path(f"{path}.{number}").open("a") as runs:  # each run leaves a line
        print(os.getpid(), file=runs)
    if number == 1:
        hang(path)
    return number


def say_and_wait(paths):
    touch(paths[0])
    wait_for_file(paths[1])


def hang_at_0(x):
    if x == 0:
        threading.Event().wait(LONG_S)
    return x


def hang_until(paths):
    if paths is not None:
        wait_for_file(paths)
