"""What tests of running pipelines share: functions for stages, running stages over items, waiting for threads."""

from __future__ import annotations

import contextvars
import itertools
import os
import threading
import time

from kaygraph_viz.clock.clock import sleep, sleep_async
from kaygraph_viz.execute.pipeline.run import PipelineRun
from kaygraph_viz.trace.recorder import span

GUARD_S = 20.0
MS = 1_000_000


city = contextvars.ContextVar("city", default="nowhere")


def double(x):
    return 2 * x


def fail_odd(x):
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


def negative(x):
    return -x


def wait_10_ms(x):
    sleep(0.01)
    return x


def wait_40_ms(x):
    sleep(0.04)
    return x


async def wait_async(x):
    await sleep_async(0.01)
    return x


def hang_at_two(x):
    if x == 2:
        sleep(3600)
    return x


async def hang_at_two_async(x):
    return await sleep_async(3600) if x == 2 else x


def die_at_three(x):
    if x == 3:
        os._exit(7)
    return x


def see_city(_):
    return city.get()


def record_inside(x):
    with span("inside"):
        return x


def interrupt_at_one(x):
    if x == 1:
        raise KeyboardInterrupt
    return x


def outcomes(stages, items, **options):
    with PipelineRun(stages, items, **options) as run:
        return list(run)


def values(stages, items, **options):
    return [outcome.value for outcome in outcomes(stages, items, **options) if outcome.ok]


def until(happened):
    """Wait for something that a test cannot be told of; nothing depends on how long the steps are."""
    end = time.monotonic() + GUARD_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)


def until_full(queue):
    """Wait until somebody waits for room in a queue."""
    until(lambda: len(queue._waiting_writers))


def ours():
    """Return the threads of pipelines that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name in {"source", "a", "b", "c"}]


def endless(closed=None):
    try:
        yield from itertools.count()
    finally:
        if closed is not None:
            closed.append(True)
