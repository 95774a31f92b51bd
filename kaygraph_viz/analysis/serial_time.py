"""The time that a recorded run would have taken with one branch after the other, estimated from its trace.

Belongs here: what of the recorded time is left when branches do not wait for each other. Does not belong here: telling
real waiting from waiting for the GIL or a core (``what_if.gil_waits``), other numbers of workers (``what_if``), and the
numbers of the run (``summary``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kaygraph_viz.analysis.calls import Calls
from kaygraph_viz.analysis.what_if.model import Model, read_model
from kaygraph_viz.analysis.what_if.predictions import Options, predictions_of
from kaygraph_viz.analysis.what_if.replay import Speed, Terms, replay
from kaygraph_viz.analysis.workers import process_of_lane
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.base.parts import PART_CODE
from kaygraph_viz.trace.columns import SpanColumns, part_totals_ns, stretches
from kaygraph_viz.trace.intervals import Bools, Ints, first_of_runs, union_length_ns
from kaygraph_viz.trace.nesting import Nesting, Places, extent_ns, unit_mask
from kaygraph_viz.trace.trace import Trace

MAX_BRANCHES, SAMPLE = 5_000, 2_000  # of more than the first number of branches, about the second are replayed
FEW = 8  # a call with fewer branches than this for each one replayed is replayed as a whole or not at all


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated time of a run with one branch after the other."""

    serial_s: float = 0.0
    low_s: float = 0.0
    high_s: float = 0.0


def serial_estimate(trace: Trace) -> Estimate:
    """Estimate how long a run would have taken with one branch after the other, from the trace of it alone."""
    columns = trace.columns
    if not len(columns):
        return Estimate()
    nesting = Nesting.of(columns)
    is_branch = nesting.columns.is_kind("branch")
    outer = np.flatnonzero(~np.append(nesting.within(is_branch), False)[nesting.parent][is_branch])
    found = Calls.of(nesting)
    begins, ends = _whole_calls(nesting, found, outer)
    in_calls_ns = union_length_ns(begins, ends)
    around_ns = _around_ns(nesting, begins, ends)
    if not len(outer):
        return _estimate(around_ns, around_ns, around_ns)
    taken = _taken(nesting, found, outer)
    model = read_model(nesting if taken is None else Nesting.of(replace(columns, rows=columns.rows[taken])))
    scale = 1.0
    if taken is not None:
        lasted = (found.ended - found.started)[outer]
        scale = float(lasted.sum() / max(1, lasted[taken[np.flatnonzero(is_branch)[outer]]].sum()))
    alone_ns, low_ns, high_ns = _branches_ns(model, trace.machine)
    # Held up by limits and locks, not by the next stage of a pipeline.
    held_up_ns = float((model.blocked - _backpressure_ns(model)).clip(0)[~model.makes_calls].sum())
    held_up, with_blocks = scale * held_up_ns, scale * alone_ns
    without = with_blocks - held_up
    probable = max(without, min(with_blocks, in_calls_ns)) if held_up else without
    return _estimate(around_ns + probable, around_ns + scale * low_ns - held_up, around_ns + scale * high_ns)


def _estimate(serial_ns: float, low_ns: float, high_ns: float) -> Estimate:
    return Estimate(round(serial_ns) / 1e9, round(low_ns) / 1e9, round(high_ns) / 1e9)


def _whole_calls(nesting: Nesting, found: Calls, outer: Places) -> tuple[Ints, Ints]:
    """Return when the calls of some branches began and ended [ns]; those of processes when all of these had ended."""
    columns = nesting.columns
    numbers, firsts = np.unique(found.call[outer], return_index=True)
    parent = nesting.parent[np.flatnonzero(columns.is_kind("branch"))[outer[firsts]]]
    of_processes = np.array([bool(process_of_lane(found.lanes[number])) for number in numbers], np.bool_)
    is_closed = of_processes & np.append(columns.is_kind("phase"), False)[parent]
    closed = np.append(columns.column("ended_ns"), 0)[parent]
    return found.begins[numbers], np.where(is_closed, np.maximum(closed, found.ends[numbers]), found.ends[numbers])


def _around_ns(nesting: Nesting, begins: Ints, ends: Ints) -> int:
    """Return the time of a run before, between and after calls [ns]; what overlapped there is added up."""
    columns = nesting.columns
    is_around = unit_mask(nesting) & ~nesting.within(columns.is_kind("branch"))
    started, ended = columns.column("started_ns")[is_around], columns.column("ended_ns")[is_around]
    begins, ends = np.append(begins, started), np.append(ends, ended)
    first_ns, last_ns = extent_ns(columns)
    given_up = columns.is_status("abandoned")
    if given_up.any():  # what outlives the call that gave it up was not waited for
        last_ns = max(int(ends.max(initial=first_ns)), int(columns.column("ended_ns")[~given_up].max(initial=first_ns)))
    alone_ns = int((ended - started).sum()) - _for_turns_ns(columns, np.flatnonzero(is_around))
    return last_ns - first_ns - union_length_ns(begins, ends) + alone_ns


