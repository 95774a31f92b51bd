"""The stretches in which spans computed, all the time or for an unknown part of it.

Belongs here: reading them from parts. Does not belong here: what follows from them (``explain.contention``,
``gil_free``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.parts import PART_CODE
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.part_table import stretches

__all__ = ["Computing", "computing"]


class Computing(NamedTuple):
    """The m stretches in which spans computed, shape (m,) each."""

    owner: Places
    started: Ints
    ended: Ints
    cpu: Ints
    is_open: Bools


def computing(columns: SpanColumns, positions: Places) -> Computing:
    """Return the stretches in which spans computed."""
    found = stretches(columns, positions)
    cpu = np.rint(np.nan_to_num(found.cpu_share) * (found.ended_ns - found.started_ns)).astype(np.int64)
    its = np.flatnonzero(cpu > 0)
    is_open = found.kind[its] == PART_CODE["unknown"]
    return Computing(found.owner[its], found.started_ns[its], found.ended_ns[its], cpu[its], is_open)
