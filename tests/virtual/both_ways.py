"""Both ways of noticing instructions, one after the other: ``python -m tests.virtual.both_ways batch ties``.

Belongs here: running scenarios both ways, in a process without pytest, which hides functions from `gc`. Prints the
runs that differ.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from kaygraph_viz.clock.virtual import code_places
from kaygraph_viz.clock.virtual.carriers import carried_by
from tests.virtual import greenlets, scenarios
from tests.virtual.greenlets import Greenlets

KINDS = ("thread", "process", "async")
SEEDS = (1, 2)


def differ(name, kind, seed, path):
    """Return whether a scenario runs otherwise where one thread carries all fibers and code is rewritten."""
    scenario = getattr(scenarios, name)
    by_hooks = scenarios.saved(scenario, kind, seed, path, preempt=0.2)
    with carried_by(Greenlets()), patch("kaygraph_viz.clock.virtual.preempt.has_threads", lambda: False):
        return scenarios.saved(scenario, kind, seed, path, preempt=0.2) != by_hooks


if __name__ == "__main__":
    code_places._OUTSIDE += (greenlets.__file__,)  # what carries fibers cannot be preempted itself
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:]:
            for kind in KINDS:
                for seed in SEEDS:
                    if differ(name, kind, seed, Path(folder, "trace.jsonl")):
                        print(name, kind, seed)
