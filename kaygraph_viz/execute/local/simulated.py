"""Simulated workers, where the clock in force has them.

Belongs here: asking the clock, and finding the pool of workers. Does not belong here: the pools (``simulated_threads``,
``simulated_processes``), which are loaded when they are first needed: real workers need none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kaygraph_viz.clock import current_clock
from kaygraph_viz.installed import SIMULATE, require_installed

__all__ = ["simulated_pool"]

_POOLS = {
    "thread": ("simulated_threads", "SimulatedThreadPool"),
    "process": ("simulated_processes", "SimulatedProcessPool"),
    "dask": ("simulated_processes", "SimulatedDaskPool"),
}


def simulated_pool(kind: str) -> Any:
    """Return the class of the simulated worker pool of a kind, or None where the clock in force has real workers."""
    if not current_clock().simulates(kind):
        require_installed(f"workers of the kind {kind!r} in real time", SIMULATE)
        return None
    module, name = _POOLS[kind]
    return getattr(import_module(f"kaygraph_viz.execute.local.{module}"), name)
