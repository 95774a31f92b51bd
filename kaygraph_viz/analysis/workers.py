"""The workers of a run, also those that ran no branch.

Belongs here: reading what a parallel node noted about its workers, and the names of lanes. Does not belong here: rows
of a chart (``plot.rows``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from kaygraph_viz.base.checks import MAX_WORKERS
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.intervals import Bools, concurrency
from kaygraph_viz.trace.nesting import Nesting, is_own_time

LOOPS = ("async", "task")  # kinds of lanes of coroutines
OWN_INTERPRETER = ("process", "dask")  # kinds of workers with an interpreter of their own
RANKS = dict.fromkeys(LOOPS, 2) | dict.fromkeys(OWN_INTERPRETER, 3)  # in charts; the main thread is 0, others are 1


def idle_lanes(columns: SpanColumns) -> list[str]:
    """Return the lanes of workers that were started and ran nothing."""
    largest: dict[str, int] = {}
    for noted in columns.attributes.values():
        if (count := noted_workers(noted)) is not None:
            largest[noted["executor"]] = max(count, largest.get(noted["executor"], 0))
    idle, used = list[str](), set(columns.lanes)
    for kind, count in largest.items():
        numbered = sum(kind_of_lane(lane) == kind for lane in used)
        free = (lane for number in range(1, count + numbered + 1) if (lane := f"{kind}-{number}") not in used)
        idle += itertools.islice(free, max(0, count - numbered)) if numbered else ()
    return idle


def noted_workers(noted: Mapping[str, Any]) -> int | None:
    """Return how many workers a span notes to have started, at most 4,096; None for a span that started none."""
    kind, count = noted.get("executor"), noted.get("workers")
    # A file may claim any number.
    return max(0, min(MAX_WORKERS, count)) if isinstance(kind, str) and isinstance(count, int) else None


def kind_of_lane(lane: str) -> str:
    """Return the kind of worker to which a lane belongs: its name without the number."""
    return lane.rpartition("-")[0]


def lane_order(lane: str) -> tuple[Any, ...]:
    """Return the sorting key of a lane: main first, threads, coroutines, processes, each by number."""
    rank = 0 if lane == "main" else RANKS.get(kind_of_lane(lane.partition("/")[0]), 1)
    parts = filter(None, re.split(r"(\d{1,18})", lane[:200]))
    return (rank, [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts])


def is_loop_lane(lane: str) -> bool:
    """Return whether a lane is that of a coroutine, which shares a loop with others; also of one in another process."""
    return kind_of_lane(lane.rpartition("/")[2]) in LOOPS


def process_of_lane(lane: str) -> str:
    """Return the process that a lane belongs to: the empty text for the one that was recorded, else its own lane."""
    outer = lane.partition("/")[0]
    return outer if kind_of_lane(outer) in OWN_INTERPRETER else ""


def count_workers(nesting: Nesting, units: Bools) -> int:
    """Return how many workers a run had: the lanes of its branches and those that stayed idle."""
    columns = nesting.columns
    in_branches = units & nesting.within(columns.is_kind("branch")) & ~is_own_time(columns)
    ran = in_branches if in_branches.any() else units
    lanes = len(np.unique(columns.rows["lane"][ran])) + len(idle_lanes(columns))
    at_once = concurrency(columns.column("started_ns")[units], columns.column("ended_ns")[units])[1]
    return max(lanes, int(at_once.max(initial=0)))
