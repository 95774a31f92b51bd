"""Who had the turn when: the schedule itself, without a recording, and so without NumPy.

Belongs here: what is compared where a place has no NumPy, such as the newest Python for browser tabs. Does not belong
here: digests of traces (``scenarios``).
"""

from __future__ import annotations

import hashlib

from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.scheduler import Scheduler
from kaygraph_viz.execute.registry import KINDS
from tests.virtual import scenarios


def turns(scenario, kind, seed):
    """Run a scenario; return the simulated time and the name of each thread that waits, and the result, as a digest."""
    lines, park = [], Scheduler.park

    def noting(self, *args, **options):
        lines.append((self.now_ns, self.here().name))
        return park(self, *args, **options)

    Scheduler.park = noting
    try:
        with VirtualClock(seed):
            lines.append(scenario(kind))
    finally:
        Scheduler.park = park
    return hashlib.sha256(repr(lines).encode()).hexdigest()[:16]


def digests(name):
    """Run a scenario on every kind of worker with every seed; return a line for each."""
    scenario = getattr(scenarios, name)
    return [f"{name} {kind} {seed} {turns(scenario, kind, seed)}" for kind in KINDS for seed in scenarios.SEEDS]
