"""Lesson 10: the services that its programs ask, and running a program as in a terminal."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kaygraph_viz as kv
from kaygraph_viz.base.optional import require_installed
from kaygraph_viz.course.lessons.in_browser import is_here
from kaygraph_viz.course.services.datasets import load_customers
from kaygraph_viz.course.services.endpoints import ServiceSettings
from kaygraph_viz.course.services.server import Server, serve
from kaygraph_viz.trace.files import written

__all__ = ["customers", "is_here", "open_services", "recorded_program", "simulated"]

LATENCIES_S = {"location": 0.05, "profile": 0.05, "company": 0.15, "social": 0.6}
SETTINGS = {name: ServiceSettings(latency_s=latency_s, latency_spread=0) for name, latency_s in LATENCIES_S.items()}

customers = load_customers()[:48]


def open_services() -> Server:
    """Start the services on this computer; each takes the same time for every answer."""
    return serve(SETTINGS)


def simulated(program: Callable[[Any], Any]) -> tuple[Any, kv.Trace]:
    """Call a program with a client of the services, in simulated time; return its result and the trace."""
    with kv.record(clock="virtual", capture="all") as trace, open_services() as server, server.client() as client:
        result = program(client)
    return result, trace


def recorded_program(source: str) -> Path:
    """Save a program, run ``kaygraph-viz record collect.py``, and return the folder with what was recorded."""
    require_installed("programs of their own", "open this lesson with kaygraph-viz lab")
    folder = Path(tempfile.mkdtemp())
    with written(folder / "collect.py") as file:
        file.write(source.encode())
    command = [sys.executable, "-m", "kaygraph_viz", "record", "collect.py"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603  (a program of the lesson)
    return folder / "recorded"


SOLUTIONS = {
    "exercise_1": '''
"""The slow call first, and six threads.

- Draw the chart: `kv.gantt(mine, color_by="name")`. Which call begins last, and what do the threads do meanwhile?
- Two lines have to change: the one with the number of threads, and the place of the one that submits `accounts`.
"""


def my_collect(client):
    with ThreadPoolExecutor(6) as pool:
        friends = pool.submit(accounts, client, customers[0])
        places = [pool.submit(place, client, customer) for customer in customers]
    return [each.result() for each in places], friends.result()


my_result, mine = simulated(my_collect)
''',
}
