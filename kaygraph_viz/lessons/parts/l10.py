"""Lesson 10: the services that its programs ask, and running a program as in a terminal."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from kaygraph_viz.analysis.intervals import concurrency
from kaygraph_viz.lessons.goals.goal import Finding, Goal, seconds, zero_of
from kaygraph_viz.lessons.parts.installed import is_here
from kaygraph_viz.recording import record
from kaygraph_viz.services.datasets import load_customers
from kaygraph_viz.services.request_log import LoggedRequest
from kaygraph_viz.services.server import Server, serve
from kaygraph_viz.services.settings import ServiceSettings
from kaygraph_viz.trace.trace import Trace

__all__ = ["at_most_requests", "customers", "is_here", "open_services", "recorded_program", "simulated"]

LATENCIES_S = {"location": 0.05, "profile": 0.05, "company": 0.15, "social": 0.6}
SETTINGS = {name: ServiceSettings(latency_s=latency_s, latency_spread=0) for name, latency_s in LATENCIES_S.items()}

customers = load_customers()[:48]
_requests: WeakKeyDictionary[Trace, tuple[LoggedRequest, ...]] = WeakKeyDictionary()  # of the simulated runs


def open_services() -> Server:
    """Start the services on this computer; each takes the same time for every answer."""
    return serve(SETTINGS)


def simulated(program: Callable[[Any], Any]) -> tuple[Any, Trace]:
    """Call a program with a client of the services, in simulated time; return its result and the trace."""
    with record(clock="virtual", capture="all") as trace, open_services() as server, server.client() as client:
        result = program(client)
    _requests[trace] = server.requests
    return result, trace


def at_most_requests(count: int) -> Goal:
    """Require that the services never work on more than `count` requests at once, whatever waits in the program."""

    def evaluate(trace: Trace) -> Finding:
        log = _requests.get(trace, ())
        received = np.array([each.received_ns for each in log], np.int64)
        answered = np.array([each.answered_ns or each.received_ns for each in log], np.int64)
        times, counts = concurrency(received, answered)
        most = int(counts.max(initial=0))
        reason = f"at most {most} requests were in progress at once"
        if most <= count:
            return Finding(True, reason)
        first, zero = int(counts.argmax()), zero_of(trace)
        return Finding(False, reason, seconds(times[first], zero), seconds(times[first + 1], zero))

    return Goal(f"never more than {count} requests at once", evaluate)


def recorded_program(source: str) -> Path:
    """Save a program, run ``kaygraph-viz record collect.py``, and return the folder with what was recorded."""
    folder = Path(tempfile.mkdtemp())
    (folder / "collect.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "kaygraph_viz", "record", "collect.py"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603  (a program of the lesson)
    return folder / "recorded"