# -- the branches --------------------------------------------------------------------------------------------------


def _branches_ns(model: Model, machine: Machine | None) -> tuple[float, float, float]:
    """Return the time of all branches one after the other, and its bounds [ns]."""
    supply = sum(sum(call.supply_ns.values()) for call in model.calls)
    nesting, its = model.nesting, model.branches
    columns, lane = nesting.columns, nesting.columns.column("lane")
    around = np.append(nesting.nearest(columns.is_kind("branch")), -1)[nesting.parent[its]]
    apart = its[(around < 0) | (lane[its] != lane[around])]  # not on the lane of a branch around them

    has_steps = np.zeros(len(its), np.bool_)  # coroutines whose steps were noted
    for call in model.calls:
        has_steps[call.members] = call.kind == "async"
    has_steps &= np.isin(columns.column("span_id")[its], columns.parts.span_id)

    parts, unknown = stretches(columns, apart), np.zeros(len(apart), np.bool_)
    unknown[parts.owner[parts.kind == PART_CODE["unknown"]]] = True
    if not (unknown & ~np.isin(apart, its[has_steps])).any():
        edges = (np.array(model.edges(owner)).reshape(-1, 2) for owner in model.clusters if owner >= 0)
        between = sum(int(np.diff(each, axis=1).clip(0).sum()) for each in edges)
        lasted = (model.service - _backpressure_ns(model))[~model.makes_calls].sum() + between
        known_ns = float(lasted - _for_turns_ns(columns, apart) + supply)
        return known_ns, known_ns, known_ns

    # The durations of steps count as CPU time of coroutines: for so long they kept the loop.
    totals, cpu = part_totals_ns(columns, its[has_steps]), model.cpu.copy()
    cpu[has_steps] = sum(totals[kind] for kind in ("cpu", "unknown") if kind in totals)
    model = replace(model, cpu=np.minimum(cpu, model.service))
    predictions = predictions_of(model, machine, Options(), frozenset(), Speed.of(model, {}))

    # For limits it was blocked: no part of the real waits of a stage.
    blocked, alone = model.backpressure - _backpressure_ns(model), []
    for operations in filter(None, [predictions.recorded, predictions.otherwise]):
        between = sum(wait + compute for owner, gaps in operations.gaps.items() if owner >= 0 for wait, compute in gaps)
        within = (operations.wait + operations.compute + blocked)[~model.makes_calls].sum()
        alone.append(float(within + between) + supply)

    # The replay of the recorded run misses its calls by as much as these times may be off.
    terms = Terms(cores=predictions.had_cores, has_gil=predictions.had_gil)
    replayed = replay(model, predictions.recorded, terms).calls
    calls = [call for call in model.calls if call.owner < 0]
    real_ns = sum(call.ends_ns - call.begins_ns for call in calls)
    replayed_ns = sum(end - begin for begin, end in (replayed[call.number] for call in calls))
    missed = real_ns / replayed_ns if replayed_ns else 1.0
    return alone[0], min(alone) * min(1.0, missed), max(alone) * max(1.0, missed)


def _for_turns_ns(columns: SpanColumns, positions: Places) -> int:
    """Return for how long spans waited for the GIL, a loop or a core, as far as that is known [ns]."""
    totals = part_totals_ns(columns, positions)
    return sum(int(totals[kind].sum()) for kind in ("gil", "core") if kind in totals)


def _backpressure_ns(model: Model) -> Ints:
    """Return for how long each branch was held up by the next stage of a pipeline [ns]: right before its end."""
    found = stretches(model.nesting.columns, model.branches)
    is_last = np.append(found.owner[1:] != found.owner[:-1], True)[: len(found.owner)]
    at_the_end = is_last & (found.kind == PART_CODE["blocked"])
    lasted = np.zeros(len(model.branches), np.int64)
    lasted[found.owner[at_the_end]] = (found.ended_ns - found.started_ns)[at_the_end]
    return np.minimum(lasted, model.backpressure)


# -- samples --------------------------------------------------------------------------------------------------------


def _taken(nesting: Nesting, found: Calls, outer: Places) -> Bools | None:
    """Return a mask of the spans of a sample: the first branches of large calls, some of many calls; None for all."""
    columns = nesting.columns
    branches = np.flatnonzero(columns.is_kind("branch"))
    if len(branches) <= MAX_BRANCHES:
        return None
    every = -(-len(branches) // SAMPLE)

    order = np.lexsort((found.started[outer], found.call[outer]))
    is_first = first_of_runs(found.call[outer][order])
    firsts, number = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    sizes = np.diff(np.append(firsts, len(order)))
    call, place, size = (np.empty(len(order), np.int64) for _ in range(3))  # by outer branch
    call[order], place[order], size[order] = number, np.arange(len(order)) - firsts[number], sizes[number]

    is_small = size < FEW * every
    is_taken = np.where(is_small, call % every == 0, place < -(-size // every))
    left_out = np.zeros(len(columns), np.bool_)
    left_out[branches[outer[~is_taken]]] = True
    return ~nesting.within(left_out)
