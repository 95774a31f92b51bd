"""Capturing PocketFlow: graphs, nodes, phases, items and attempts of its own classes.

Belongs here: when its hooks are made. Does not belong here: the hooks (``flows``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kaygraph_viz.capture.flows import flow_hooks
from kaygraph_viz.capture.patches import Hook, OnImport

__all__ = ["hooks"]


def hooks() -> Iterator[Hook]:
    """Yield the hooks of PocketFlow."""
    yield OnImport("pocketflow", partial(flow_hooks, "pocketflow"))
